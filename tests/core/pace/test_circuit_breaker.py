"""The circuit breaker: single probes during an outage, closed by one success."""

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.circuit_breaker import FAILURES, CircuitBreaker


@given(st.floats(0, 0.999), st.floats(0.01, 100))
def test_an_outage_is_probed_by_single_attempts(random: float, max_rest_s: float) -> None:
    """After ten failures in a row they are sent one at a time, after rests that grow to a bound."""
    breaker = CircuitBreaker(max_rest_s)
    assert not breaker.on_sent()  # it may hang: an attempt sent before the outage does not count
    for _ in range(FAILURES - 1):
        breaker.on_failure(0.0, random)
    assert not breaker.is_open
    now, rests = 0.0, []
    for _ in range(8):
        breaker.on_failure(now, random)
        rest_s = breaker.wait_s(now)
        rests.append(rest_s)
        breaker.on_failure(now + rest_s / 2, random)  # sent before the breaker opened: no news
        assert breaker.wait_s(now) == rest_s
        now += rest_s
        assert breaker.wait_s(now) == 0
        assert breaker.on_sent()
        assert breaker.wait_s(now) == float("inf")
        breaker.on_returned(is_probe=True)
    bounds = [min(30.0, max_rest_s, 5.0 * 2**n) for n in range(8)]
    for rest_s, bound in zip(rests, bounds, strict=True):
        assert bound / 2 - 1e-6 <= rest_s <= bound + 1e-6
    assert breaker.on_success()
    assert breaker.wait_s(now) == 0
    assert not breaker.on_success()


def test_failures_of_unknown_billing_status_open_it_sooner() -> None:
    """Each one holds money: five are enough, where it takes ten that are known to be free."""
    for is_unknown, needed in ((True, 5), (False, 10)):
        breaker = CircuitBreaker(60.0)
        for failure in range(1, needed + 1):
            assert not breaker.is_open
            breaker.on_failure(float(failure), 0.5, is_billing_unknown=is_unknown)
        assert breaker.is_open
