"""Writes an event when the progress of a run has changed in a way that matters."""

from typing import TYPE_CHECKING

from batcher.core.money.display import exact_text, rounded_text
from batcher.core.pace.rest_watch import AskedWait
from batcher.core.plural import counted
from batcher.runner.record.events import Events
from batcher.runner.ui import Snapshot

if TYPE_CHECKING:
    from batcher.runner.sending.progress import Progress

_STEP = 10
_LONG_PAUSE_S = 2.0
_BUDGET_STEPS = (50, 80, 100)
_TIMES = 10


class Milestones:
    """Writes an event for each change that matters, up to a second late.

    It is updated together with the status, off the event loop, so that a slow disk does not hold
    up requests.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._limiter: str | None = None
        self._percent = 0
        self._failures: set[str] = set()
        self._is_stopping = False
        self._budget_percent = 0
        self._wait_s = 0.0
        self._has_said_rest = False
        self._said_waits: set[str] = set()
        self._unknown = 0
        self._on_hold = 0
        self._notes = 0

    def update(self, snapshot: Snapshot, progress: "Progress") -> None:
        """Write what has changed since the last call."""
        for error_type, status in tuple(progress.first_failures.items()):
            if error_type not in self._failures:
                self._failures.add(error_type)
                self._events.write("first_failure", type=error_type, status=status)
        if snapshot.limiter != self._limiter:
            if self._limiter is not None:
                facts = {"from": self._limiter, "to": snapshot.limiter}
                self._events.write("limiter_changed", **facts)
            self._limiter = snapshot.limiter
        self._write_rest(snapshot, progress)
        self._write_progress(snapshot)
        self._write_budget(snapshot)
        self._write_unknown(snapshot, progress)
        self._say_notes(progress)
        self._write_stop(snapshot, progress)

    def _write_rest(self, snapshot: Snapshot, progress: "Progress") -> None:
        """Write each pause that begins, and say which wait is too long for this run.

        What the server says is shown on the terminal alone, because it may quote a prompt.
        """
        last, asked = progress.rest_watch.last, progress.rest_watch.asked
        if snapshot.wait_s > max(self._wait_s, _LONG_PAUSE_S):
            wait_s, reason = round(snapshot.wait_s, 1), None if last is None else last.type
            self._events.write("pause", wait_s=wait_s, limiter=snapshot.limiter, type=reason)
            self._say_pause(last)
        self._wait_s = snapshot.wait_s
        if asked is not None and not self._has_said_rest:
            self._has_said_rest = True
            facts = {} if last is None else {"wait_s": last.seconds, "type": last.type}
            patience_s = progress.rest_watch.patience_s
            self._events.write("wait_too_long", patience_s=patience_s, **facts)
            self._events.say(asked)

    def _say_pause(self, asked: AskedWait | None) -> None:
        """Say the server's words once for each type of error."""
        if asked is not None and asked.type not in self._said_waits:
            self._said_waits.add(asked.type)
            self._events.say(f"the server asks to wait {asked.seconds:,.0f} s: {asked.words}")

    def _write_progress(self, snapshot: Snapshot) -> None:
        """Write each tenth once; if several were passed since the last call, only the last."""
        percent = snapshot.done * 100 // max(1, snapshot.total) // _STEP * _STEP
        if percent <= self._percent:
            return
        self._percent = percent
        self._events.write(
            "progress",
            percent=percent,
            done=snapshot.done,
            to_send=snapshot.total,
            failed=snapshot.failed,
            retried=snapshot.retried,
            rate=round(snapshot.rate, 1),
            spent_usd=exact_text(snapshot.spent_usd),
            unknown_usd=exact_text(snapshot.unknown_usd),
        )

    def _write_budget(self, snapshot: Snapshot) -> None:
        """Write when 50, 80 and 100 % of the budget are used; of several steps only the last.

        A run that its budget stops ends a little below 100 %; that is the event ``stopping``.
        """
        budget = snapshot.budget
        if budget is None:
            return
        reached = [step for step in _BUDGET_STEPS if budget.used * 100 >= budget.cap * step]
        if not reached or reached[-1] <= self._budget_percent:
            return
        self._budget_percent = reached[-1]
        self._events.write(
            "budget_used",
            percent=reached[-1],
            spent_usd=exact_text(budget.spent),
            unknown_usd=exact_text(budget.unknown),
            reserved_usd=exact_text(budget.reserved),
            cap_usd=exact_text(budget.cap),
        )
        spent, cap = rounded_text(budget.spent), rounded_text(budget.cap)
        unknown = f" and {rounded_text(budget.unknown)} of unknown cost" if budget.unknown else ""
        self._events.say(f"budget {reached[-1]} % used: {spent} spent{unknown}, of {cap}")

    def _write_unknown(self, snapshot: Snapshot, progress: "Progress") -> None:
        """Write when an attempt of unknown cost is back, and when they are ten times as many.

        During an outage behind a gateway their number grows, and a person may want to act on it.
        """
        number, on_hold = progress.unknown + progress.unpriced, progress.on_hold
        is_more = number >= max(1, self._unknown * _TIMES)
        if not is_more and on_hold < max(1, self._on_hold * _TIMES):
            return
        self._unknown, self._on_hold = number, on_hold
        self._events.write(
            "unknown_cost",
            attempts=progress.unknown,
            answers=progress.unpriced,
            usd=exact_text(progress.unknown_usd),
            rows_on_hold=on_hold,
        )
        self._events.say(unknown_text(progress, is_held=snapshot.budget is not None))

    def _say_notes(self, progress: "Progress") -> None:
        """Say once why a kind of answer has no price, or how its usage was read."""
        for note in progress.notes[self._notes :]:
            self._notes += 1
            self._events.say(f"warning  {note}")

    def _write_stop(self, snapshot: Snapshot, progress: "Progress") -> None:
        reason = progress.stopped_by or ("halt" if progress.halt else None)
        if reason is None or self._is_stopping:
            return
        self._is_stopping = True
        self._events.write("stopping", reason=reason, in_flight=snapshot.in_flight)


def unknown_text(progress: "Progress", *, is_held: bool) -> str:
    """Say what is unknown about the cost of a run, what a budget holds for it, and what to do."""
    parts = []
    if progress.unknown:
        attempts = counted(progress.unknown, "attempt")
        parts.append(f"the billing status of {attempts} is unknown")
    if progress.unpriced:
        parts.append(f"the cost of {counted(progress.unpriced, 'answer')} is unknown")
    text = f"unknown  {' and '.join(parts)}, up to {rounded_text(progress.unknown_usd)}"
    if is_held:
        text += (
            ", which the budget holds; batcher run JOB --release-unknown releases it, once the "
            "API's console shows that it was not billed"
        )
    if progress.on_hold:
        rows = counted(progress.on_hold, "row is", "rows are")
        text += f"; {rows} on hold until batcher retry JOB"
    return text
