"""How long a run takes: what must hold whatever the limits, the answers and the number of rows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.estimate.duration import KnownLimit, Work, duration
from batcher.core.pace.kinds import Amounts, Kind, Limiter

WORK = Work(60_000, Amounts(300.0, 40.0), latency_s=2.0, slowest_s=5.0, concurrency=64)
STEP = 1.1  # a run is played through in steps, and may end in the middle of one
TAIL = 1.7  # the slowest of 2,000 in flight takes so much longer than one in a hundred does

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
    """How long it takes."""
    return duration(work, known).seconds


@given(works, limits)
def test_no_limit_is_passed(work: Work, known: dict[Kind, KnownLimit]) -> None:
    """A run uses no more than a limit lets through, and no more connections than it has."""
    took_s = seconds(work, known)
    for kind, limit in known.items():
        most = limit.burst + took_s / 60 * limit.per_minute
        assert work.requests * work.per_request.of(kind) <= most * STEP
    assert took_s * STEP >= work.latency_s * (work.requests - 9) / work.concurrency


@given(works, limits, st.integers(1, 5))
def test_more_takes_longer(work: Work, known: dict[Kind, KnownLimit], times: int) -> None:
    """More rows never take less time, but for how long the very last answers take."""
    more = replace(work, requests=work.requests * times + 1)
    assert seconds(work, known) <= seconds(more, known) * STEP + TAIL * work.slowest_s


@given(works, limits, st.sampled_from(list(Kind)), st.floats(1, 100))
def test_a_higher_limit_is_no_slower(
    work: Work, known: dict[Kind, KnownLimit], kind: Kind, times: float
) -> None:
    """A limit that is raised, or not there, does not make a run longer."""
    if kind in known:
        limit = known[kind]
        raised = known | {kind: KnownLimit(limit.per_minute * times, limit.burst * times)}
        assert seconds(work, raised) <= seconds(work, known) * STEP + TAIL * work.slowest_s
    without = {other: limit for other, limit in known.items() if other is not kind}
    assert seconds(work, without) <= seconds(work, known) * STEP + TAIL * work.slowest_s


def test_nothing_takes_no_time() -> None:
    """Without requests there is nothing to wait for."""
    assert seconds(replace(WORK, requests=0), {}) == 0.0


def test_one_request_takes_as_long_as_its_answer() -> None:
    """Nothing is added to the mean of what is known."""
    assert seconds(replace(WORK, requests=1), {}) == WORK.latency_s


def test_the_slowest_of_the_last_answers_is_waited_for() -> None:
    """Of a hundred in flight at the end it is the one in a hundred."""
    hundred = replace(WORK, concurrency=100)
    even = replace(hundred, slowest_s=hundred.latency_s)
    assert seconds(hundred, {}) - seconds(even, {}) == pytest.approx(3.0)


def test_an_outlier_does_not_turn_time_back() -> None:
    """A mean that one slow answer has pulled above nearly all others is the least to wait for."""
    odd = replace(WORK, slowest_s=0.01, concurrency=2_000)
    assert seconds(odd, {}) >= seconds(replace(odd, slowest_s=odd.latency_s), {})


def test_without_known_limits_the_connections_decide() -> None:
    """What is not known holds nobody up, and it is said what does."""
    said = duration(WORK, {})
    assert said.limiter is Limiter.CONCURRENCY
    assert said.seconds == pytest.approx(60_000 * 2.0 / 64, rel=0.02)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(Kind.REQUESTS, 600), (Kind.INPUT, 180_000), (Kind.OUTPUT, 24_000), (Kind.TOKENS, 204_000)],
)
def test_the_tightest_limit_decides(kind: Kind, limit: float) -> None:
    """A long run takes as long as its tightest limit refills, whatever else is limited."""
    known = {other: KnownLimit(1e9, 1e9) for other in Kind} | {kind: KnownLimit(limit, limit / 60)}
    said = duration(WORK, known)
    assert said.limiter is Limiter.of(kind)
    assert said.seconds == pytest.approx(60_000 / 10, rel=0.03)


def test_few_rows_wait_for_a_low_limit() -> None:
    """Ten a minute are ten a minute from the second row on."""
    said = duration(replace(WORK, requests=9), {Kind.REQUESTS: KnownLimit(10, 1)})
    assert said.limiter is Limiter.REQUESTS
    assert said.seconds == pytest.approx(8 * 6, rel=0.15)


def test_what_is_there_at_once_is_used_at_once() -> None:
    """A bucket that begins with a minute's worth saves about a minute."""
    small = seconds(WORK, {Kind.REQUESTS: KnownLimit(600, 10)})
    large = seconds(WORK, {Kind.REQUESTS: KnownLimit(600, 600)})
    assert small - large == pytest.approx(60, abs=3)


def test_a_kind_that_is_not_used_limits_nothing() -> None:
    """Requests whose prompts all come from the cache use up no input."""
    free = replace(WORK, per_request=Amounts(0.0, 40.0))
    assert duration(free, {Kind.INPUT: KnownLimit(1.0, 1.0)}) == duration(free, {})
