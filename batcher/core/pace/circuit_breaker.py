"""Stops sending into an outage, and looks now and then whether it is over."""

from dataclasses import dataclass, field

FAILURES = 10
_FIRST_REST_S = 5.0
_MOST_REST_S = 30.0


@dataclass(slots=True)
class Breaker:
    """A circuit breaker: ten failures in a row open it, one clean answer closes it.

    While it is open a single attempt leaves after each rest: 5 s, doubled up to 30 s, of which
    chance takes up to a half, so that clients that failed together do not come back together.
    ``most_rest_s`` bounds it from above. Times are seconds of any monotonic clock.
    """

    most_rest_s: float
    _failures: int = field(default=0, init=False)
    _rests: int = field(default=0, init=False)
    _open_until: float | None = field(default=None, init=False)
    _probes: int = field(default=0, init=False)

    @property
    def is_open(self) -> bool:
        """Whether there is an outage."""
        return self._open_until is not None

    def wait_s(self, now: float) -> float:
        """Seconds until an attempt may leave; infinite while one is looking for the end.

        What left before the outage does not count: it may hang for long.
        """
        if self._open_until is None:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        return float("inf") if self._probes else 0.0

    def leaves(self) -> bool:
        """Note that an attempt leaves; True when it looks for the end of an outage."""
        self._probes += self.is_open
        return self.is_open

    def came_back(self, *, is_probe: bool) -> None:
        """Note that an attempt came back, before what became of it."""
        self._probes -= is_probe

    def answered(self) -> bool:
        """Count a clean answer; True when it ends an outage."""
        was_open, self._open_until = self.is_open, None
        self._failures = self._rests = 0
        return was_open

    def failed(self, now: float, random: float) -> None:
        """Count a failure; ``random`` is uniform in [0, 1)."""
        self._failures += 1
        if self._failures < FAILURES or now < (self._open_until or now):
            return  # what left before the outage was seen tells nothing new
        rest_s = min(_MOST_REST_S, self.most_rest_s, _FIRST_REST_S * 2 ** min(self._rests, 8))
        self._rests += 1
        self._open_until = now + rest_s * (0.5 + 0.5 * random)
