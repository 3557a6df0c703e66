"""A token bucket: a limit per minute that refills continuously, such as a job's own limit."""

from dataclasses import dataclass

from batcher.core.job import LimitsSection
from batcher.core.pace.kinds import Kind


@dataclass(slots=True)
class TokenBucket:
    """A limit of ``per_minute`` units, refilled continuously up to ``capacity``.

    The level may become negative: when an estimate was too low, and when a caller takes more than
    the capacity, which is allowed once the bucket is full. Times are seconds of any monotonic
    clock.
    """

    per_minute: float
    capacity: float
    level: float
    updated_at: float

    @classmethod
    def full(cls, per_minute: float, now: float) -> "TokenBucket":
        """Return a full bucket that holds the limit of one second, at least one unit."""
        capacity = max(1.0, per_minute / 60)
        return cls(per_minute, capacity, capacity, now)

    def wait_s(self, units: float, now: float) -> float:
        """Return the seconds until ``units`` may be taken."""
        self.refill(now)
        return max(0.0, (min(units, self.capacity) - self.level) * 60 / self.per_minute)

    def take(self, units: float) -> float:
        """Take units and return the level after it."""
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


def job_limits(limits: LimitsSection, now: float) -> dict[Kind, TokenBucket]:
    """Return a full bucket for each limit that the job file sets."""
    per_minute = {
        Kind.REQUESTS: limits.requests_per_minute,
        Kind.INPUT: limits.input_tokens_per_minute,
        Kind.OUTPUT: limits.output_tokens_per_minute,
    }
    return {kind: TokenBucket.full(n, now) for kind, n in per_minute.items() if n is not None}
