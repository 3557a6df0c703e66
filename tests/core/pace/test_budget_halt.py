"""What a run on a budget says when that is reached: how much is left, and what would do."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.money.budget import BudgetState
from batcher.core.pace.halt import Basis, Halt, Unsent, budget_reached

CENT = Decimal("0.01")
USD = st.decimals(0, 10**6, places=9)


def reached(
    unknown: str = "0",
    basis: Basis = Basis.RUN,
    *,
    is_daily: bool = False,
    plan_cap_usd: Decimal | None = None,
) -> Halt:
    """A budget of ten dollars with twenty rows left, at four dollars and fifty cents."""
    budget_state = BudgetState(Decimal(10), Decimal("9.50"), Decimal(unknown))
    unsent = Unsent(20, Decimal("4.50"), basis, Decimal("0.6"))
    return budget_reached(budget_state, unsent, is_daily=is_daily, plan_cap_usd=plan_cap_usd)


@pytest.mark.parametrize(
    ("basis", "about"),
    [
        (Basis.RUN, "which cost about $4.50 at what rows cost in this run"),
        (Basis.ESTIMATE, "which cost about $4.50 by the estimate"),
        (Basis.BOUND, "which cost at most $4.50"),
    ],
)
def test_it_says_what_is_spent_and_what_the_rest_costs(basis: Basis, about: str) -> None:
    """With how that is known, and a budget for it: a tenth more, and room for the last attempt."""
    halt = reached(basis=basis)
    assert halt.exit_code == 6
    assert halt.message == (
        f"the budget is reached: $9.50 of $10.00 are spent; 20 rows are left, {about}"
    )
    assert halt.max_cost_usd == Decimal("15.05")
    assert "--max-cost" in str(halt.hint)
    assert "--release-unknown" not in str(halt.hint)


def test_what_is_held_can_be_released() -> None:
    """That is said where something is, after a look at what was billed."""
    halt = reached(unknown="0.4")
    assert "$0.40 may have been billed unseen and are held" in halt.message
    assert "--release-unknown when the API's console shows" in str(halt.hint)


def test_a_daily_budget_comes_back_by_itself() -> None:
    """So waiting is a way on, too."""
    halt = reached(is_daily=True)
    assert "of $10.00 a day" in halt.message
    assert "24 hours" in str(halt.hint)


@pytest.mark.parametrize(("cap", "is_the_plans"), [("10", True), ("15.04", True), ("15.05", False)])
def test_no_budget_lifts_the_cap_of_a_plan(cap: str, is_the_plans: bool) -> None:
    """Where that is too small, another plan is the way on."""
    hint = str(reached(plan_cap_usd=Decimal(cap)).hint)
    assert ("cap is that of the plan" in hint) is is_the_plans
    assert ("--max-cost" in hint) is not is_the_plans


@given(spent=USD, unknown=USD, cap=USD, rest=USD, beyond=USD)
def test_the_budget_that_would_do_is_above_the_one_that_did_not(
    spent: Decimal, unknown: Decimal, cap: Decimal, rest: Decimal, beyond: Decimal
) -> None:
    """Whatever rows cost so far: an attempt was left out that did not fit, and now it does."""
    budget_state = BudgetState(cap, spent, unknown)
    largest = max(Decimal(0), budget_state.available) + beyond + Decimal("1e-9")
    enough = Unsent(1, rest, Basis.RUN, largest).enough(budget_state.used)
    assert enough > cap
    assert BudgetState(enough, spent, unknown).available >= largest
    assert enough % CENT == 0


def test_a_budget_that_is_too_small_for_one_request_says_so() -> None:
    """Nothing is spent of it, and nothing ever would be."""
    budget_state = BudgetState(Decimal("0.50"), Decimal(0), Decimal(0))
    unsent = Unsent(4, Decimal("0.004"), Basis.ESTIMATE, Decimal("0.9"))
    halt = budget_reached(budget_state, unsent, is_daily=False, plan_cap_usd=None)
    assert halt.message.startswith(
        "the budget of $0.50 is too small: one request alone may cost up to $0.90; 4 rows are left"
    )
    assert halt.max_cost_usd is not None
    assert halt.max_cost_usd > Decimal("0.9")
