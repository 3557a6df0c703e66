"""The state of a run is what its status file says, unless its process says otherwise."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commanding import Command, write_job

from batcher.core.run_record.run_status import RunProcess, RunStatus
from batcher.core.run_record.run_summary import RunFacts
from batcher.runner.commands.status import Machine, Process, find_process, state_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
RUNNING = RunFacts(
    run_id="R",
    job="job",
    started=NOW,
    is_simulated=False,
    versions={},
    prices_date=NOW.date(),
    price_overrides=(),
    overrides=(),
)


@pytest.mark.parametrize(
    ("changes", "process", "age_s", "state"),
    [
        pytest.param({}, Process(1, 70), 1, "running", id="alive"),
        pytest.param({}, None, 1, "died", id="process-gone"),
        pytest.param({}, Process(1, 71), 1, "died", id="process-id-reused"),
        pytest.param({}, Process(1, None), 1, "running", id="start-unknown-here"),
        pytest.param({"process_start": None}, Process(1, 70), 1, "running", id="start-not-written"),
        pytest.param({}, Process(1, 70), 11, "silent", id="alive-but-silent"),
        pytest.param({"boot_id": "old"}, Process(1, 70), 1, "died", id="another-boot"),
        pytest.param({"host": "far"}, None, 1, "running", id="another-host"),
        pytest.param({"host": "far"}, Process(1, 70), 11, "died", id="another-host-silent"),
    ],
)
def test_state_of_a_run(
    changes: dict[str, Any], process: Process | None, age_s: int, state: str
) -> None:
    """Its process decides on this machine, and its last write when it is on another one."""
    heartbeat = NOW - timedelta(seconds=age_s)
    written = RunProcess(pid=1, process_start=70, host="h", boot_id="b", heartbeat=heartbeat)
    status = RunStatus(run=RUNNING, process=replace(written, **changes))
    assert state_of(status, Machine("h", "b", lambda _: process), NOW) == state


def test_a_run_that_has_ended_needs_no_process() -> None:
    """Its state stays, long after its last write."""
    written = RunProcess(pid=1, host="h", boot_id="b", heartbeat=NOW - timedelta(seconds=999))
    ended = RunStatus(run=replace(RUNNING, state="ended"), process=written)
    assert state_of(ended, Machine("h", "b", lambda _: None), NOW) == "ended"


def test_a_process_is_found_by_its_id_and_start() -> None:
    """This process is found, with one start; a zombie and an unused id are not."""
    own, pid_1 = find_process(os.getpid()), find_process(1)
    assert own == find_process(os.getpid())
    assert own is not None
    assert own.start is not None
    assert pid_1 is not None
    assert pid_1.start is not None
    assert own.start > pid_1.start
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert find_process(child.pid) is None
    child.wait()
    assert find_process(child.pid) is None


def test_status_of_an_ended_run(done: Path, batcher: Command) -> None:
    """It has the exit code, the rows by status, the cost and the next command."""
    result = batcher("status", done, "--simulate")
    assert result.code == 0
    first, second, *_ = result.out.splitlines()
    assert re.fullmatch(
        r"job \(simulated\): 0 of 6 answered, \S+ spent, 1 skipped, 5 failed", first
    )
    assert second == "  state    ended with exit code 3"
    assert "4 truncated" in result.out
    assert "spent    $0.00" in result.out
    assert result.err == f"next   batcher failures {done} --simulate\n"
    shown = batcher("status", done, "--simulate", "--json").json
    assert shown["state"] == "ended"
    assert shown["progress"]["failed"] == 5


@pytest.mark.parametrize("by_status", [{}, {"succeeded": 40}])
def test_status_of_a_run_that_gave_up(
    done: Path, tmp_path: Path, batcher: Command, by_status: dict[str, int]
) -> None:  # fmt: skip
    """If it ended while it was sending, the status says how many requests were done."""
    status = json.loads((done.parent / "runs/job.simulated/status.json").read_text())
    del status["attempts"]
    status["rows"] |= {"by_status": by_status, "to_send": 290, "done": 40, "failed": 0}
    job = write_job(tmp_path)
    folder = tmp_path / "runs/job"
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(json.dumps(status))
    assert "  rows     40 of 290 done, 0 failed\n" in batcher("status", job).out


def test_status_without_a_run(fresh: Path, batcher: Command) -> None:
    """The message says so and names the command that starts a run."""
    result = batcher("status", fresh)
    assert (result.code, result.out.startswith("no run yet")) == (0, True)
    assert result.err == f"next   batcher run {fresh}\n"
    assert batcher("status", fresh, "--json").json["state"] == "none"


def test_status_points_at_a_simulated_run(done: Path, batcher: Command) -> None:
    """If there are only simulated runs, the next command shows them."""
    assert batcher("status", done).err == f"next   batcher status {done} --simulate\n"


def test_status_of_all_jobs_in_a_folder(
    done: Path, batcher: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a job argument it shows the jobs in this folder and below."""
    monkeypatch.chdir(done.parent)
    monkeypatch.setenv("COLUMNS", "120")
    result = batcher("status")
    header, line = result.out.splitlines()
    names = ["job", "answered", "total", "failed", "spent", "state", "since", "folder"]
    assert header.split() == names
    assert re.fullmatch(r"job \(simulated\) +0 +6 +5  \$\S+ +exit 3 .* runs/job.simulated", line)
    monkeypatch.setenv("COLUMNS", "60")
    assert batcher("status").out.splitlines()[0].split()[-1] == "state"
    assert result.err == "next   batcher status job.toml --simulate\n"
    assert len(batcher("status", "--json").json) == 1
    monkeypatch.chdir(tmp_path)
    assert "no run yet" in batcher("status").err
    assert batcher("status", "--json").json == []


def test_status_of_a_process_that_died(
    done: Path, batcher: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A run has died if its status says running and its process has ended or is a zombie."""
    status = json.loads((done.parent / "runs/job.simulated/status.json").read_text())
    child = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    folder = tmp_path / "runs/job"
    folder.mkdir(parents=True)
    running = {**status, "state": "running", "exit_code": None, "ended": None, "pid": child.pid}
    running |= {"heartbeat": datetime.now(UTC).isoformat(), "phase": "sending", "rows": None}
    (folder / "status.json").write_text(json.dumps(running))
    monkeypatch.chdir(tmp_path)
    assert batcher("status", "--json").json[0]["state"] == "died"  # it is a zombie
    child.wait()
    assert batcher("status").out.splitlines()[1].split()[2] == "died"
    result = batcher("status", write_job(tmp_path))
    assert f"died while sending; process {child.pid}" in result.out


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"state": "running"}'])
def test_a_damaged_status_file_is_one_message(
    batcher: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str
) -> None:
    """The message names the file, without a traceback."""
    folder = tmp_path / "runs/job"
    folder.mkdir(parents=True)
    (folder / "status.json").write_text(content)
    monkeypatch.chdir(tmp_path)
    result = batcher("status")
    assert result.code == 1
    assert "is not a status file" in result.err
    assert "unexpected" not in result.err
