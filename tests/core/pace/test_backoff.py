"""Backoff stays within its bounds, and a server's wish is obeyed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.backoff import full_jitter_s, obeyed_s

UNIT = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10**9), st.floats(0.001, 1e6), UNIT)
def test_jitter_stays_below_its_limit(failures: int, most: float, random: float) -> None:
    """However many failures, the wait is from 0 to the longest allowed."""
    assert 0 <= full_jitter_s(failures, most, random) <= most


@pytest.mark.parametrize(
    ("failures", "limit"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (5_000, 60)]
)
def test_the_limit_doubles_up_to_the_most(failures: int, limit: float) -> None:
    """The limit of a wait doubles with every failure until it reaches max_wait."""
    assert full_jitter_s(failures, 60, 0.5) == limit / 2


@given(st.floats(0, 1e6), UNIT)
def test_retry_after_is_never_cut_short(asked: float, random: float) -> None:
    """The wait is what was asked for and up to a tenth more."""
    assert asked <= obeyed_s(asked, random) <= asked * 1.1


def test_waiters_spread_out() -> None:
    """Not everybody comes back in the same instant."""
    assert len({obeyed_s(30, n / 10) for n in range(10)}) == 10
    assert len({full_jitter_s(3, 60, n / 10) for n in range(10)}) == 10
