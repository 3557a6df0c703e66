"""The congestion window: gentle growth, quick cuts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.window import Window

EVENTS = st.lists(st.tuples(st.sampled_from(["ok", "429", "500"]), st.floats(0, 3)), max_size=200)


@given(EVENTS, st.integers(1, 300))
def test_the_window_stays_between_one_and_its_cap(
    events: list[tuple[str, float]], cap: int
) -> None:
    """This holds for any sequence of successes, refusals and failures."""
    window, now = Window(cap), 0.0
    for event, pause in events:
        now += pause
        in_flight = int(window.size)
        if event == "ok":
            window.on_success(in_flight, 1.0)
        elif event == "429":
            window.on_refused(in_flight, now)
        else:
            window.on_failure(in_flight, now)
        assert 1 <= window.size <= cap


def succeed(window: Window, count: int, latency_s: float = 1.0) -> None:
    """Count successes of a window that is fully in use."""
    for _ in range(count):
        window.on_success(int(window.size), latency_s)


def test_the_first_request_goes_alone_then_the_window_doubles() -> None:
    """The window is one, then eight, then one more for each response."""
    window = Window(1_000)
    assert (window.has_room(0), window.has_room(1)) == (True, False)
    succeed(window, 1)
    assert window.size == 8
    succeed(window, 8)
    assert window.size == 16


def test_after_a_refusal_it_is_cut_once_and_grows_gently() -> None:
    """Refusals at the same time count once; then it grows a twentieth in the time of a response."""
    window = Window(1_000)
    succeed(window, 93)
    assert window.size == 100
    for _ in range(50):
        window.on_refused(100, 10.0)
    assert window.size == 80
    succeed(window, 80)
    assert window.size == pytest.approx(84)
    for _ in range(40):
        for _ in range(int(window.size)):
            window.on_success(int(window.size), 1.0, knows_limits=True)
    assert window.size == 1_000  # growth becomes faster with each round where the limits are known


def test_a_refusal_at_the_start_does_not_slow_growth() -> None:
    """With three requests in flight it sets no threshold: the window doubles as before."""
    window = Window(1_000)
    window.on_refused(3, 10.0)
    succeed(window, 1)
    assert window.size == 8
    succeed(window, 8)
    assert window.size == 16


def test_a_quick_first_response_does_not_stop_growth() -> None:
    """The best latency needs twenty responses; responses to bad requests are not timed."""
    window = Window(1_000)
    window.on_success(1, 0.02)
    succeed(window, 100, latency_s=6.0)
    assert window.size > 90
    for _ in range(100):
        window.on_success(int(window.size))
    assert window.size > 190


def test_an_unused_window_does_not_grow() -> None:
    """Growth needs a window that is half in use; a cut starts from what was in use."""
    window = Window(1_000)
    succeed(window, 93)
    for _ in range(1_000):
        window.on_success(20, 1.0)
    assert window.size == 100
    window.on_refused(20, 10.0)
    assert window.size == 16


def test_a_few_failures_do_not_cut_the_window() -> None:
    """One in ten does not cut the window, one in three does."""
    window = Window(100)
    succeed(window, 92)
    for _ in range(20):
        succeed(window, 9)
        window.on_failure(100, 10.0)
    assert window.size == 100
    for number in range(20):
        succeed(window, 2)
        window.on_failure(100, 20.0 + number)
    assert window.size < 30


def test_the_window_does_not_grow_while_responses_are_slow() -> None:
    """Responses more than three times as slow as the best: the server only queues requests."""
    window = Window(1_000)
    succeed(window, 200)
    size = window.size
    succeed(window, 100, latency_s=10.0)
    assert window.size < size + 12
    stalled = window.size
    succeed(window, 100, latency_s=10.0)
    assert window.size == stalled
