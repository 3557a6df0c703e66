"""Each milestone of a run becomes one event."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict
from batcher.core.money.budget import BudgetState
from batcher.core.pace.halt import Halt, HaltWatch
from batcher.core.pace.unpriced_watch import UnpricedWatch
from batcher.runner.record.events import FILE_NAME, Events
from batcher.runner.record.milestones import Milestones
from batcher.runner.sending.progress import Progress
from batcher.runner.ui import Snapshot


class FakeRun:
    """A run of a thousand rows; ``update`` returns the events that a snapshot causes."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._events = Events(folder, print)
        self._events.begin()
        self._milestones = Milestones(self._events)
        self.progress = Progress(
            1000,
            HaltWatch(600, 0),
            UnpricedWatch(Decimal("0.1"), has_budget=False),
            lambda: None,
            lambda: 0.0,
        )

    def update(
        self,
        done: int = 0,
        limiter: str = "concurrency",
        budget: BudgetState | None = None,
        wait_s: float = 0.0,
    ) -> list[dict[str, Any]]:
        """Pass one snapshot to the milestones, and return the new events."""
        written = len(self._path.read_text().splitlines())
        spent = Decimal("0.5")
        snapshot = Snapshot(
            1000, done, 1, 2, 3, spent, Decimal(0), 0.0, Decimal(0), 9.96, None, limiter, 1.0,
            budget=budget, wait_s=wait_s,
        )  # fmt: skip
        self._milestones.update(snapshot, self.progress)
        lines = [json.loads(line) for line in self._path.read_text().splitlines()[written:]]
        return [{key: line[key] for key in line if key != "time"} for line in lines]


@pytest.fixture
def run(tmp_path: Path) -> FakeRun:
    """Return a run that has begun."""
    return FakeRun(tmp_path)


def test_each_tenth_of_the_rows_is_one_event(run: FakeRun) -> None:
    """Of several tenths between two snapshots, only the last becomes an event."""
    percents = [
        [event["percent"] for event in run.update(done)] for done in (0, 99, 100, 199, 450, 459)
    ]
    assert percents == [[], [], [10], [], [40], []]
    assert run.update(1000) == [
        {
            "event": "progress", "percent": 100, "done": 1000, "to_send": 1000, "failed": 1,
            "retried": 2, "rate": 10.0, "spent_usd": "0.5", "unknown_usd": "0",
        }
    ]  # fmt: skip


def test_a_change_of_the_limiter_is_an_event(run: FakeRun) -> None:
    """The first limiter is no event, nor is one that stays the same."""
    events = [run.update(limiter=limiter) for limiter in ("disk", "disk", "429 responses", "disk")]
    change = {"event": "limiter_changed", "from": "disk", "to": "429 responses"}
    assert events == [[], [], [change], [{**change, "from": "429 responses", "to": "disk"}]]


def test_each_type_of_failure_is_one_event(run: FakeRun) -> None:
    """The event has the type and the status, not the message."""
    run.progress.first_failures["overloaded_error"] = "errored"
    assert run.update() == [
        {"event": "first_failure", "type": "overloaded_error", "status": "errored"}
    ]
    run.progress.first_failures["api_error"] = "errored"
    assert [event["type"] for event in run.update()] == ["api_error"]
    assert run.update() == []


@pytest.mark.parametrize(
    ("error_type", "written"),
    [
        ("rate_limit_error", "rate_limit_error"),
        ("overloaded_error", "overloaded_error"),
        ("http_503", "http_503"),
        ("the words of a row", "another error"),
        ("http_503 the words of a row", "another error"),
    ],
)
def test_a_pause_is_one_event_with_its_type_and_length(
    run: FakeRun, error_type: str, written: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server's words are said once on the terminal, and are in no file: they may quote a row.

    Once a pause is shown, its rest is no event; a longer one is.
    """
    outcome = Outcome(
        Status.ERRORED,
        Verdict.RETRY,
        Billing.FREE,
        error_type=error_type,
        error_message="too many tokens for 'the words of a row'",
        retry_after_s=20.0,
    )
    run.progress.rest_watch.check(outcome, datetime.now(UTC))
    pause = {"event": "pause", "wait_s": 19.5, "limiter": "concurrency", "type": written}
    assert run.update(wait_s=19.46) == [pause]
    assert run.update(wait_s=18.4) == []
    assert run.update(wait_s=40.0) == [{**pause, "wait_s": 40.0}]
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"the server asks to wait 20 s: {error_type}: {outcome.error_message}"]


@pytest.mark.parametrize("reason", ["SIGTERM", "deadline"])
def test_a_stop_is_one_event_with_its_reason(run: FakeRun, reason: str) -> None:
    """The event names the signal or the deadline, and the number of requests in flight."""
    assert run.update() == []
    run.progress.stopped_by = reason
    assert run.update() == [{"event": "stopping", "reason": reason, "in_flight": 3}]
    assert run.update() == []


def test_a_halt_is_a_stop_event(run: FakeRun) -> None:
    """The message of a halt is not in the event, because it may quote a response."""
    run.progress.halt = Halt(4, "authentication_error: no such key")
    assert run.update() == [{"event": "stopping", "reason": "halt", "in_flight": 3}]


def test_each_step_of_the_budget_is_one_event(run: FakeRun) -> None:
    """The steps are 50, 80 and 100 % of the budget, unknown costs included."""
    events = [
        run.update(budget=BudgetState(Decimal(10), Decimal(spent), Decimal(1), Decimal("0.25")))
        for spent in ("3.9", "4", "6", "7.5", "8", "9")
    ]
    assert [[event["percent"] for event in update] for update in events] == [
        [], [50], [], [80], [], [100]
    ]  # fmt: skip
    assert events[1] == [
        {
            "event": "budget_used", "percent": 50, "spent_usd": "4", "unknown_usd": "1",
            "reserved_usd": "0.25", "cap_usd": "10",
        }
    ]  # fmt: skip


def test_a_budget_that_earlier_runs_used_is_an_event_at_once(run: FakeRun) -> None:
    """A cap below the money already used gives the event of 100 %; no budget gives none."""
    assert run.update() == []
    used = BudgetState(Decimal(10), Decimal(12), Decimal(0))
    assert [event["percent"] for event in run.update(budget=used)] == [100]
