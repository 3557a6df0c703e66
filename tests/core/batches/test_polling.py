"""Looks at a batch are rare, and not much later than its end."""

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.batches.polling import is_listed, next_look_s

RANDOM = st.floats(0, 1, exclude_max=True)


@given(st.floats(0, 90_000), st.floats(0.01, 600), RANDOM)
def test_a_look_is_never_early_or_late(age_s: float, poll_s: float, random: float) -> None:
    """The wait is at most ``poll_s`` and a tenth of the age, and never near zero for a real one."""
    wait_s = next_look_s(age_s, poll_s, random)
    assert 0 < wait_s <= min(poll_s, max(5.0, age_s / 9.99))
    assert wait_s >= min(poll_s, 5.0) * 0.8


@given(RANDOM)
def test_a_day_has_few_looks(random: float) -> None:
    """A batch that takes a day is looked at once a minute; one of two minutes, some times."""
    for age_s, most in ((120.0, 30), (86_400.0, 1_900)):
        looks, at = 0, 0.0
        while at < age_s:
            at += next_look_s(at, 60.0, random)
            looks += 1
        assert looks <= most


def test_several_batches_take_one_listing() -> None:
    """One batch is looked at itself."""
    assert [is_listed(waiting) for waiting in (1, 2, 40)] == [False, True, True]
