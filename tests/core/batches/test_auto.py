"""What holds for every step of the delivery ``auto``, in any situation."""

import math

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.batches.auto import LIVE_S, MARGIN_S, PACE_DOUBT, OpenBatch, Situation, decide
from batcher.core.batches.durations import Durations

PRIOR = Durations()
ROWS = st.integers(0, 300_000)


@st.composite
def situations(draw: st.DrawFn, most_left_s: float = 50_000) -> Situation:
    """Draw a situation; any number of rows may be anywhere."""
    count = draw(st.integers(0, 6))
    batches = tuple(
        OpenBatch(
            number,
            draw(st.integers(1, 100_000)),
            draw(st.floats(0, 90_000)),
            draw(st.booleans()),
        )
        for number in range(count)
    )
    return Situation(
        left_s=draw(st.floats(-10_000, most_left_s)),
        waiting=draw(ROWS),
        in_flight=draw(st.integers(0, 5_000)),
        batches=batches,
        rows_per_s=draw(st.floats(0.05, 200)),
        batch_rows=draw(st.integers(1, 100_000)),
        batch_room=draw(st.none() | st.integers(0, 100_000)),
    )


@given(situations())
def test_a_step_is_possible(now: Situation) -> None:
    """A row goes one way, a batch is cancelled once, and time passes."""
    step = decide(now, PRIOR)
    assert step.submit >= 0
    assert step.send_live >= 0
    assert step.submit + step.send_live <= now.waiting
    assert now.batch_room is None or step.submit <= now.batch_room
    open_batches = {batch.batch for batch in now.batches if not batch.is_canceling}
    assert set(step.cancel) <= open_batches
    assert len(set(step.cancel)) == len(step.cancel)
    assert step.again_s > 0


@given(situations())
def test_live_requests_get_little_at_a_time(now: Situation) -> None:
    """When a batch ends meanwhile, live requests stop soon, unless they are late as it is."""
    step = decide(now, PRIOR)
    rows = now.waiting + now.in_flight + sum(batch.rows for batch in now.batches)
    late_s = rows / now.rows_per_s * (1 + PACE_DOUBT) + MARGIN_S - now.left_s
    most = now.rows_per_s * max(LIVE_S, late_s + 1)
    assert step.send_live <= max(0, math.ceil(most) - now.in_flight)


@given(situations())
def test_nothing_is_cancelled_or_sent_live_with_time_to_spare(now: Situation) -> None:
    """While all rows fit into the time that is left, at a much lower pace, batches go on."""
    rows = now.waiting + now.in_flight + sum(batch.rows for batch in now.batches)
    needed_s = rows / now.rows_per_s * (1 + PACE_DOUBT) + now.cancel_s + MARGIN_S + 61
    step = decide(now, PRIOR)
    if now.left_s > needed_s:
        assert (step.send_live, step.cancel) == (0, ())
        assert step.again_s >= min(now.left_s - needed_s, 30)


@given(situations(0.0))
def test_after_the_deadline_live_requests_are_never_idle(now: Situation) -> None:
    """The live requests have what they can use, or the batches are being cancelled for it."""
    step = decide(now, PRIOR)
    if now.waiting - step.submit:
        assert step.send_live or now.in_flight >= math.floor(now.rows_per_s * LIVE_S)
    elif not step.submit and not now.in_flight:
        left = [b for b in now.batches if not b.is_canceling and b.batch not in step.cancel]
        canceling = sum(b.rows for b in now.batches if b not in left)
        assert not left or canceling / now.rows_per_s >= now.cancel_s


@given(situations())
def test_an_end_is_always_near(now: Situation) -> None:
    """Rows that wait are submitted, sent live, or decided about at a stated time."""
    step = decide(now, PRIOR)
    if now.waiting > step.submit + step.send_live:
        assert math.isfinite(step.again_s)


def test_everything_waits_in_batches_first() -> None:
    """A job of 20,000 rows that has six hours begins with batches alone."""
    step = decide(Situation(21_600, 20_000, 0, (), 10.0, 10_000), PRIOR)
    assert (step.submit, step.send_live, step.cancel) == (20_000, 0, ())
    assert step.again_s > 3_600


def test_the_least_likely_batch_is_cancelled_first() -> None:
    """Of two batches of the same size, the older one is less likely to end soon."""
    batches = (OpenBatch(1, 5_000, 300.0), OpenBatch(2, 5_000, 30_000.0))
    step = decide(Situation(4_400, 0, 0, batches, 8.0, 10_000), PRIOR)
    assert step.cancel == (2,)


def test_a_full_queue_leaves_rows_for_later() -> None:
    """What the API's queue does not take waits, and goes live only when nothing is to spare."""
    now = Situation(40_000, 150_000, 0, (), 50.0, 10_000, batch_room=100_000)
    step = decide(now, PRIOR)
    assert (step.submit, step.send_live) == (100_000, 0)
