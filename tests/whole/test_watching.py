"""Status, events and notices of a run, while it runs and when it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from test_main_job import rows
from whole_runs import Job, Server, kill, wait_for

CANARY = "a canary in a row"


def status_of(job: Job) -> dict[str, Any]:
    """Return the status; empty when there is no status file."""
    path = job.folder / "runs" / "job" / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}


def events_of(job: Job) -> list[dict[str, Any]]:
    """Return the events of the only run that sent requests."""
    (path,) = (job.folder / "runs" / "job").glob("*/events.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def watching(job: Job, *options: str) -> subprocess.Popen[str]:
    """Start ``batcher status`` as a process."""
    command = [sys.executable, "-m", "batcher", "status", str(job.path), *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def has_ended(process: subprocess.Popen[str]) -> bool:
    """Return whether a process ends within a short time."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_the_status_is_never_older_than_two_seconds(tmp_path: Path) -> None:
    """From lock to end, in every phase; the counts of rows are as recent."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(150), limits="concurrency = 8\n")
    process = job.start()
    ages, lags, phases = [], [], []
    answered = [(0.0, 0)]
    while not has_ended(process):
        answered.append((time.monotonic(), server.ledger()["answered"]))
        status = status_of(job)
        if status.get("state") != "running":
            continue
        age = datetime.now(UTC) - datetime.fromisoformat(status["heartbeat"])
        ages.append(age.total_seconds())
        phases += [status["phase"]] if status["phase"] not in phases else []
        if "rows" in status and status["phase"] == "sending":
            counted = status["rows"]["done"] + 64
            caught_up = [moment for moment, number in answered if number <= counted]
            lags.append(time.monotonic() - caught_up[-1])
    process.communicate()
    server.close()
    assert phases[:2] == ["planning", "sending"]
    # A few exceptions are allowed: other work on this machine may delay any process.
    for delays in (ages, lags):
        assert len(delays) > 20
        assert sum(delay > 2 for delay in delays) <= len(delays) / 50
        assert max(delays) < 8
    assert (status_of(job)["state"], status_of(job)["exit_code"]) == ("ended", 0)
    assert status_of(job)["commit_seq"] >= 2 * 150


def test_waiting_ends_with_the_run(tmp_path: Path) -> None:
    """``status --wait`` ends with the run and its exit code, also after a signal."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write([*rows(120), {"id": "bad"}])
    for number, code in ((signal.SIGTERM, 143), (None, 3)):
        process = job.start()
        wait_for(server, server.ledger()["answered"] + 20)
        waiting = watching(job, "--wait")
        if number is not None:
            process.send_signal(number)
        printed, _ = waiting.communicate(timeout=60)
        process.communicate(timeout=60)
        assert (process.returncode, waiting.returncode) == (code, code)
        assert f"ended with exit code {code}" in printed
    server.close()


@pytest.mark.slow
def test_waiting_reports_its_own_run(tmp_path: Path) -> None:
    """It reports its own run, even when a waiting run starts at once and ends differently."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(300))
    first = job.start()
    wait_for(server, 20)
    waiting, other = watching(job, "--wait", "--watch", "--json"), job.start("--wait")
    assert "sending" in waiting.stdout.readline()
    assert "waiting for process" in other.stderr.readline()
    first.send_signal(signal.SIGTERM)
    printed, _ = waiting.communicate(timeout=60)
    for process in (first, other):
        process.communicate(timeout=60)
    last = json.loads(printed.splitlines()[-1])
    assert (first.returncode, waiting.returncode, other.returncode) == (143, 143, 0)
    assert (last["exit_code"], last["pid"]) == (143, first.pid)
    server.close()


def test_a_killed_run_is_reported(tmp_path: Path) -> None:
    """``status --wait`` reports a killed run at once and exits 1."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(3000))
    process = job.start()
    wait_for(server, 20)
    waiting = watching(job, "--wait", "--watch", "--json")
    assert json.loads(waiting.stdout.readline())["state"] == "running"
    kill(process)
    printed, _ = waiting.communicate(timeout=20)
    assert waiting.returncode == 1
    assert json.loads(printed.splitlines()[-1])["state"] == "died"
    server.close()


@pytest.mark.slow
def test_ctrl_c_on_a_watcher_does_nothing_to_the_run(tmp_path: Path) -> None:
    """The watcher exits 130, and the run continues to its end."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(200))
    process = job.start()
    wait_for(server, 20)
    watcher = watching(job, "--watch")
    assert any("sending" in line for line in iter(watcher.stdout.readline, ""))
    watcher.send_signal(signal.SIGINT)
    _, printed = watcher.communicate(timeout=20)
    assert (watcher.returncode, "the run goes on" in printed) == (130, True)
    process.communicate(timeout=60)
    assert process.returncode == 0
    server.close()


def test_the_events_of_a_run_have_no_text_of_a_row(tmp_path: Path) -> None:
    """Events are in order, from the plan to the totals of run.json, and have no text of a row."""
    server = Server("--latency", "0.02", "--fault", "overloaded:first_n=2", "--keep-requests")
    job = Job(tmp_path, server)
    inputs = [{"text": f"{CANARY} {number}"} for number in range(400)]
    job.write([*inputs, {"no": CANARY}]).run(code=3)
    events = events_of(job)
    names = [event["event"] for event in events]
    assert names[:2] == ["run_started", "sending_started"]
    assert names[-2:] == ["output_written", "run_ended"]
    assert {"first_failure", "progress"} <= set(names)
    (failure,) = [event for event in events if event["event"] == "first_failure"]
    assert failure["type"] == "overloaded_error"
    assert events[0]["plan"]["to_send"] == 400
    record = json.loads(
        (job.folder / "runs" / "job" / events[0]["run_id"] / "run.json").read_text()
    )
    assert events[-1]["exit_code"] == record["exit_code"] == 3
    assert {key: events[-1][key] for key in ("rows", "usd")} == {
        key: record[key] for key in ("rows", "usd")
    }
    assert events[-2]["sha256"] == record["output"][0]["sha256"]
    records = [path.read_text() for path in (job.folder / "runs").rglob("*.json*")]
    assert not any(CANARY in text for text in records)
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    server.close()


def test_a_signal_is_an_event(tmp_path: Path) -> None:
    """A signal is an event, and the end is an event with the exit code."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(3000))
    process = job.start()
    wait_for(server, 50)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    *_, stopping, ended = events_of(job)
    assert (stopping["event"], stopping["reason"]) == ("stopping", "SIGTERM")
    assert (ended["event"], ended["exit_code"]) == ("run_ended", 143)
    server.close()


def test_a_run_that_sends_nothing_leaves_a_status_and_no_folder(job: Job) -> None:
    """Neither a finished job nor one with a wrong input gets a run folder."""
    job.write(rows(5)).run()
    folder = job.folder / "runs" / "job"
    before = sorted(path for path in folder.iterdir() if path.is_dir())
    first = status_of(job)["run_id"]
    job.run()
    assert status_of(job)["run_id"] != first
    assert (status_of(job)["state"], status_of(job)["exit_code"]) == ("ended", 0)
    job.write([{"no": 1}]).run(code=2)
    assert (status_of(job)["state"], status_of(job)["exit_code"]) == ("ended", 2)
    assert before == sorted(path for path in folder.iterdir() if path.is_dir())


def test_a_status_that_cannot_be_written_does_not_stop_the_run(job: Job) -> None:
    """With a folder in place of the status file, the run ends normally."""
    (job.folder / "runs" / "job" / "status.json").mkdir(parents=True)
    job.write(rows(20)).run()
    assert job.table().num_rows == 20


def test_a_record_that_cannot_be_written_is_a_warning(job: Job) -> None:
    """The run ends normally, and a warning says why run.json is missing."""
    code = (
        "import errno, sys\n"
        "from batcher.runner.record import status_file\n"
        "def full(path, content, **_):\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "status_file.write_json = full\n"
        "from batcher.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, "run", str(job.write(rows(5)).path), "--yes"]
    environ = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    finished = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    assert "run.json cannot be written: No space left on device" in finished.stderr
    assert "5 succeeded" in finished.stderr
    assert events_of(job)[-1]["exit_code"] == 0


@pytest.fixture
def notice_file(job: Job, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Set up a command that writes its notice to a file, and a webhook without a server."""
    script, notice = job.folder / "tell.py", job.folder / "notice.json"
    script.write_text(
        "import os, sys\n"
        f"open({str(notice)!r}, 'w').write(sys.stdin.read() + str(dict(os.environ)))\n"
    )
    monkeypatch.setenv("BATCHER_TEST_HOOK", "https://127.0.0.1:1/CANARY")
    return notice


def test_a_finished_run_sends_notices(job: Job, notice_file: Path) -> None:
    """The command gets the notice; the failed webhook is one line and one event."""
    command = f"{sys.executable} {job.folder / 'tell.py'}"
    notify = f'[notify]\ncommand = "{command}"\nwebhook_env = "BATCHER_TEST_HOOK"\n'
    printed = job.write(rows(5), more=notify).run()
    assert "warning  no notice was sent by the webhook: the webhook cannot be reached" in printed
    assert events_of(job)[-1]["event"] == "notice_failed"
    content, environ = json.JSONDecoder().raw_decode(notice_file.read_text())
    assert content["event"] == "finish"
    assert content["rows"]["by_status"] == {"succeeded": 5}
    assert "test-key" not in notice_file.read_text()[environ:]
    files = [path for path in job.folder.rglob("*") if path.is_file() and path != notice_file]
    assert not any(b"CANARY" in path.read_bytes() for path in files)
    assert "CANARY" not in printed


def test_a_run_that_could_not_start_sends_a_notice(job: Job, notice_file: Path) -> None:
    """A nightly run without its input sends a notice."""
    notify = f'[notify]\ncommand = "{sys.executable} {job.folder / "tell.py"}"\n'
    job.write(more=notify).run(code=2)
    content, _ = json.JSONDecoder().raw_decode(notice_file.read_text())
    assert (content["event"], content["exit_code"], content["rows"]) == ("failure", 2, None)
    assert os.path.realpath(content["state"]) == os.path.realpath(job.folder / "runs" / "job")
