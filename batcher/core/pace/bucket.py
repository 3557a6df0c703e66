"""A token bucket that hands out waiting times instead of waiting."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """A limit of ``per_minute`` units, refilled continuously.

    ``burst`` units may be taken at once after a pause. Whoever takes more than there is gets a
    waiting time and the bucket goes into debt: so units are never lost, callers are served in the
    order they asked, and one that wants more than the burst is still served. Times are seconds of
    any monotonic clock.
    """

    per_minute: int
    burst: float
    level: float
    updated_at: float

    @classmethod
    def full(cls, per_minute: int, now: float) -> "TokenBucket":
        """Start full, with a burst of one second's worth (at least one unit)."""
        burst = max(1.0, per_minute / 60)
        return cls(per_minute, burst, burst, now)

    def take(self, units: float, now: float) -> float:
        """Take units and return the seconds to wait before using them."""
        self._refill(now)
        self.level -= units
        return max(0.0, -self.level * 60 / self.per_minute)

    def give_back(self, units: float, now: float) -> None:
        """Correct an estimate: positive when less was used than was taken, negative when more."""
        self._refill(now)
        self.level = min(self.burst, self.level + units)

    def _refill(self, now: float) -> None:
        elapsed = max(0.0, now - self.updated_at)
        self.level = min(self.burst, self.level + elapsed * self.per_minute / 60)
        self.updated_at = now
