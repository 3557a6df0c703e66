"""Runs with few open files: they send fewer requests at once, say so, and lose no attempt."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from whole_runs import Job, Server

from batcher.runner.open_files import FileLimit

ROWS = [{"id": f"r{n}", "text": f"thing {n}"} for n in range(400)]


def run(job: Job, soft: int, hard: int) -> tuple[int, str]:
    """Run a job in a process with these limits of open files."""
    ended = subprocess.run(
        [sys.executable, "-m", "batcher", "run", str(job.path), "--yes"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANTHROPIC_API_KEY": "test-key"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("soft", "hard", "is_narrow"),
    [
        (90, 90, True),
        pytest.param(256, 256, True, marks=pytest.mark.slow),
        pytest.param(256, 4096, False, marks=pytest.mark.slow),
        (80, 1000, False),
    ],
)
def test_a_run_keeps_to_the_open_files_that_it_may_have(
    soft: int, hard: int, is_narrow: bool, tmp_path: Path
) -> None:
    """The soft limit is raised as far as needed; below that there are fewer connections."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(ROWS, limits="concurrency = 300\n")
    code, printed = run(job, soft, hard)
    assert code == 0, printed
    assert ("requests are in flight at once" in printed) is is_narrow
    ledger = server.ledger()
    assert ledger["answered"] == ledger["requests"] == len(ROWS)
    server.close()


def test_too_few_files_are_refused_before_anything_is_sent(tmp_path: Path) -> None:
    """The message says how many are needed."""
    server = Server()
    job = Job(tmp_path, server).write(ROWS[:3])
    code, printed = run(job, 48, 48)
    assert code == 2, printed
    assert "48 open files, and a run needs" in printed
    assert "ulimit -n" in printed
    assert server.ledger()["requests"] == 0
    server.close()


@pytest.mark.slow
def test_a_connection_without_a_file_was_never_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When other parts of the process take the files, requests wait and are sent later, once."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(ROWS[:200], limits="concurrency = 64\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    few = len(list(Path("/dev/fd").iterdir())) + 40  # less than the connections need
    limit = FileLimit(few, 64, 64)
    monkeypatch.setattr("batcher.runner.pipeline.send.make_room_for", lambda _: limit)
    resource.setrlimit(resource.RLIMIT_NOFILE, (few, hard))
    try:
        job.run()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    ledger = server.ledger()
    assert ledger["answered"] == ledger["requests"] == 200
    server.close()
