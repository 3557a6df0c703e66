"""What is told to somebody who is not watching, and when."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

from batcher.core.money.display import rounded_text

Event = Literal["finish", "failure", "budget"]

_STOPPED_BY_SOMEBODY = (130, 143)
_ENDINGS: Mapping[int, str] = {
    0: "finished",
    1: "stopped by an unexpected error",
    2: "not started: its job file or input is wrong",
    3: "finished, some rows failed for good",
    4: "stopped: the API refused it",
    5: "stopped: the API is unreachable or overloaded; rows are left",
    6: "stopped: its budget is reached; rows are left",
    7: "stopped: its time is over; rows are left",
    8: "not started: another process holds it",
    9: "not started: the saved plan no longer fits",
    10: "not started: it needs a yes",
}


class NotDelivered(Exception):  # noqa: N818 - an ending, told in one line; not a bug
    """A notice did not arrive; the text says why, and holds no address, token or content."""


def event_of(exit_code: int) -> Event | None:
    """Say what an ending is to somebody who waits; None when somebody stopped the run."""
    if exit_code in _STOPPED_BY_SOMEBODY:
        return None
    if exit_code in (0, 3):
        return "finish"
    return "budget" if exit_code == 6 else "failure"


@dataclass(frozen=True, slots=True)
class Notice:
    """How a run ended, in a few facts; never a row's values, a prompt, an answer or an error text.

    ``rows`` and ``usd`` are those of run.json, None when the run did not get so far. ``next`` is
    the command to type.
    """

    event: Event
    job: str
    run_id: str
    exit_code: int
    state: str
    rows: Mapping[str, Any] | None
    usd: Mapping[str, Any] | None
    started: datetime
    ended: datetime
    next: str

    @property
    def text(self) -> str:
        """One line for people, as chat programs show it."""
        line = f"{self.job}: {_ENDINGS.get(self.exit_code, 'stopped')} (exit {self.exit_code})"
        if self.rows is not None:
            counts = sorted(self.rows["by_status"].items())
            statuses = "".join(f", {number:,} {status}" for status, number in counts)
            line += f"; {self.rows['total']:,} rows{statuses}"
        if self.usd is not None:
            line += f"; {rounded_text(Decimal(self.usd['spent']))} spent"
        return f"{line}. Next: {self.next}"

    def content(self) -> dict[str, Any]:
        """Return the notice as JSON has it; ``text`` comes first."""
        times = {"started": self.started.isoformat(), "ended": self.ended.isoformat()}
        return {"text": self.text, **asdict(self), **times}
