"""Which progress becomes an event; each event is written once."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from batcher.core.money.budget import BudgetState
from batcher.core.pace.halt import Halt, HaltWatch
from batcher.runner.record.events import FILE_NAME, Events
from batcher.runner.record.milestones import Milestones
from batcher.runner.sending.progress import Progress
from batcher.runner.ui import Snapshot


class Looks:
    """Looks at a run of a thousand rows, and the events that follow."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE_NAME
        self._events = Events(folder, print)
        self._events.begin()
        self._milestones = Milestones(self._events)
        self.progress = Progress(1000, HaltWatch(600, 0), lambda: None, lambda: 0.0)

    def look(
        self, done: int = 0, limiter: str = "concurrency", budget: BudgetState | None = None
    ) -> list[dict[str, Any]]:
        """Look once, and return the events that it wrote."""
        before = len(self._path.read_text().splitlines())
        spent = Decimal("0.5")
        snapshot = Snapshot(
            1000, done, 1, 2, 3, spent, Decimal(0), 0.0, Decimal(0), 9.96, None, limiter, 1.0,
            budget=budget,
        )  # fmt: skip
        self._milestones.running(snapshot, self.progress)
        lines = [json.loads(line) for line in self._path.read_text().splitlines()[before:]]
        return [{key: line[key] for key in line if key != "time"} for line in lines]


@pytest.fixture
def looks(tmp_path: Path) -> Looks:
    """A run that has begun."""
    return Looks(tmp_path)


def test_each_tenth_is_told_once(looks: Looks) -> None:
    """Of several steps between two looks only the last is an event."""
    percents = [
        [event["percent"] for event in looks.look(done)] for done in (0, 99, 100, 199, 450, 459)
    ]
    assert percents == [[], [], [10], [], [40], []]
    assert looks.look(1000) == [
        {
            "event": "progress", "percent": 100, "done": 1000, "to_send": 1000, "failed": 1,
            "retried": 2, "rate": 10.0, "spent_usd": "0.5", "unknown_usd": "0",
        }
    ]  # fmt: skip


def test_what_limits_the_pace_is_told_when_it_changes(looks: Looks) -> None:
    """Not at the first look, and not while it stays."""
    events = [looks.look(limiter=limiter) for limiter in ("disk", "disk", "429 responses", "disk")]
    change = {"event": "limiter_changed", "from": "disk", "to": "429 responses"}
    assert events == [[], [], [change], [{**change, "from": "429 responses", "to": "disk"}]]


def test_each_kind_of_failure_is_told_once(looks: Looks) -> None:
    """By its type and status, without its message."""
    looks.progress.first_failures["overloaded_error"] = "errored"
    assert looks.look() == [
        {"event": "first_failure", "type": "overloaded_error", "status": "errored"}
    ]
    looks.progress.first_failures["api_error"] = "errored"
    assert [event["type"] for event in looks.look()] == ["api_error"]
    assert looks.look() == []


@pytest.mark.parametrize("reason", ["SIGTERM", "deadline"])
def test_a_stop_is_told_once_with_its_reason(looks: Looks, reason: str) -> None:
    """A signal or the deadline, and how much is awaited."""
    assert looks.look() == []
    looks.progress.stopped_by = reason
    assert looks.look() == [{"event": "stopping", "reason": reason, "in_flight": 3}]
    assert looks.look() == []


def test_a_halt_is_a_stop(looks: Looks) -> None:
    """Its message, which may quote an answer, is not in the event."""
    looks.progress.halt = Halt(4, "authentication_error: no such key")
    assert looks.look() == [{"event": "stopping", "reason": "halt", "in_flight": 3}]


def test_how_much_of_the_budget_is_used_is_told_once(looks: Looks) -> None:
    """At half, four fifths and all of it, with what is held; of several steps only the last."""
    all_events = [
        looks.look(budget=BudgetState(Decimal(10), Decimal(spent), Decimal(1), Decimal("0.25")))
        for spent in ("3.9", "4", "6", "7.5", "8", "9")
    ]
    assert [[event["percent"] for event in events] for events in all_events] == [
        [], [50], [], [80], [], [100]
    ]  # fmt: skip
    assert all_events[1] == [
        {
            "event": "budget", "percent": 50, "spent_usd": "4", "unknown_usd": "1",
            "reserved_usd": "0.25", "cap_usd": "10",
        }
    ]  # fmt: skip


def test_a_budget_that_earlier_runs_have_used_is_told_at_once(looks: Looks) -> None:
    """Even one that was lowered since; without one there is nothing to tell."""
    assert looks.look() == []
    used = BudgetState(Decimal(10), Decimal(12), Decimal(0))
    assert [event["percent"] for event in looks.look(budget=used)] == [100]
