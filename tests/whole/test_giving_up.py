"""A second signal: the run ends at once, and its files are still consistent."""

import json
import os
import signal
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

from test_main_job import rows
from test_watching import events_of, has_ended, status_of, watching
from whole_runs import Job, Server

INTERRUPTED_TWICE = """
import os, signal
from batcher.runner.pipeline import plan as step
def interrupt(*_):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        os.kill(os.getpid(), signal.SIGTERM)
step.make_plan = interrupt
from batcher.cli.main import main
main()
"""


def test_the_end_is_recorded(tmp_path: Path) -> None:
    """Status, event and ``status --wait`` have the exit code; the ballast is deleted."""
    server = Server("--fault", "hang:rate=1")
    job = Job(tmp_path, server).write(rows(40))
    process = job.start()
    while not status_of(job).get("in_flight"):
        assert not has_ended(process)
    waiting = watching(job, "--wait")
    assert (tmp_path / "runs/job/ballast").exists()
    process.send_signal(signal.SIGINT)
    while "press Ctrl-C again to quit now" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
    waiting.communicate(timeout=30)
    assert waiting.returncode == 143
    status = status_of(job)
    assert (status["state"], status["exit_code"]) == ("ended", 143)
    assert status["reason"] == "stopped at once by a second signal"
    assert Decimal(status["usd"]["unknown"]) > 0
    assert (events_of(job)[-1]["event"], events_of(job)[-1]["exit_code"]) == ("run_ended", 143)
    assert not (tmp_path / "runs/job/ballast").exists()
    failures_list_the_attempt(job)
    server.close()


def failures_list_the_attempt(job: Job) -> None:
    """``failures`` does not call an attempt of unknown billing status free."""
    groups = json.loads(job.command("failures", "--json"))["groups"]
    (unknown,) = [group for group in groups if group["error_type"] == "client.billing_unknown"]
    (fresh,) = [group for group in groups if group["error_type"] == "client.not_sent"]
    assert Decimal(unknown["unknown_usd"]) > Decimal(fresh["unknown_usd"]) == 0
    printed = job.command("failures")
    assert f" errored: {unknown['error_type']}, cost $0.00; up to $0." in printed
    assert f"rows unsent: {fresh['error_type']}, cost $0.00\n" in printed


def test_a_second_signal_before_sending(job: Job) -> None:
    """The end is in the status in every phase of the run."""
    command = [sys.executable, "-c", INTERRUPTED_TWICE, "run", str(job.write(rows(5)).path)]
    environ = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert done.returncode == 143
    assert "stopped at once" in done.stderr
    status = json.loads((job.folder / "runs/job/status.json").read_text())
    assert (status["state"], status["exit_code"]) == ("ended", 143)
