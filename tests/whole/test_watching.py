"""What a run tells while it runs and when it ends: status, events, notices."""

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
    """The status file; empty while there is none."""
    path = job.folder / "runs" / "job" / "status.json"
    return json.loads(path.read_text()) if path.exists() else {}


def events_of(job: Job) -> list[dict[str, Any]]:
    """The events of the only run that sent something."""
    (path,) = (job.folder / "runs" / "job").glob("*/events.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def watching(job: Job, *options: str) -> subprocess.Popen[str]:
    """Start ``batcher status``."""
    command = [sys.executable, "-m", "batcher", "status", str(job.path), *options]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True)


def has_ended(process: subprocess.Popen[str]) -> bool:
    """Whether a process ends within the next moment."""
    try:
        process.wait(0.05)
    except subprocess.TimeoutExpired:
        return False
    return True


def test_the_status_is_never_older_than_two_seconds(tmp_path: Path) -> None:
    """From the lock to the end, in every phase, and what it says of the rows is as fresh."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(250), limits="concurrency = 8\n")
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
            known = [then for then, number in answered if number <= status["rows"]["done"] + 64]
            lags.append(time.monotonic() - known[-1])
    process.communicate()
    server.close()
    assert phases[:2] == ["planning", "sending"]
    # Nearly always, that is: what else this machine does may hold up any process for a moment.
    for late in (ages, lags):
        assert len(late) > 20
        assert sum(one > 2 for one in late) <= len(late) / 50
        assert max(late) < 8
    assert (status_of(job)["state"], status_of(job)["exit_code"]) == ("ended", 0)
    assert status_of(job)["commit_seq"] >= 2 * 250


def test_waiting_ends_with_the_run(tmp_path: Path) -> None:
    """``status --wait`` returns when the run does, with its exit code; a signal's too."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write([*rows(120), {"id": "bad"}])
    for number, code in ((signal.SIGTERM, 143), (None, 3)):
        process = job.start()
        wait_for(server, server.ledger()["answered"] + 20)
        waiting = watching(job, "--wait")
        if number is not None:
            process.send_signal(number)
        said, _ = waiting.communicate(timeout=60)
        process.communicate(timeout=60)
        assert (process.returncode, waiting.returncode) == (code, code)
        assert f"ended with exit code {code}" in said
    server.close()


def test_waiting_stays_with_its_run(tmp_path: Path) -> None:
    """Although a run that was waiting, too, takes over at once and ends otherwise."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(300))
    first = job.start()
    wait_for(server, 20)
    waiting, other = watching(job, "--wait", "--watch", "--json"), job.start("--wait")
    assert "sending" in waiting.stdout.readline()
    assert "waiting for process" in other.stderr.readline()
    first.send_signal(signal.SIGTERM)
    said, _ = waiting.communicate(timeout=60)
    for process in (first, other):
        process.communicate(timeout=60)
    last = json.loads(said.splitlines()[-1])
    assert (first.returncode, waiting.returncode, other.returncode) == (143, 143, 0)
    assert (last["exit_code"], last["pid"]) == (143, first.pid)
    server.close()


def test_a_killed_run_is_seen_to_have_died(tmp_path: Path) -> None:
    """Whoever waits for it is told at once, and exits 1."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(3000))
    process = job.start()
    wait_for(server, 20)
    waiting = watching(job, "--wait", "--watch", "--json")
    assert json.loads(waiting.stdout.readline())["state"] == "running"
    kill(process)
    said, _ = waiting.communicate(timeout=20)
    assert waiting.returncode == 1
    assert json.loads(said.splitlines()[-1])["state"] == "died"
    server.close()


def test_ctrl_c_on_a_watcher_does_nothing_to_the_run(tmp_path: Path) -> None:
    """The watcher exits 130, the run goes on to its end."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server).write(rows(200))
    process = job.start()
    wait_for(server, 20)
    watcher = watching(job, "--watch")
    assert any("sending" in line for line in iter(watcher.stdout.readline, ""))
    watcher.send_signal(signal.SIGINT)
    _, said = watcher.communicate(timeout=20)
    assert (watcher.returncode, "the run goes on" in said) == (130, True)
    process.communicate(timeout=60)
    assert process.returncode == 0
    server.close()


def test_events_tell_the_run_without_a_row(tmp_path: Path) -> None:
    """In order, from the plan to the totals of run.json; no text of a row is among them."""
    server = Server("--latency", "0.02", "--fault", "overloaded:first_n=2", "--keep-requests")
    job = Job(tmp_path, server)
    asked = [{"text": f"{CANARY} {number}"} for number in range(400)]
    job.write([*asked, {"no": CANARY}]).run(code=3)
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
    told = [path.read_text() for path in (job.folder / "runs").rglob("*.json*")]
    assert not any(CANARY in text for text in told)
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    server.close()


def test_a_signal_is_an_event(tmp_path: Path) -> None:
    """The stop is told when it comes, the end with its code."""
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
    """Neither for a finished job nor for one whose input is wrong."""
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


def test_a_status_that_cannot_be_written_stops_no_run(job: Job) -> None:
    """A folder stands where the file should: the run ends as if it did not."""
    (job.folder / "runs" / "job" / "status.json").mkdir(parents=True)
    job.write(rows(20)).run()
    assert job.table().num_rows == 20


def test_a_record_that_cannot_be_written_is_said(job: Job) -> None:
    """The run ends as it would have; whoever looks for run.json knows why it is missing."""
    code = (
        "import errno, sys\n"
        "from batcher.runner import record\n"
        "def full(path, content, **_):\n"
        "    raise OSError(errno.ENOSPC, 'No space left on device')\n"
        "record.write_json = full\n"
        "from batcher.cli.main import main\n"
        "main()\n"
    )
    command = [sys.executable, "-c", code, "run", str(job.write(rows(5)).path), "--yes"]
    environ = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=True)
    assert "run.json cannot be written: No space left on device" in done.stderr
    assert "5 succeeded" in done.stderr
    assert events_of(job)[-1]["exit_code"] == 0


@pytest.fixture
def told(job: Job, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a job's command writes the notice that it reads; nobody listens at its webhook."""
    script, notice = job.folder / "tell.py", job.folder / "notice.json"
    script.write_text(
        "import os, sys\n"
        f"open({str(notice)!r}, 'w').write(sys.stdin.read() + str(dict(os.environ)))\n"
    )
    monkeypatch.setenv("BATCHER_TEST_HOOK", "https://127.0.0.1:1/CANARY")
    return notice


def test_somebody_is_told_how_it_ended(job: Job, told: Path) -> None:
    """The command gets the notice; the webhook that fails is one line and one event."""
    command = f"{sys.executable} {job.folder / 'tell.py'}"
    notify = f'[notify]\ncommand = "{command}"\nwebhook_env = "BATCHER_TEST_HOOK"\n'
    said = job.write(rows(5), more=notify).run()
    assert "warning  nobody was told by the webhook: the webhook cannot be reached" in said
    assert events_of(job)[-1]["event"] == "notice_failed"
    content, environ = json.JSONDecoder().raw_decode(told.read_text())
    assert content["event"] == "finish"
    assert content["rows"]["by_status"] == {"succeeded": 5}
    assert "test-key" not in told.read_text()[environ:]
    files = [path for path in job.folder.rglob("*") if path.is_file() and path != told]
    assert not any(b"CANARY" in path.read_bytes() for path in files)
    assert "CANARY" not in said


def test_a_run_that_could_not_start_is_told(job: Job, told: Path) -> None:
    """A nightly run whose input is gone needs somebody."""
    notify = f'[notify]\ncommand = "{sys.executable} {job.folder / "tell.py"}"\n'
    job.write(more=notify).run(code=2)
    content, _ = json.JSONDecoder().raw_decode(told.read_text())
    assert (content["event"], content["exit_code"], content["rows"]) == ("failure", 2, None)
    assert os.path.realpath(content["state"]) == os.path.realpath(job.folder / "runs" / "job")
