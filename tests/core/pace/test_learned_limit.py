"""A limit that no header tells is learned from refusals, and kept from growing back too fast."""

import math

import pytest

from batcher.core.pace.kinds import KnownLimit
from batcher.core.pace.learned_limit import Cause, LearnedLimit
from batcher.core.pace.send_history import SendMark


def sent(limit: LearnedLimit, count: int, gap_s: float, start: float = 100.0) -> list[SendMark]:
    """Send attempts at even intervals."""
    return [limit.take(start + number * gap_s) for number in range(count)]


def refuse(limit: LearnedLimit, mark: SendMark, now: float, cause: Cause = Cause.UNKNOWN) -> float:
    """Let an attempt be refused, and learn from it after the pause."""
    limit.on_refused(mark, cause, header_rate=20.0)
    return limit.conclude(now)


def test_without_a_refusal_there_is_no_limit() -> None:
    """Nothing waits, and nothing is known."""
    limit = LearnedLimit()
    sent(limit, 100, 0.001)
    assert (limit.rate, limit.wait_s(101.0), limit.known, limit.gap_s) == (math.inf, 0, None, 0)


def test_a_rate_that_headers_tell_is_used_and_the_burst_is_what_passed() -> None:
    """25 passed at once before the refusal: nearly 20 a second, and most of this burst."""
    limit = LearnedLimit()
    *_, last = sent(limit, 26, 0.0)
    refuse(limit, last, 101.0)
    assert 19 < limit.rate < 20
    assert limit.known == KnownLimit(limit.rate * 60, 20, is_learned=True)


def test_spaced_attempts_keep_a_distance() -> None:
    """When the second of two attempts was refused, attempts keep the distance of the rate."""
    limit = LearnedLimit()
    _, last = sent(limit, 2, 0.01)
    refuse(limit, last, 101.0)
    assert limit.gap_s == pytest.approx(1 / limit.rate)
    limit.take(101.0)
    assert limit.wait_s(101.0) == pytest.approx(limit.gap_s)


def test_a_refusal_that_a_known_limit_explains_teaches_nothing() -> None:
    """The model of that limit is corrected instead."""
    limit = LearnedLimit()
    *_, last = sent(limit, 26, 0.0)
    refuse(limit, last, 101.0, Cause.KNOWN_LIMIT)
    assert limit.known is None
    assert limit.rate == math.inf


def test_growth_that_was_too_fast_is_slowed_and_is_no_limit() -> None:
    """The rate starts at what passed in ten seconds, and is not recorded as a limit."""
    limit = LearnedLimit()
    *_, last = sent(limit, 31, 0.01)
    refuse(limit, last, 101.0, Cause.ACCELERATION)
    assert limit.rate == pytest.approx(3.0)
    assert limit.known is None


def test_the_pause_grows_while_nothing_passes() -> None:
    """The first refusal rests as long as the server asks; each one after it longer, up to 30 s."""
    limit, rests, now = LearnedLimit(), [], 100.0
    for _ in range(8):
        rests.append(refuse(limit, limit.take(now), now + 1))
        now += 100
    assert rests == [0, 1, 2, 4, 8, 16, 30, 30]


def test_attempts_that_are_refused_together_count_once() -> None:
    """Ten refusals of one burst give the same limit as its first one."""
    limits = LearnedLimit(), LearnedLimit()
    for limit, refused in zip(limits, (1, 10), strict=True):
        marks = sent(limit, 30, 0.0)
        for mark in marks[20 : 20 + refused]:
            limit.on_refused(mark, Cause.UNKNOWN, 20.0)
        limit.conclude(101.0)
    assert limits[0].known == limits[1].known


def test_a_refused_rate_is_not_used_again_soon() -> None:
    """After a refusal the rate stays below the refused one for a minute of successes."""
    limit = LearnedLimit()
    _, last = sent(limit, 2, 0.01)
    refuse(limit, last, 101.0)
    refused = limit.take(102.0)
    limit.take(102.0)
    assert refuse(limit, refused, 103.0) == 0
    now = 103.0
    while now < 160.0:
        now += limit.wait_s(now) + 1e-6
        limit.on_success(limit.take(now), 1, now)
        assert limit.rate < refused.rate


def test_a_run_starts_from_the_limit_of_the_last_one() -> None:
    """It is held for a minute and then grows slowly; what is refused lowers it a little."""
    limit = LearnedLimit()
    limit.begin(KnownLimit(600, 1, is_learned=True), 100.0)
    assert limit.known == KnownLimit(600, 1, is_learned=True)
    now = 100.0
    while now < 200:
        mark = limit.take(now)
        limit.on_success(mark, 1, now)
        assert now >= 160 or limit.rate == 10
        now += limit.wait_s(now)
    assert 15 < limit.rate < 30
    refused = limit.take(201.0)
    refuse(limit, refused, 202.0)
    assert 9 < limit.rate < refused.rate
