"""A simulator and a job for each test."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from whole_runs import Job, Server


@pytest.fixture
def server() -> Iterator[Server]:
    """A simulator that answers at once."""
    running = Server("--keep-requests")
    yield running
    running.close()


@pytest.fixture
def job(tmp_path: Path, server: Server) -> Job:
    """A job that asks this test's simulator."""
    return Job(tmp_path, server)
