"""A token bucket: a limit a minute that refills continuously."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """A limit of ``per_minute`` units, refilled continuously up to ``capacity``.

    It may go into debt: by an estimate that was too low, and by somebody who wants more than it
    ever holds and is served when it is full. Times are seconds of any monotonic clock.
    """

    per_minute: float
    capacity: float
    level: float
    updated_at: float

    @classmethod
    def full(cls, per_minute: float, now: float) -> "TokenBucket":
        """Start full, with one second's worth (at least one unit)."""
        capacity = max(1.0, per_minute / 60)
        return cls(per_minute, capacity, capacity, now)

    def wait_s(self, units: float, now: float) -> float:
        """Seconds until so much may be taken."""
        self.refill(now)
        return max(0.0, (min(units, self.capacity) - self.level) * 60 / self.per_minute)

    def take(self, units: float) -> float:
        """Take units; returns the level after it."""
        self.level -= units
        return self.level

    def give_back(self, units: float, now: float) -> None:
        """Correct an estimate: positive when less was used than was taken, negative when more."""
        self.refill(now)
        self.level = min(self.capacity, self.level + units)

    def refill(self, now: float) -> None:
        """Bring the level up to date."""
        elapsed = max(0.0, now - self.updated_at)
        self.level = min(self.capacity, self.level + elapsed * self.per_minute / 60)
        self.updated_at = max(now, self.updated_at)
