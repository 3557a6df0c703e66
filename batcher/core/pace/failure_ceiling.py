"""Decides when too many rows have failed for a run to keep within limits.max_failed."""

import math
from dataclasses import dataclass, field
from decimal import Decimal

from batcher.core.answers.outcome import Outcome, Status, Verdict
from batcher.core.pace.halt import Halt
from batcher.exit_codes import ExitCode

_LEAST_FAILED = 20
"""Rows that fail may lie together at the start of an input, so a few are no evidence."""

_CHANCE = 1e-6


@dataclass(slots=True)
class FailureCeiling:
    """Counts the rows that failed for good, against the share that may fail.

    ``rows`` is the size of the input, ``bad`` the number of its rows without a request, ``to_send``
    what the run sends. A share of 0 is no ceiling: then one failed row would stop every other.
    """

    share: Decimal
    rows: int
    bad: int
    to_send: int
    accepts_invalid: bool = False
    _ended: int = field(default=0, init=False)
    _failed: int = field(default=0, init=False)

    def check(self, outcome: Outcome) -> Halt | None:
        """Count the last outcome of a request; return a halt when the share cannot be met."""
        if outcome.verdict is not Verdict.FINAL or not self.share:
            return None
        is_kept = outcome.status is Status.INVALID and self.accepts_invalid
        self._ended += 1
        self._failed += outcome.status is not Status.SUCCEEDED and not is_kept
        if not self._is_exceeded():
            return None
        return Halt(
            ExitCode.ROWS_FAILED,
            f"{self._failed:,} of {self._ended:,} rows failed, too many for limits.max_failed = "
            f"{self.share}",
            "see why with batcher failures; to go on, run the same command again or raise "
            "limits.max_failed",
        )

    def _is_exceeded(self) -> bool:
        """Return whether more rows failed than may, or are going to: this cannot be chance."""
        may_fail = float(self.share * self.rows) - self.bad
        if self._failed > may_fail:
            return True
        expected, observed = may_fail / self.to_send, self._failed / self._ended
        if self._failed < _LEAST_FAILED or not 0 < expected < observed:
            return False
        return self._ended * _divergence(observed, expected) > -math.log(_CHANCE)


def _divergence(observed: float, expected: float) -> float:
    """Return the exponent of Chernoff's bound of the chance to see such a share of failures."""
    others = 1 - observed
    tail = others * math.log(others / (1 - expected)) if others else 0.0
    return observed * math.log(observed / expected) + tail
