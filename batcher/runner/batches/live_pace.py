"""The pace of live requests: as estimated before there are any, then as measured."""

from collections.abc import Callable
from dataclasses import dataclass

_MEASURED_S = 60.0
"""Live requests are measured from this time on; before, the pace is still ramping up."""

_LEAST_ROWS_PER_S = 0.01


@dataclass(slots=True)
class LivePace:
    """Measures how many rows a second live requests answer.

    ``answered`` returns how many rows they have answered so far. ``expected_rows_per_s`` is the
    estimate of the plan. ``clock`` is in seconds.
    """

    answered: Callable[[], int]
    expected_rows_per_s: float
    clock: Callable[[], float]
    _handed: int = 0
    _before: int = 0
    _since: float | None = None
    _measured_s: float = 0.0
    _measured_rows: int = 0

    @property
    def left(self) -> int:
        """The rows that were handed over and have no answer yet."""
        left = 0 if self._since is None else self._before + self._handed - self.answered()
        return max(0, left)

    @property
    def rows_per_s(self) -> float:
        """The pace in rows a second."""
        running_s = 0.0 if self._since is None else self.clock() - self._since
        measured_s = self._measured_s + running_s
        if measured_s < _MEASURED_S:
            return max(_LEAST_ROWS_PER_S, self.expected_rows_per_s)
        running = 0 if self._since is None else self.answered() - self._before
        return max(_LEAST_ROWS_PER_S, (self._measured_rows + running) / measured_s)

    def begin(self, rows: int) -> None:
        """Take that rows are handed over to live requests."""
        self._handed, self._before, self._since = rows, self.answered(), self.clock()

    def end(self) -> None:
        """Take that all of these requests have ended."""
        if self._since is not None:
            self._measured_s += self.clock() - self._since
            self._measured_rows += self.answered() - self._before
        self._since, self._handed = None, 0
