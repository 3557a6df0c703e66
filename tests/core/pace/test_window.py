"""The window, the breaker and the quota: gentle growth, quick cuts, bounded retries."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.circuit_breaker import FAILURES, Breaker
from batcher.core.pace.quota import EARNED, TOKENS, RetryQuota
from batcher.core.pace.window import Window

EVENTS = st.lists(st.tuples(st.sampled_from(["ok", "429", "500"]), st.floats(0, 3)), max_size=200)


@given(EVENTS, st.integers(1, 300))
def test_the_window_stays_between_one_and_its_cap(
    events: list[tuple[str, float]], cap: int
) -> None:
    """Whatever comes back."""
    window, now = Window(cap), 0.0
    for what, pause in events:
        now += pause
        in_flight = int(window.size)
        if what == "ok":
            window.answered(in_flight, 1.0)
        elif what == "429":
            window.refused(in_flight, now)
        else:
            window.failed(in_flight, now)
        assert 1 <= window.size <= cap


def answers(window: Window, count: int, latency_s: float = 1.0) -> None:
    """So many clean answers of a window that is in full use."""
    for _ in range(count):
        window.answered(int(window.size), latency_s)


def test_the_first_goes_alone_then_growth_doubles() -> None:
    """One, eight, and one more for each answer."""
    window = Window(1_000)
    assert (window.has_room(0), window.has_room(1)) == (True, False)
    answers(window, 1)
    assert window.size == 8
    answers(window, 8)
    assert window.size == 16


def test_after_a_refusal_it_is_cut_once_and_grows_gently() -> None:
    """All refusals of one moment count as one; then a twentieth in the time of an answer."""
    window = Window(1_000)
    answers(window, 93)
    assert window.size == 100
    for _ in range(50):
        window.refused(100, 10.0)
    assert window.size == 80
    answers(window, 80)
    assert window.size == pytest.approx(84)
    for _ in range(40):
        for _ in range(int(window.size)):
            window.answered(int(window.size), 1.0, knows_limits=True)
    assert window.size == 1_000  # bolder with each round, where the limits are known


def test_a_refusal_at_the_very_start_costs_no_time() -> None:
    """Three requests say nothing of a size to be careful from: growth doubles as before."""
    window = Window(1_000)
    window.refused(3, 10.0)
    answers(window, 1)
    assert window.size == 8
    answers(window, 8)
    assert window.size == 16


def test_a_quick_first_answer_is_no_measure() -> None:
    """A first row that is done in no time does not stop growth; refused requests are not timed."""
    window = Window(1_000)
    window.answered(1, 0.02)
    answers(window, 100, latency_s=6.0)
    assert window.size > 90
    for _ in range(100):
        window.answered(int(window.size))
    assert window.size > 190


def test_an_unused_window_does_not_grow() -> None:
    """What was never tried says nothing; a cut starts from what was in use."""
    window = Window(1_000)
    answers(window, 93)
    for _ in range(1_000):
        window.answered(20, 1.0)
    assert window.size == 100
    window.refused(20, 10.0)
    assert window.size == 16


def test_a_few_failures_are_no_overload() -> None:
    """One in ten does not cut the window, one in three does."""
    window = Window(100)
    answers(window, 92)
    for _ in range(20):
        answers(window, 9)
        window.failed(100, 10.0)
    assert window.size == 100
    for number in range(20):
        answers(window, 2)
        window.failed(100, 20.0 + number)
    assert window.size < 30


def test_a_server_that_only_queues_is_not_asked_for_more() -> None:
    """Answers three times as slow as the best: the window stays where it is."""
    window = Window(1_000)
    answers(window, 200)
    size = window.size
    answers(window, 100, latency_s=10.0)
    assert window.size < size + 12
    stalled = window.size
    answers(window, 100, latency_s=10.0)
    assert window.size == stalled


@given(st.floats(0, 0.999), st.floats(0.01, 100))
def test_an_outage_is_met_with_single_attempts(random: float, most_rest_s: float) -> None:
    """After ten failures in a row they leave one at a time, after rests that grow to a bound."""
    breaker = Breaker(most_rest_s)
    assert not breaker.leaves()  # it may hang: what left before an outage does not count
    for _ in range(FAILURES - 1):
        breaker.failed(0.0, random)
    assert not breaker.is_open
    now, rests = 0.0, []
    for _ in range(8):
        breaker.failed(now, random)
        rest_s = breaker.wait_s(now)
        rests.append(rest_s)
        breaker.failed(now + rest_s / 2, random)  # left before the outage was seen: no news
        assert breaker.wait_s(now) == rest_s
        now += rest_s
        assert breaker.wait_s(now) == 0
        assert breaker.leaves()
        assert breaker.wait_s(now) == float("inf")
        breaker.came_back(is_probe=True)
    bounds = [min(30.0, most_rest_s, 5.0 * 2**n) for n in range(8)]
    for rest_s, bound in zip(rests, bounds, strict=True):
        assert bound / 2 - 1e-6 <= rest_s <= bound + 1e-6
    assert breaker.answered()
    assert breaker.wait_s(now) == 0
    assert not breaker.answered()


@given(st.lists(st.sampled_from(["retry", "success", "back"]), max_size=400))
def test_retries_are_a_bounded_share(events: list[str]) -> None:
    """At most the first hundred and half of the successes, and one at a time beyond that."""
    quota = RetryQuota()
    paid = successes = 0
    lone: list[bool] = []
    for event in events:
        if event == "retry" and quota.allows():
            is_lone = quota.take()
            lone.append(is_lone)
            paid += not is_lone
        elif event == "success":
            quota.earn()
            successes += 1
        elif event == "back" and lone:
            quota.came_back(is_lone=lone.pop(0))
        assert paid <= TOKENS + EARNED * successes
        assert sum(lone) <= 1


def test_a_row_is_delayed_but_never_dropped() -> None:
    """With nothing left one retry is on its way, and the next follows when it is back."""
    quota = RetryQuota()
    while quota.level >= 1:
        quota.take()
    assert quota.allows()
    assert quota.take()
    assert not quota.allows()
    quota.came_back(is_lone=True)
    assert quota.allows()
