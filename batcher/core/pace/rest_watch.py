"""Decides when a wait that a server asks for is too long for the run."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from batcher.core.answers.outcome import Outcome, Verdict
from batcher.core.pace.halt import Halt
from batcher.exit_codes import ExitCode

_AGREEING = 2
_TYPES = frozenset({"rate_limit_error", "overloaded_error", "api_error", "timeout_error"})
_HTTP = re.compile(r"http_\d{3}")
_LONGEST_S = 10 * 365 * 86_400.0


@dataclass(frozen=True, slots=True)
class AskedWait:
    """A response that asked for a wait: how long, and the server's words, for a terminal only.

    ``type`` may be written to files: it is an error type of the API or a status, no other text.
    """

    seconds: float
    type: str
    words: str

    @classmethod
    def of(cls, outcome: Outcome) -> "AskedWait | None":
        """Return the wait that a response asks for, if it asks for one."""
        if outcome.verdict is not Verdict.RETRY or outcome.retry_after_s is None:
            return None
        error_type = outcome.error_type or ""
        is_known = error_type in _TYPES or _HTTP.fullmatch(error_type)
        shown = error_type if is_known else "another error"
        words = f"{outcome.error_type}: {outcome.error_message}"
        return cls(outcome.retry_after_s, shown, words)


@dataclass(slots=True)
class RestWatch:
    """Looks for responses that ask for a longer wait than the run's patience.

    Such a request is not tried again in this run. One alone says nothing about the others. When
    the next one that returns asks for as much, the run ends: nothing can be sent in time. ``asked``
    is the last wait that was too long, as a text that says until when. ``last`` is the last
    response that asked for a wait.
    """

    patience_s: float
    asked: str | None = field(default=None, init=False)
    last: AskedWait | None = field(default=None, init=False)
    _in_row: int = field(default=0, init=False)

    def check(self, outcome: Outcome, now: datetime) -> Halt | None:
        """Take one outcome; ``now`` is the time of the wall clock."""
        asked = AskedWait.of(outcome)
        self.last = asked or self.last
        if asked is None or asked.seconds <= self.patience_s:
            self._in_row = 0
            return None
        self._in_row += 1
        self.asked = (
            f"the server asks to wait {until_text(asked.seconds, now)}, longer than "
            f"retry.patience_s: {asked.words}"
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
