"""``status --watch`` and ``--wait`` follow a run by its status file."""

import json
import os
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from commanding import Command, write_job
from run_summaries import SUMMARY

from batcher.cli import watch
from batcher.cli.commands import status as status_command
from batcher.runner.commands import status as status_reader
from batcher.runner.commands.status import find_process, follow
from batcher.store.lock import Holder

PLAN = replace(SUMMARY.plan, rows=1000, items=1000).to_json()
ROWS = {"total": 1000, "already_answered": 0, "sent": 10, "succeeded": 9, "by_status": {}}
SENDING = {
    "phase": "sending",
    "plan": PLAN,
    "rows": {**ROWS, "done": 10, "to_send": 900, "failed": 1},
    "rate": 4.0, "eta_s": 222, "limiter": "concurrency", "in_flight": 8,
    "retried": 0, "seconds_by_limiter": {},
    "usd": {"spent": "0.5", "unknown": "0"},
    "tokens": {},
}  # fmt: skip
ENDED = {
    **SUMMARY.to_json(),
    "exit_code": 3, "ended": "2026-01-02T03:05:00+00:00",
    "rows": {**ROWS, "by_status": {"succeeded": 999, "errored": 1}},
}  # fmt: skip


class Run:
    """The status file of a run whose process is this one."""

    def __init__(self, folder: Path) -> None:
        self.job = write_job(folder)
        self.status = folder / "runs" / "job" / "status.json"
        self.status.parent.mkdir(parents=True)
        own = find_process(os.getpid())
        assert own is not None
        self._base = {
            "schema_version": 2, "run_id": "R", "job": "job", "is_simulated": False,
            "state": "running", "started": "2026-01-02T03:04:00+00:00",
            "versions": {}, "prices_date": "2026-01-01", "price_overrides": [], "overrides": [],
            "pid": own.pid, "process_start": own.start, "host": socket.gethostname(),
            "boot_id": Holder.this_process(datetime.now(UTC)).boot_id,
        }  # fmt: skip

    def write(self, **changes: Any) -> None:
        """Replace the status."""
        now = datetime.now(UTC).isoformat()
        self.status.write_text(json.dumps({**self._base, "heartbeat": now, **changes}))


Steps = Callable[..., None]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a run that is planning."""
    run = Run(tmp_path / "j")
    run.write(phase="planning", rows_read=5)
    return run


@pytest.fixture
def steps(run: Run, monkeypatch: pytest.MonkeyPatch) -> Steps:
    """Return a function that sets the status after each second of a clock that does not wait."""

    def set_steps(*moments: dict[str, Any] | BaseException) -> None:
        upcoming = list(moments)

        def sleep(_: float) -> None:
            moment = upcoming.pop(0)
            if isinstance(moment, BaseException):
                raise moment
            run.write(**moment)

        monkeypatch.setattr(status_command, "follow", lambda path: follow(path, sleep))

    return set_steps


@pytest.mark.parametrize(
    ("pause", "shown"),
    [
        ({}, "limited by concurrency, 8 in flight"),
        ({"wait_s": 20}, "paused for 20 s, 8"),
        (
            {"wait_s": 20, "wait_type": "rate_limit_error"},
            "paused for 20 s by the server (rate_limit_error), 8",
        ),
    ],
)
def test_a_pause_is_shown_with_its_reason(
    run: Run, batcher: Command, pause: dict[str, Any], shown: str
) -> None:
    """The status of an older version has no reason, or no pause at all."""
    run.write(**SENDING, **pause)
    assert shown in batcher("status", run.job).out


def test_waiting_ends_with_the_run_and_its_exit_code(
    run: Run, steps: Steps, batcher: Command
) -> None:
    """``--wait`` returns when the run has ended, with the exit code of the run."""
    steps(SENDING, SENDING, ENDED)
    result = batcher("status", run.job, "--wait")
    assert result.code == 3
    assert "ended with exit code 3" in result.out
    assert result.err == f"next   batcher failures {run.job}\n"


@pytest.mark.parametrize("options", [["--wait"], ["--wait", "--watch"], ["--wait", "--json"]])
def test_waiting_for_a_run_that_dies_is_exit_1(
    run: Run, steps: Steps, batcher: Command, options: list[str]
) -> None:
    """The process has ended without an exit code, and its id may belong to another process."""
    steps(SENDING, {**SENDING, "process_start": 1})
    result = batcher("status", run.job, *options)
    assert result.code == 1
    assert "died" in result.out


def test_waiting_for_an_ended_run_returns_at_once(run: Run, steps: Steps, batcher: Command) -> None:
    """It returns the exit code of the last run."""
    steps()
    run.write(**{**ENDED, "exit_code": 5})
    assert batcher("status", run.job, "--wait").code == 5


def test_waiting_without_a_run_is_an_error(fresh: Path, batcher: Command) -> None:
    """``--wait`` exits with 2, so that a script notices; ``--watch`` exits with 0."""
    result = batcher("status", fresh, "--wait")
    assert (result.code, result.out.startswith("no run yet")) == (2, True)
    assert batcher("status", fresh, "--watch").code == 0


def test_watching_writes_a_line_for_each_change(run: Run, steps: Steps, batcher: Command) -> None:
    """Without a change there is no line; the exit code is 0."""
    steps({"phase": "planning", "rows_read": 5}, {"phase": "waiting"}, SENDING, SENDING, ENDED)
    result = batcher("status", run.job, "--watch")
    assert result.code == 0
    pace = "pace 4.0/s, 3 min 42 s left, limited by concurrency, 8 in flight"
    lines = [line.partition("  ")[2] for line in result.out.splitlines()]
    process = f"process {os.getpid()} on {socket.gethostname()}"
    assert lines == [
        f"reading its input, {process}; read 5 input rows",
        f"waiting for confirmation, {process}",
        f"sending, {process}; rows 10 of 900 done, 1 failed; {pace}; $0.50 spent",
        "ended with exit code 3; rows 1,000: 1 errored, 999 succeeded; $11.95 spent",
    ]


def test_watching_on_a_terminal_redraws_in_place(
    run: Run, steps: Steps, batcher: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each drawing overwrites the previous one, whatever its height; no line wraps."""
    monkeypatch.setattr(watch, "_is_terminal", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    steps(SENDING, {**SENDING, "phase": "writing", "rows_read": 7}, ENDED)
    result = batcher("status", run.job, "--watch")
    first, *others = re.split(r"\x1b\[(\d+)F", result.out)
    drawings = [first, *others[1::2]]
    heights = [drawing.count("\n") for drawing in drawings]
    assert list(map(int, others[0::2])) == heights[:-1]
    assert heights == [5, 7, 7, 6]
    assert all(drawing.endswith("\x1b[J") for drawing in drawings)
    drawn_lines = [
        line.removesuffix("\x1b[K") for drawing in drawings for line in drawing.split("\n")
    ]
    assert max(map(len, drawn_lines)) <= 40
    assert "7 of 1,000 input rows" in drawings[2]


@pytest.mark.parametrize("option", ["--wait", "--watch"])
@pytest.mark.parametrize(
    ("endings", "code"),
    [
        pytest.param((ENDED, None), 3, id="record"),
        pytest.param((None, {"run_id": "R", "exit_code": 7, "ended": None}), 7, id="next-status"),
        pytest.param((None, {"run_id": "Q", "exit_code": 0, "ended": None}), 1, id="unknown"),
        pytest.param((None, {"run_id": "R", "exit_code": None, "ended": None}), 1, id="died"),
    ],
)
def test_waiting_ends_with_its_run_although_another_begins(
    run: Run, steps: Steps, batcher: Command, option: str, endings: Any, code: int
) -> None:
    """The end of the first run is read from its run.json, or from the status of the next run."""
    record, previous = endings
    steps(
        SENDING,
        {**SENDING, "run_id": "S", "previous": previous},
        AssertionError("it waited for the other run"),
    )
    if record:
        folder = run.status.parent / "R"
        folder.mkdir()
        (folder / "run.json").write_text(json.dumps(record))
    result = batcher("status", run.job, option, "--wait")
    assert result.code == code
    expected = "died while sending" if code == 1 else f"ended with exit code {code}"
    assert expected in result.out.splitlines()[-1 if option == "--watch" else 1]


def test_watching_with_json_prints_an_object_per_line(
    run: Run, steps: Steps, batcher: Command
) -> None:
    """Each line is the whole status; the last one has the end."""
    steps(SENDING, ENDED)
    result = batcher("status", run.job, "--watch", "--json")
    states = [json.loads(line)["state"] for line in result.out.splitlines()]
    assert states == ["running", "running", "ended"]
    assert result.err == ""


@pytest.mark.parametrize("option", ["--watch", "--wait"])
def test_ctrl_c_ends_only_the_watching(
    run: Run, steps: Steps, batcher: Command, option: str
) -> None:
    """It exits with 130, and the message says that the run goes on."""
    steps(SENDING, KeyboardInterrupt())
    result = batcher("status", run.job, option)
    assert result.code == 130
    assert "the run goes on" in result.err


def test_watching_needs_a_job(batcher: Command) -> None:
    """``--watch`` without a job is a usage error."""
    result = batcher("status", "--watch")
    assert result.code == 2
    assert "need a JOB" in result.err


def test_a_silent_run_is_still_waited_for(run: Run, steps: Steps, batcher: Command) -> None:
    """Its process is alive and may write again."""
    steps({**SENDING, "heartbeat": "2026-01-02T03:04:05+00:00"}, {**ENDED, "exit_code": 0})
    assert batcher("status", run.job, "--wait").code == 0
    run.write(**SENDING, heartbeat="2026-01-02T03:04:05+00:00")
    result = batcher("status", run.job)
    assert "silent while sending" in result.out
    assert result.err == f"next   batcher status {run.job} --watch\n"


def test_a_run_that_ends_while_it_is_observed_has_not_died(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process may end between the reading of the file and the look-up of the process."""

    def end(_: int) -> None:
        run.write(**ENDED)

    monkeypatch.setattr(status_reader, "find_process", end)
    assert status_reader.read_status(run.status).state == "ended"
    run.write(**SENDING)
    monkeypatch.setattr(status_reader, "find_process", lambda _: None)
    assert status_reader.read_status(run.status).state == "died"
