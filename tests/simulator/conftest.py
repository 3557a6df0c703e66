"""Fixtures for the tests of the simulator: servers on free ports."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from simulator_batches import STILL, BatchClient
from simulator_bodies import Client

from batcher.simulator import Settings, run_in_thread


@pytest.fixture
def simulate() -> Iterator[Callable[..., Client]]:
    """Return a function that starts simulators with any settings; they stop after the test."""
    with ExitStack() as stack:

        def start(**settings: Any) -> Client:
            simulator = run_in_thread(Settings(**({"keep_requests": True} | settings)))
            client = Client(stack.enter_context(simulator))
            stack.enter_context(client.http)
            return client

        yield start


@pytest.fixture
def batches(simulate: Callable[..., Client]) -> Callable[..., BatchClient]:
    """Return a function that starts simulators whose clock of batches stands still."""
    return lambda **settings: BatchClient(simulate(**(STILL | settings)))


@pytest.fixture(scope="module")
def shared() -> Iterator[Client]:
    """One simulator for all tests of a module that do not change its state."""
    with run_in_thread(Settings(seed=1)) as simulator:
        client = Client(simulator)
        with client.http:
            yield client
