"""SIGTERM at hundreds of random times: all responses are recorded, and the jobs resume."""

import json
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from test_main_job import rows
from test_stopping import recorded
from whole_runs import Job, Server

# Runs in forks of a process with all imports done: starting Python takes longer than a run.
WARM = """
import json, os, signal, sys, time
import batcher.cli.commands.run
from batcher.cli import main

def run(job, errors):
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    sys.argv = ["batcher", "run", job, "--yes"]
    main()

for line in sys.stdin:
    job, errors, delay_s = json.loads(line)
    child = os.fork()
    if not child:
        run(job, errors)
    time.sleep(delay_s)
    os.kill(child, signal.SIGTERM)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
ROWS = 150
LONGEST_S = 1.5


@contextmanager
def warm() -> Iterator["subprocess.Popen[str]"]:
    """A process that runs jobs and terminates each one after a time."""
    with subprocess.Popen(
        [sys.executable, "-c", WARM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.stdin.close()


@pytest.mark.parametrize(
    "times",
    [4, pytest.param(20, marks=pytest.mark.slow), pytest.param(500, marks=pytest.mark.crash)],
)
@pytest.mark.timeout(3600)
def test_terminated_at_any_time(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After each end all the server's responses are recorded, and in the end all jobs complete."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    server, dice = Server("--latency", "0.05"), random.Random(7)
    errors = tmp_path / "errors"
    paid, jobs, codes = 0, 0, []
    job = fresh(tmp_path, 0, server)
    with warm() as runs:
        for _ in range(times):
            order = [str(job.path), str(errors), dice.uniform(0, LONGEST_S)]
            runs.stdin.write(json.dumps(order) + "\n")
            runs.stdin.flush()
            codes.append(int(runs.stdout.readline()))
            ledger = server.ledger()
            assert ledger["in_flight"] == 0
            assert (ledger["requests"] - paid,) * 2 == recorded_or_none(job)
            if codes[-1] == 0:
                assert job.table().num_rows == ROWS
                paid, jobs = ledger["requests"], jobs + 1
                job = fresh(tmp_path, jobs, server)
    # Before the run handles signals, SIGTERM's default ends it; a shell shows that as 143.
    assert set(codes) <= {0, 143, -signal.SIGTERM}
    assert "Traceback" not in errors.read_text()
    job.run()
    assert server.ledger()["requests"] == (jobs + 1) * ROWS
    assert not list(tmp_path.rglob(".out*")) + list(tmp_path.rglob("ballast"))
    server.close()
    with capsys.disabled():
        ended = {code: codes.count(code) for code in sorted(set(codes))}
        print(f"\n{times} SIGTERMs over {jobs + 1} jobs of {ROWS} rows, exit codes {ended}")


def fresh(folder: Path, number: int, server: Server) -> Job:
    """Return a new job."""
    own = folder / f"job{number}"
    own.mkdir()
    job_rows = [{**row, "text": f"{row['text']} of job {number}"} for row in rows(ROWS)]
    return Job(own, server).write(job_rows)


def recorded_or_none(job: Job) -> tuple[int, int]:
    """Return the number of attempts and outcomes; zero without a checkpoint."""
    has_begun = (job.folder / "runs" / "job" / "checkpoint.duckdb").exists()
    return recorded(job) if has_begun else (0, 0)
