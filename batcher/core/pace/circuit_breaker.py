"""A circuit breaker: stops sending during an outage, and probes whether it is over."""

from dataclasses import dataclass, field

FAILURES = 10
_UNKNOWN_WEIGHT = 2
_FIRST_REST_S = 5.0
_MAX_REST_S = 30.0


@dataclass(slots=True)
class CircuitBreaker:
    """Opens after ten failures in a row, closes after one success.

    A failure with unknown billing status counts twice, because each one holds money: the breaker
    opens after five of them.

    While it is open, single attempts (probes) are sent, each after a rest: 5 s, then doubled up to
    30 s. A random half of each rest is left out, so that clients that failed together do not
    return together. ``max_rest_s`` is an upper bound for the rests. Times are seconds of any
    monotonic clock.
    """

    max_rest_s: float
    _failures: int = field(default=0, init=False)
    _rests: int = field(default=0, init=False)
    _open_until: float | None = field(default=None, init=False)
    _probes: int = field(default=0, init=False)

    @property
    def is_open(self) -> bool:
        """Whether there is an outage."""
        return self._open_until is not None

    def wait_s(self, now: float) -> float:
        """Return the seconds until an attempt may be sent; infinite while a probe is in flight.

        Attempts sent before the outage are not probes: they may hang for a long time.
        """
        if self._open_until is None:
            return 0.0
        if now < self._open_until:
            return self._open_until - now
        return float("inf") if self._probes else 0.0

    def on_sent(self) -> bool:
        """Count an attempt that is sent; True when it is a probe."""
        self._probes += self.is_open
        return self.is_open

    def on_returned(self, *, is_probe: bool) -> None:
        """Count an attempt that returned; call it before its result is counted."""
        self._probes -= is_probe

    def on_success(self) -> bool:
        """Count a success; True when it ends an outage."""
        was_open, self._open_until = self.is_open, None
        self._failures = self._rests = 0
        return was_open

    def on_failure(self, now: float, random: float, *, is_billing_unknown: bool = False) -> None:
        """Count a failure; ``random`` is uniform in [0, 1)."""
        self._failures += _UNKNOWN_WEIGHT if is_billing_unknown else 1
        if self._failures < FAILURES or now < (self._open_until or now):
            return  # an attempt sent before the breaker opened shows nothing new
        rest_s = min(_MAX_REST_S, self.max_rest_s, _FIRST_REST_S * 2 ** min(self._rests, 8))
        self._rests += 1
        self._open_until = now + rest_s * (0.5 + 0.5 * random)
