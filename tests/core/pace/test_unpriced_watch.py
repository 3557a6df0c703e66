"""Answers of unknown cost stop a run when they are too many, not when there is one."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.money.bill import Bill
from batcher.core.pace.unpriced_watch import FEW, FEW_IMPOSSIBLE, UnpricedWatch
from batcher.exit_codes import ExitCode

PRICED = Bill(None, Decimal(1))
UNPRICED = Bill(None, None, "the response reports no usage")
IMPOSSIBLE = Bill(None, None, "usage field 'input_tokens' counts too much", is_impossible=True)
TENTH = Decimal("0.1")


def stops_at(bills: list[Bill], share: Decimal = TENTH, *, has_budget: bool = False) -> int | None:
    """Return how many answers a run takes until it stops; None when it does not."""
    watch = UnpricedWatch(share, has_budget)
    for number, bill in enumerate(bills, 1):
        halt = watch.check(bill)
        if halt is not None:
            assert halt.exit_code is ExitCode.ERROR
            assert bill.problem in halt.message
            assert halt.hint
            return number
    return None


@pytest.mark.parametrize("every", [11, 12, 40, 1000])
@pytest.mark.parametrize("doubtful", [UNPRICED, IMPOSSIBLE])
@pytest.mark.parametrize("at_once", [False, True])
def test_less_than_a_tenth_never_stops_a_run(every: int, doubtful: Bill, at_once: bool) -> None:
    """One answer in forty is no reason to stop, wherever the first one is."""
    group = [doubtful, *[PRICED] * (every - 1)]
    bills = group * 200
    if at_once:  # the answers of unknown cost come first, as far as a few may
        bills = [doubtful] * (FEW - 1) + [PRICED] * 10_000
    assert stops_at(bills) is None


@pytest.mark.parametrize("every", [1, 2, 5, 9])
def test_more_than_a_tenth_stops_it_at_the_twentieth(every: int) -> None:
    """A server that reports no usage is found out after a few rows."""
    assert stops_at([*[PRICED] * (every - 1), UNPRICED] * 100) == every * FEW


@given(st.lists(st.sampled_from([PRICED, UNPRICED, IMPOSSIBLE]), max_size=300), st.booleans())
def test_a_share_of_one_never_stops(bills: list[Bill], has_budget: bool) -> None:
    """This is the way out of the hint."""
    assert stops_at(bills, Decimal(1), has_budget=has_budget) is None


def test_with_a_budget_a_usage_that_cannot_be_counts_ten_times() -> None:
    """One in fifty stops the run at the fifth; one in a hundred and fifty never does."""
    assert stops_at([*[PRICED] * 49, IMPOSSIBLE] * 50, has_budget=True) == 50 * FEW_IMPOSSIBLE
    assert stops_at([*[PRICED] * 49, IMPOSSIBLE] * 50) is None
    assert stops_at([*[PRICED] * 149, IMPOSSIBLE] * 50, has_budget=True) is None
    assert stops_at([*[PRICED] * 49, UNPRICED] * 50, has_budget=True) is None


@pytest.mark.parametrize("before", [0, 1, 98, 499])
@pytest.mark.parametrize("share", [Decimal(0), Decimal("0.001"), TENTH])
def test_a_few_that_cannot_be_do_not_end_a_night(before: int, share: Decimal) -> None:
    """Wherever they are, also together, and however small the share is; one more may."""
    few = [PRICED] * before + [IMPOSSIBLE] * (FEW_IMPOSSIBLE - 1)
    assert stops_at([*few, *[PRICED] * 500], share, has_budget=True) is None
    if before * share < 1:
        assert stops_at([*few, IMPOSSIBLE], share, has_budget=True) == before + FEW_IMPOSSIBLE
