"""Which moments of sending are worth an event: found by comparing one look with the one before."""

from batcher.core.money.display import exact_text, rounded_text
from batcher.runner.record.events import Events
from batcher.runner.sending.progress import Progress
from batcher.runner.ui import Snapshot

_STEP = 10
_BUDGET_STEPS = (50, 80, 100)


class Milestones:
    """Looks at the progress about once a second and tells what is new in it.

    It is told by the same call that publishes the status, off the event loop, so that a slow disk
    holds up no request; an event is therefore up to a second late.
    """

    def __init__(self, events: Events) -> None:
        self._events = events
        self._limiter: str | None = None
        self._percent = 0
        self._failures: set[str] = set()
        self._is_stopping = False
        self._budget_percent = 0

    def running(self, snapshot: Snapshot, progress: Progress) -> None:
        """Tell what has happened since the last look."""
        for error_type, status in tuple(progress.first_failures.items()):
            if error_type not in self._failures:
                self._failures.add(error_type)
                self._events.tell("first_failure", type=error_type, status=status)
        if snapshot.limiter != self._limiter:
            if self._limiter is not None:
                facts = {"from": self._limiter, "to": snapshot.limiter}
                self._events.tell("limiter_changed", **facts)
            self._limiter = snapshot.limiter
        self._tell_progress(snapshot)
        self._tell_budget(snapshot)
        self._tell_stop(snapshot, progress)

    def _tell_progress(self, snapshot: Snapshot) -> None:
        """Tell each tenth once; of several passed between two looks only the last."""
        percent = snapshot.done * 100 // max(1, snapshot.total) // _STEP * _STEP
        if percent <= self._percent:
            return
        self._percent = percent
        self._events.tell(
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

    def _tell_budget(self, snapshot: Snapshot) -> None:
        """Tell when half, four fifths and all of the budget are used; of several only the last.

        A budget that binds ends a little below all of it; that is told as a stop.
        """
        budget = snapshot.budget
        if budget is None:
            return
        reached = [step for step in _BUDGET_STEPS if budget.used * 100 >= budget.cap * step]
        if not reached or reached[-1] <= self._budget_percent:
            return
        self._budget_percent = reached[-1]
        self._events.tell(
            "budget",
            percent=reached[-1],
            spent_usd=exact_text(budget.spent),
            unknown_usd=exact_text(budget.unknown),
            reserved_usd=exact_text(budget.reserved),
            cap_usd=exact_text(budget.cap),
        )
        used, cap = rounded_text(budget.used), rounded_text(budget.cap)
        self._events.say(f"budget {reached[-1]} % used: {used} of {cap}")

    def _tell_stop(self, snapshot: Snapshot, progress: Progress) -> None:
        reason = progress.stopped_by or ("halt" if progress.halt else None)
        if reason is None or self._is_stopping:
            return
        self._is_stopping = True
        self._events.tell("stopping", reason=reason, in_flight=snapshot.in_flight)
