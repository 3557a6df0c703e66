"""Signals before and after sending, closed terminals, deadlines, and waiting for the lock."""

import json
import os
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from test_main_job import rows
from test_stopping import recorded
from whole_runs import Job, Server, batcher, wait_for

from batcher.store.lock import Holder, Lock

# Runs a job and sends itself a SIGTERM at the first call of a method.
TERMINATED_AT = """
import importlib, os, signal, sys
from batcher.cli import main
where, method, job = sys.argv[1:]
module, _, name = where.rpartition(".")
kind = getattr(importlib.import_module(module), name)
original = getattr(kind, method)
def terminated(self, *arguments, **options):
    setattr(kind, method, original)
    os.kill(os.getpid(), signal.SIGTERM)
    return original(self, *arguments, **options)
setattr(kind, method, terminated)
sys.argv = ["batcher", "run", job, "--yes"]
main()
"""


@pytest.mark.parametrize(
    ("where", "method"),
    [
        pytest.param("batcher.store.writer.Writer", "call", id="planning"),
        pytest.param(
            "batcher.outputs.parquet_output.ParquetOutput", "write", id="writing the output"
        ),
        pytest.param("batcher.outputs.parquet_output.ParquetOutput", "finish", id="its rename"),
        pytest.param("batcher.runner.record.status_file.RunRecord", "ended", id="the record"),
        pytest.param("batcher.store.writer.Writer", "close", id="closing"),
    ],
)
def test_terminated_before_and_after_sending(
    where: str, method: str, job: Job, server: Server
) -> None:
    """Exit 143, no temporary file remains, the status is right, and the same command completes."""
    job.write(rows(50))
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED_AT, where, method, str(job.path)],
        env={**os.environ, "ANTHROPIC_API_KEY": "test-key"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 143, done.stderr
    assert "terminated" in done.stderr
    assert "next" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(job.folder.glob(".*"))
    status = json.loads((job.folder / "runs/job/status.json").read_text())
    code = 0 if method == "close" else 143  # the run itself has ended before
    assert (status["state"], status["exit_code"]) == ("ended", code)
    job.run()
    assert job.table().num_rows == 50
    assert server.ledger()["requests"] == 50


def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    """Under nohup, a closed terminal does not stop a run."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(120))
    command = ["nohup", sys.executable, "-m", "batcher", "run", str(job.path), "--yes"]
    environment = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for(server, 50)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    assert job.table().num_rows == 120
    server.close()


@pytest.mark.parametrize(
    "ending", [pytest.param("all answered", marks=pytest.mark.slow), "rows failed"]
)
def test_a_closed_terminal_changes_no_exit_code(ending: str, tmp_path: Path) -> None:
    """All writes to the terminal fail; bars, messages and summary are dropped."""
    server = Server("--latency", "0.05")
    failing = [{"id": "no text"}] if ending == "rows failed" else []
    job = Job(tmp_path, server).write([*rows(150), *failing])
    controller, terminal = os.openpty()
    command = [sys.executable, "-m", "batcher", "run", str(job.path), "--yes"]
    environment = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    streams = {"stdin": terminal, "stdout": terminal, "stderr": terminal}
    with subprocess.Popen(command, env=environment, cwd=tmp_path, **streams) as process:
        os.close(terminal)
        wait_for(server, 50)
        os.close(controller)
        assert process.wait(60) == (3 if failing else 0)
    assert job.table().num_rows == 150 + len(failing)
    server.close()


def test_a_deadline_stops_like_a_signal(tmp_path: Path) -> None:
    """Exit 7 when rows are left, with all responses recorded; exit 0 when none are left."""
    server = Server("--latency", "0.3")
    job = Job(tmp_path, server).write(rows(2000))
    printed = job.run("--max-time", "4s", code=7)
    assert "the time is up" in printed
    assert "rows are left" in printed
    ledger = server.ledger()
    assert ledger["requests"] < 2000
    assert recorded(job) == (ledger["requests"], ledger["requests"])
    job.write(rows(10)).run("--max-time", "5h")
    assert "not a duration" in job.run("--max-time", "soon", code=2)
    server.close()


def test_a_run_can_wait_for_another(job: Job, server: Server) -> None:
    """It names the process it waits for, sends nothing before the lock is free, and then runs."""
    job.write(rows(20))
    state = job.folder / "runs" / "job"
    state.mkdir(parents=True)
    with Lock(state, Holder.this_process(datetime.now(UTC))):
        process = job.start("--wait")
        assert f"waiting for process {os.getpid()} on " in process.stderr.readline()
        assert server.ledger()["requests"] == 0
    _, printed = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    assert server.ledger()["requests"] == 20


HELD = "[retry]\nattempts = 2\nunknown_attempts = 2\nmax_wait_s = 0.01\npatience_s = {}\n"


@pytest.mark.parametrize(
    ("fault", "patience_s", "hint"),
    [
        ("rate_limit:retry_after_s=90000", 5, "run the same command again then"),
        ("503:retry_after_s=none", 1, "run the same command again later"),
        ("reset_before", 60, "rows on hold (billing status unknown) are sent again only by"),
        ("no_retry", 60, "the server forbids a retry now; run the same command again later"),
    ],
)
def test_the_next_command_after_a_stop_finishes_the_job(
    tmp_path: Path, fault: str, patience_s: float, hint: str
) -> None:
    """When the trouble is over; rows on hold need the retry that the hint and the run name."""
    job = Job(tmp_path, Server("--fault", fault))
    more = HELD.format(patience_s)
    printed = job.write(rows(30), limits="concurrency = 4\n", more=more).run(code=5)
    assert hint in printed
    job.server.close()
    job.server = Server()
    job.write(rows(30), more=more)
    for _ in range(2):
        command = shlex.split(printed.rsplit("next   ", 1)[1].splitlines()[0])[1:]
        result = batcher(*command, "--yes", key="test-key")
        if result.code == 0:
            break
        printed = result.err
    assert job.table()["_status"].to_pylist() == ["succeeded"] * 30
    job.server.close()
