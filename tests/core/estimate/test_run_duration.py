"""The estimated duration, for any limits, latencies and numbers of rows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.estimate.duration import Work, duration
from batcher.core.pace.kinds import Amounts, Kind, KnownLimit, Limiter

WORK = Work(60_000, Amounts(300.0, 40.0), latency_s=2.0, slowest_s=5.0, concurrency=64)
STEP = 1.1  # a run is simulated in steps, and may end in the middle of one
TAIL = 1.7  # the slowest of 2,000 requests in flight relative to the 99th percentile

works = st.builds(
    Work,
    requests=st.integers(1, 200_000),
    per_request=st.builds(Amounts, st.floats(0, 20_000), st.floats(0, 5_000)),
    latency_s=st.floats(0.01, 120),
    slowest_s=st.floats(0.01, 600),
    concurrency=st.integers(1, 2_000),
)
per_minute = st.floats(10, 1e8)
limits = st.dictionaries(
    st.sampled_from(list(Kind)),
    st.builds(lambda rate, share: KnownLimit(rate, rate * share), per_minute, st.floats(1 / 60, 1)),
)


def seconds(work: Work, known: dict[Kind, KnownLimit]) -> float:
    """Return the estimated duration in seconds."""
    return duration(work, known).seconds


@given(works, limits)
def test_no_limit_is_exceeded(work: Work, known: dict[Kind, KnownLimit]) -> None:
    """A run uses no more than each limit allows, and no more connections than it has."""
    took_s = seconds(work, known)
    for kind, limit in known.items():
        allowed = limit.burst + took_s / 60 * limit.per_minute
        assert work.requests * work.per_request.of(kind) <= allowed * STEP
    assert took_s * STEP >= work.latency_s * (work.requests - 9) / work.concurrency


@given(works, limits, st.integers(1, 5))
def test_more_takes_longer(work: Work, known: dict[Kind, KnownLimit], times: int) -> None:
    """More rows never take less time, except for the tail of the last responses."""
    more = replace(work, requests=work.requests * times + 1)
    assert seconds(work, known) <= seconds(more, known) * STEP + TAIL * work.slowest_s


@given(works, limits, st.sampled_from(list(Kind)), st.floats(1, 100))
def test_a_higher_limit_is_no_slower(
    work: Work, known: dict[Kind, KnownLimit], kind: Kind, times: float
) -> None:
    """Raising or removing a limit does not make a run longer."""
    if kind in known:
        limit = known[kind]
        raised = known | {kind: KnownLimit(limit.per_minute * times, limit.burst * times)}
        assert seconds(work, raised) <= seconds(work, known) * STEP + TAIL * work.slowest_s
    without = {other: limit for other, limit in known.items() if other is not kind}
    assert seconds(work, without) <= seconds(work, known) * STEP + TAIL * work.slowest_s


def test_nothing_takes_no_time() -> None:
    """Without requests the duration is 0."""
    assert seconds(replace(WORK, requests=0), {}) == 0.0


def test_one_request_takes_the_mean_latency() -> None:
    """Nothing is added to the mean latency."""
    assert seconds(replace(WORK, requests=1), {}) == WORK.latency_s


def test_a_run_waits_for_the_slowest_of_the_last_responses() -> None:
    """With a hundred in flight at the end, that is the 99th percentile."""
    hundred = replace(WORK, concurrency=100)
    even = replace(hundred, slowest_s=hundred.latency_s)
    assert seconds(hundred, {}) - seconds(even, {}) == pytest.approx(3.0)


def test_an_outlier_does_not_shorten_a_run() -> None:
    """The wait at the end is at least the mean, even if it exceeds the 99th percentile."""
    odd = replace(WORK, slowest_s=0.01, concurrency=2_000)
    assert seconds(odd, {}) >= seconds(replace(odd, slowest_s=odd.latency_s), {})


def test_without_known_limits_concurrency_decides() -> None:
    """Unknown limits do not slow a run; the limiter is concurrency."""
    estimate = duration(WORK, {})
    assert estimate.limiter is Limiter.CONCURRENCY
    assert estimate.seconds == pytest.approx(60_000 * 2.0 / 64, rel=0.02)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(Kind.REQUESTS, 600), (Kind.INPUT, 180_000), (Kind.OUTPUT, 24_000), (Kind.TOKENS, 204_000)],
)
def test_the_tightest_limit_decides(kind: Kind, limit: float) -> None:
    """A long run takes as long as its tightest limit needs to refill."""
    known = {other: KnownLimit(1e9, 1e9) for other in Kind} | {kind: KnownLimit(limit, limit / 60)}
    estimate = duration(WORK, known)
    assert estimate.limiter is Limiter.of(kind)
    assert estimate.seconds == pytest.approx(60_000 / 10, rel=0.03)


def test_few_rows_wait_for_a_low_limit() -> None:
    """Ten per minute limit the rate from the second row on."""
    estimate = duration(replace(WORK, requests=9), {Kind.REQUESTS: KnownLimit(10, 1)})
    assert estimate.limiter is Limiter.REQUESTS
    assert estimate.seconds == pytest.approx(8 * 6, rel=0.15)


def test_a_full_bucket_is_used_at_once() -> None:
    """A bucket that begins with one minute's amount saves about one minute."""
    small = seconds(WORK, {Kind.REQUESTS: KnownLimit(600, 10)})
    large = seconds(WORK, {Kind.REQUESTS: KnownLimit(600, 600)})
    assert small - large == pytest.approx(60, abs=3)


def test_a_kind_that_is_not_used_limits_nothing() -> None:
    """Requests whose whole prompt comes from the cache use no input tokens."""
    free = replace(WORK, per_request=Amounts(0.0, 40.0))
    assert duration(free, {Kind.INPUT: KnownLimit(1.0, 1.0)}) == duration(free, {})
