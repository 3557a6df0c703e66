"""Fixtures: a simulator and a job for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_runs import Job, Server, kill


@pytest.fixture(autouse=True)
def _stop_leftover_processes() -> Iterator[None]:
    """Stop the processes that a failing test has left, so that they do not affect other tests."""
    servers, runs = list(Server.running), len(Job.started)
    yield
    for process in Job.started[runs:]:
        if process.poll() is None:
            kill(process)
    del Job.started[runs:]
    for server in [server for server in Server.running if server not in servers]:
        server.close()


@pytest.fixture
def server() -> Iterator[Server]:
    """A simulator that responds at once."""
    running = Server("--keep-requests")
    yield running
    running.close()


@pytest.fixture
def job(tmp_path: Path, server: Server) -> Job:
    """A job that uses this test's simulator."""
    return Job(tmp_path, server)
