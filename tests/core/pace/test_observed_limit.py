"""Our model of a limit at the API: units are conserved, each change is corrected once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.headers import LimitReport, limit_reports
from batcher.core.pace.kinds import Kind
from batcher.core.pace.observed_limit import ObservedLimit


def limit(remaining: float = 1_000, per_minute: float = 1_000) -> ObservedLimit:
    """Return a limit as the first response reports it at second 0."""
    return ObservedLimit.from_report(Kind.REQUESTS, LimitReport(per_minute, remaining), 0.0)


STEPS = st.lists(
    st.tuples(st.floats(0, 5), st.sampled_from(["take", "give"]), st.floats(0.1, 50)), max_size=60
)


@given(STEPS, st.floats(0, 1_000))
def test_units_are_conserved(steps: list[tuple[float, str, float]], start: float) -> None:
    """The level is start + refill - taken + given back, and never above the capacity."""
    observed = limit(start)
    now, exact, capacity = 0.0, start, observed.bucket.capacity
    for pause, action, amount in steps:
        now += pause
        exact = min(capacity, exact + pause * 1_000 / 60)
        if action == "take":
            observed.bucket.refill(now)
            observed.take(amount)
            exact -= amount
        else:
            observed.bucket.give_back(amount, now)
            exact = min(capacity, exact + amount)
        assert observed.bucket.level == pytest.approx(exact, abs=1e-6)


@given(st.integers(1, 40), st.integers(2, 30))
def test_a_change_that_many_responses_report_is_corrected_once(others: int, in_flight: int) -> None:
    """What another client took before they were sent is deducted once, not for each report."""
    observed = limit()
    marks = [observed.take(1) for _ in range(in_flight)]
    for number, mark in enumerate(marks, 1):
        remaining = 1_000 - number - others
        observed.update(LimitReport(1_000, remaining), mark, 0.0, 0.0)
    exact = 1_000 - in_flight - others
    assert exact <= observed.bucket.level <= exact + 1  # the last digit may be rounded away


@given(st.floats(0, 60), st.integers(1, 30))
def test_reports_from_either_end_change_nothing(latency_s: float, after: int) -> None:
    """Whether a report describes the request or the response: what we sent explains both."""
    for is_late in (False, True):
        observed = limit(500)
        mark = observed.take(1)
        for _ in range(after):
            observed.take(1)
        observed.bucket.refill(latency_s)
        level = observed.bucket.level
        observed.update(LimitReport(1_000, int(level if is_late else 499)), mark, 0.0, latency_s)
        assert observed.bucket.level == level


def test_more_than_expected_is_believed_slowly() -> None:
    """Each response adds a tenth of it, so that one report that is too high does no harm."""
    observed = limit(100)
    observed.bucket.capacity = 1_000
    for _ in range(3):
        observed.update(LimitReport(1_000, 901), observed.take(0), 0.0, 0.0)
    assert observed.bucket.level == pytest.approx(900 - 800 * 0.9**3)


def test_outstanding_output_is_not_a_surplus() -> None:
    """We deduct output when a request is sent, the API while it writes it."""
    observed = ObservedLimit.from_report(Kind.OUTPUT, LimitReport(60_000, 60_000), 0.0)
    mark = observed.take(5_000)
    observed.update(LimitReport(60_000, 60_000), mark, 5_000, 0.0)
    assert observed.bucket.level == 55_000


def test_a_limit_that_changes_is_followed_at_once() -> None:
    """With half the limit, the refill and the capacity are half, too."""
    observed = limit()
    observed.update(LimitReport(500, 500), observed.take(0), 0.0, 0.0)
    assert (observed.bucket.per_minute, observed.bucket.capacity, observed.bucket.level) == (
        500,
        500,
        500,
    )
    observed.take(500)
    assert observed.wait_s(10, 0.0) == pytest.approx((10 + 25) * 60 / 500)


def test_a_margin_is_kept_and_grows_once_per_episode_of_refusals() -> None:
    """It is a twentieth at first, at most a half, and shrinks with every success."""
    observed = limit()
    observed.take(940)
    assert observed.wait_s(10, 0.0) == 0.0
    observed.take(0.5)
    assert observed.wait_s(10, 0.0) == pytest.approx(0.5 * 60 / 1_000)
    for _ in range(20):
        observed.on_refused(10.0)
    assert observed.margin == pytest.approx(0.075)
    for episode in range(20):
        observed.on_refused(20.0 + 3 * episode)
    assert observed.margin == 0.5
    for _ in range(5_000):
        observed.on_success()
    assert observed.margin == 0.05


@pytest.mark.parametrize(("capacity", "margin"), [(1, 0.5), (3, 1.5), (20, 2), (1_000, 50)])
def test_the_margin_has_room_for_attempts_that_arrive_together(
    capacity: float, margin: float
) -> None:
    """It has room for two more of its size, but is never more than half of the capacity."""
    observed = ObservedLimit.from_report(Kind.REQUESTS, LimitReport(60, capacity), 0.0)
    observed.bucket.level = min(margin + 1, capacity)
    assert observed.wait_s(1, 0.0) == 0.0
    observed.bucket.level -= 0.5
    assert observed.wait_s(1, 0.0) == pytest.approx(0.5)


def test_headers_are_read() -> None:
    """Limit and remainder of each kind are read; incomplete and invalid pairs are left out."""
    reports = limit_reports(
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
    assert reports == {
        Kind.REQUESTS: LimitReport(1_000, 999),
        Kind.INPUT: LimitReport(80_000, 78_000),
    }


@pytest.mark.parametrize(("limit_on_all", "is_used"), [("96000", False), ("50000", True)])
def test_a_limit_on_all_tokens_counts_only_when_it_is_lower(
    limit_on_all: str, is_used: bool
) -> None:
    """Without such a limit the API sends the sum of input and output."""
    headers = {"anthropic-ratelimit-tokens-limit": limit_on_all}
    for name, value in (("input-tokens", "80000"), ("output-tokens", "16000"), ("tokens", "40000")):
        headers.setdefault(f"anthropic-ratelimit-{name}-limit", value)
        headers[f"anthropic-ratelimit-{name}-remaining"] = "1000"
    assert (Kind.TOKENS in limit_reports(headers)) is is_used
