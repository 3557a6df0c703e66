"""The clock of the batches, which can run fast, stand still and be advanced by hand."""

from collections.abc import Callable
from datetime import UTC, datetime


class BatchClock:
    """Seconds since the epoch; ``speed`` 0 stands still, 60 runs a minute in each real second."""

    def __init__(self, real: Callable[[], float], speed: float) -> None:
        self._real = real
        self._since = self._base = real()
        self.speed = speed

    def now(self) -> float:
        """Return the time in a batch's life."""
        return self._base + (self._real() - self._since) * self.speed

    def advance(self, seconds: float) -> None:
        """Jump forward."""
        self._base += seconds

    def set_speed(self, speed: float) -> None:
        """Run at another speed from now on."""
        self._base, self._since, self.speed = self.now(), self._real(), speed

    def real_seconds_until(self, time: float) -> float | None:
        """Return the real seconds until a time; None if the clock stands still."""
        if time <= self.now():
            return 0.0
        return (time - self.now()) / self.speed if self.speed else None


def rfc3339(time: float | None) -> str | None:
    """Return a time as the API writes it, in microseconds."""
    if time is None:
        return None
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
