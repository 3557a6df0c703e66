"""The shadow of a limit at the API: conserved, corrected once for each piece of news."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.headers import Report, reports
from batcher.core.pace.kinds import Kind
from batcher.core.pace.observed_limit import ObservedLimit


def limit(remaining: float = 1_000, per_minute: float = 1_000) -> ObservedLimit:
    """A limit as a first answer tells it at second 0."""
    return ObservedLimit.first_seen(Kind.REQUESTS, Report(per_minute, remaining), 0.0)


STEPS = st.lists(
    st.tuples(st.floats(0, 5), st.sampled_from(["take", "give"]), st.floats(0.1, 50)), max_size=60
)


@given(STEPS, st.floats(0, 1_000))
def test_what_is_taken_is_conserved(steps: list[tuple[float, str, float]], start: float) -> None:
    """Start + refill - taken + given back, and never more than it holds."""
    made = limit(start)
    now, exact, capacity = 0.0, start, made.bucket.capacity
    for pause, what, amount in steps:
        now += pause
        exact = min(capacity, exact + pause * 1_000 / 60)
        if what == "take":
            made.bucket.refill(now)
            made.take(amount)
            exact -= amount
        else:
            made.bucket.give_back(amount, now)
            exact = min(capacity, exact + amount)
        assert made.bucket.level == pytest.approx(exact, abs=1e-6)


@given(st.integers(1, 40), st.integers(2, 30))
def test_news_that_many_answers_carry_is_heard_once(others: int, in_flight: int) -> None:
    """Another client took so much before all of them left: it is deducted once, not each time."""
    made = limit()
    marks = [made.take(1) for _ in range(in_flight)]
    for number, mark in enumerate(marks, 1):
        seen = 1_000 - number - others
        made.see(Report(1_000, seen), mark, 0.0, 0.0)
    real = 1_000 - in_flight - others
    assert real <= made.bucket.level <= real + 1  # the last digit may be rounded away


@given(st.floats(0, 60), st.integers(1, 30))
def test_reports_of_either_end_change_nothing(latency_s: float, after: int) -> None:
    """Whether the headers tell of the sending or of the answer: what we did explains both."""
    for is_late in (False, True):
        made = limit(500)
        mark = made.take(1)
        for _ in range(after):
            made.take(1)
        made.bucket.refill(latency_s)
        level = made.bucket.level
        made.see(Report(1_000, int(level if is_late else 499)), mark, 0.0, latency_s)
        assert made.bucket.level == level


def test_more_than_expected_is_believed_slowly() -> None:
    """A tenth of it with each answer, so that a report that is too good does no harm."""
    made = limit(100)
    made.bucket.capacity = 1_000
    for _ in range(3):
        made.see(Report(1_000, 901), made.take(0), 0.0, 0.0)
    assert made.bucket.level == pytest.approx(900 - 800 * 0.9**3)


def test_output_that_is_still_being_written_is_no_news() -> None:
    """We deduct it when a request leaves, the API as it is written."""
    made = ObservedLimit.first_seen(Kind.OUTPUT, Report(60_000, 60_000), 0.0)
    mark = made.take(5_000)
    made.see(Report(60_000, 60_000), mark, 5_000, 0.0)
    assert made.bucket.level == 55_000


def test_a_limit_that_changes_is_followed_at_once() -> None:
    """Half the limit: half the refill, and a bucket of half the size."""
    made = limit()
    made.see(Report(500, 500), made.take(0), 0.0, 0.0)
    assert (made.bucket.per_minute, made.bucket.capacity, made.bucket.level) == (500, 500, 500)
    made.take(500)
    assert made.wait_s(10, 0.0) == pytest.approx((10 + 25) * 60 / 500)


def test_a_margin_is_left_and_grows_once_for_each_episode_of_refusals() -> None:
    """A twentieth at first, at most a half, and less again with every answer."""
    made = limit()
    made.take(940)
    assert made.wait_s(10, 0.0) == 0.0
    made.take(0.5)
    assert made.wait_s(10, 0.0) == pytest.approx(0.5 * 60 / 1_000)
    for _ in range(20):
        made.refused(10.0)
    assert made.margin == pytest.approx(0.075)
    for episode in range(20):
        made.refused(20.0 + 3 * episode)
    assert made.margin == 0.5
    for _ in range(5_000):
        made.answered()
    assert made.margin == 0.05


@pytest.mark.parametrize(("holds", "left"), [(1, 0.5), (3, 1.5), (20, 2), (1_000, 50)])
def test_room_is_left_for_attempts_that_arrive_together(holds: float, left: float) -> None:
    """For two more of its size, but never more than half of what the bucket holds."""
    made = ObservedLimit.first_seen(Kind.REQUESTS, Report(60, holds), 0.0)
    made.bucket.level = min(left + 1, holds)
    assert made.wait_s(1, 0.0) == 0.0
    made.bucket.level -= 0.5
    assert made.wait_s(1, 0.0) == pytest.approx(0.5)


def test_headers_are_read() -> None:
    """Limit and remainder of each kind; half of a pair, junk and nonsense are not told."""
    told = reports(
        {
            "anthropic-ratelimit-requests-limit": "1000",
            "anthropic-ratelimit-requests-remaining": "999",
            "anthropic-ratelimit-input-tokens-limit": "80000",
            "anthropic-ratelimit-input-tokens-remaining": "78000",
            "anthropic-ratelimit-output-tokens-limit": "16000",
            "anthropic-ratelimit-output-tokens-remaining": "-5",
            "anthropic-ratelimit-tokens-limit": "nan",
            "anthropic-ratelimit-tokens-remaining": "90000",
        }
    )
    assert told == {Kind.REQUESTS: Report(1_000, 999), Kind.INPUT: Report(80_000, 78_000)}


@pytest.mark.parametrize(("limit_on_all", "is_told"), [("96000", False), ("50000", True)])
def test_a_limit_on_all_tokens_counts_only_when_it_is_tighter(
    limit_on_all: str, is_told: bool
) -> None:
    """Without one the API tells the sum of input and output there."""
    headers = {"anthropic-ratelimit-tokens-limit": limit_on_all}
    for name, value in (("input-tokens", "80000"), ("output-tokens", "16000"), ("tokens", "40000")):
        headers.setdefault(f"anthropic-ratelimit-{name}-limit", value)
        headers[f"anthropic-ratelimit-{name}-remaining"] = "1000"
    assert (Kind.TOKENS in reports(headers)) is is_told
