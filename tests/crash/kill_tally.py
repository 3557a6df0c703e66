"""The results of kills: published figures, and promises that must hold."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

PROMISES = (
    "records_lost",
    "requests_without_intent",
    "rows_answered_twice",
    "rows_seen_twice",
    "usd_off",
    "unknown_attempts_off",
    "outputs_torn",
    "outputs_that_differ",
    "files_left_behind",
)


@dataclass(slots=True)
class Tally:
    """The results of kills.

    ``window`` is the most requests that a kill may lose: those in flight and a group of records.
    ``paid_twice`` has, for each run, the number of billed responses that were not recorded.
    """

    kills: int = 0
    rows: int = 0
    window: int = 0
    answers_recorded: int = 0
    paid_twice: list[int] = field(default_factory=list)
    broken: Counter[str] = field(default_factory=Counter)

    def check(self) -> None:
        """Check all promises."""
        assert not +self.broken, self.broken
        assert max(self.paid_twice, default=0) <= self.window

    def summary(self) -> dict[str, object]:
        """Return the published figures; those below ``broken`` must be 0."""
        return {
            "kills": self.kills,
            "rows": self.rows,
            "answers_recorded": self.answers_recorded,
            "answers_paid_twice": sum(self.paid_twice),
            "paid_twice_by_a_kill": {
                "mean": round(sum(self.paid_twice) / max(1, self.kills), 2),
                "most": max(self.paid_twice, default=0),
                "allowed": self.window,
            },
            "broken": {promise: self.broken[promise] for promise in PROMISES},
        }


def sum_of(tallies: Iterable[Tally]) -> Tally:
    """Return the sum of several tallies."""
    total = Tally()
    for tally in tallies:
        total.kills += tally.kills
        total.rows += tally.rows
        total.window = max(total.window, tally.window)
        total.answers_recorded += tally.answers_recorded
        total.paid_twice += tally.paid_twice
        total.broken.update(tally.broken)
    return total
