"""Decides when a wait that a server asks for is too long for the run."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batcher.core.answers.outcome import Outcome, Verdict
from batcher.core.pace.halt import Halt
from batcher.exit_codes import ExitCode

_AGREEING = 2
_LONGEST_S = 10 * 365 * 86_400.0


@dataclass(slots=True)
class RestWatch:
    """Looks for responses that ask for a longer wait than the run's patience.

    Such a request is not tried again in this run. One alone says nothing about the others. When
    the next one that returns asks for as much, the run ends: nothing can be sent in time. ``asked``
    is the last wait that was too long, as a text that says until when.
    """

    patience_s: float
    asked: str | None = field(default=None, init=False)
    _in_row: int = field(default=0, init=False)

    def check(self, outcome: Outcome, now: datetime) -> Halt | None:
        """Take one outcome; ``now`` is the time of the wall clock."""
        wait_s = outcome.retry_after_s
        if outcome.verdict is not Verdict.RETRY or wait_s is None or wait_s <= self.patience_s:
            self._in_row = 0
            return None
        self._in_row += 1
        self.asked = (
            f"the server asks to wait {until_text(wait_s, now)}, longer than retry.patience_s: "
            f"{outcome.error_type}: {outcome.error_message}"
        )
        if self._in_row < _AGREEING:
            return None
        return Halt(ExitCode.UNREACHABLE, self.asked, "run the same command again then")


def until_text(seconds: float, now: datetime) -> str:
    """Say how long a wait is and when it ends; ``retry-after`` may be any number."""
    if seconds > _LONGEST_S:
        return f"{seconds:.3g} s"
    end = now + timedelta(seconds=seconds)
    return f"{seconds:,.0f} s, until {end:%Y-%m-%d %H:%M:%S} UTC"
