"""Before a run, a budget says how far it goes."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.estimate.budget_reach import reach_text, rows_paid
from batcher.core.estimate.estimate import Dollars
from batcher.core.money.budget import BudgetState


def state(cap: str, spent: str = "0", unknown: str = "0") -> BudgetState:
    """Return the state of a budget."""
    return BudgetState(Decimal(cap), Decimal(spent), Decimal(unknown))


def dollars(expected: str, high: str) -> Dollars:
    """Return an estimate."""
    return Dollars(Decimal(expected), Decimal(expected), Decimal(high), None)


@pytest.mark.parametrize(
    ("budget", "expected", "high", "text"),
    [
        (
            state("5"),
            "13.21",
            "15",
            "$5.00 stops this at about 1,850 of 4,891 rows",
        ),
        (
            state("5", "3", "1"),
            "13.21",
            "15",
            "$5.00 ($1.00 left) stops this at about 370 of 4,891 rows",
        ),
        (
            state("5", "6"),
            "1",
            "2",
            "$5.00 ($0.00 left) stops this at about 0 of 4,891 rows",
        ),
        (state("5"), "4.90", "5.10", "$5.00 may stop this before the end"),
        (state("5"), "4.90", "5.00", None),
    ],
)
def test_the_cap_and_how_far_it_goes(
    budget: BudgetState, expected: str, high: str, text: str | None
) -> None:
    """The cap is named with the rows it is likely to pay for; an ample budget says nothing."""
    assert reach_text(budget, dollars(expected, high), 4891) == text


@given(st.decimals(0, 10**6, places=6), st.decimals(0, 10**6, places=6), st.integers(1, 10**7))
def test_rows_paid_never_cost_more_than_the_budget(
    available: Decimal, expected: Decimal, rows: int
) -> None:
    """They are rounded down, to three digits."""
    paid = rows_paid(available, expected, rows)
    if paid is None:
        assert expected <= available
    else:
        assert 0 <= paid <= rows
        assert paid * expected <= available * rows
        assert len(str(paid).rstrip("0")) <= 3
