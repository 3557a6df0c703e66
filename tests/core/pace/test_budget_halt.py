"""The halt of a run whose budget is reached: what is left, and a budget that is enough."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

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
    next_day: datetime | None = None,
    plan_cap_usd: Decimal | None = None,
    reserved: str = "0",
) -> Halt:
    """Halt on a budget of ten dollars with twenty rows left that cost four dollars and fifty."""
    budget_state = BudgetState(Decimal(10), Decimal("9.50"), Decimal(unknown), Decimal(reserved))
    unsent = Unsent(20, Decimal("4.50"), basis, Decimal("0.6"))
    return budget_reached(budget_state, unsent, next_day=next_day, plan_cap_usd=plan_cap_usd)


@pytest.mark.parametrize(
    ("basis", "cost"),
    [
        (Basis.RUN, "expected to cost $4.50 at this run's average cost"),
        (Basis.ESTIMATE, "expected to cost $4.50 by the estimate"),
        (Basis.BOUND, "which cost at most $4.50"),
    ],
)
def test_the_message_says_what_is_spent_and_what_the_rest_costs(basis: Basis, cost: str) -> None:
    """It says what that cost is based on; the new budget adds a tenth, and the largest attempt."""
    halt = reached(basis=basis)
    assert halt.exit_code == 6
    assert halt.message == (
        f"the budget is reached: spent $9.50 of $10.00; 20 rows are left, {cost}"
    )
    assert halt.max_cost_usd == Decimal("15.05")
    assert "--max-cost" in str(halt.hint)
    assert "--release-unknown" not in str(halt.hint)


def test_money_for_unknown_attempts_can_be_released() -> None:
    """The hint says so only when there is such money, and to look into the console first."""
    halt = reached(unknown="0.4")
    assert "up to $0.40 of unknown cost" in halt.message
    assert "--release-unknown if the API's console shows" in str(halt.hint)


def test_money_of_batches_is_said_and_counts_as_used() -> None:
    """It is not of unknown cost: it is at the API, and nobody can release it."""
    halt = reached(reserved="0.4")
    assert "and up to $0.40 reserved for batches; 20 rows" in halt.message
    assert "--release-unknown" not in str(halt.hint)
    assert halt.max_cost_usd == Decimal("15.45")


def test_a_daily_budget_renews_itself() -> None:
    """The hint says that waiting is enough, too."""
    midnight = datetime(2026, 12, 2, tzinfo=ZoneInfo("Europe/Berlin"))
    halt = reached(next_day=midnight)
    assert "of $10.00 a day" in halt.message
    assert "or wait: a run that starts after 2026-12-02 00:00 CET" in str(halt.hint)


@pytest.mark.parametrize(("cap", "needs_plan"), [("10", True), ("15.04", True), ("15.05", False)])
def test_no_budget_lifts_the_cap_of_a_plan(cap: str, needs_plan: bool) -> None:
    """When the cap of the plan is too small, the hint says to save another plan."""
    hint = str(reached(plan_cap_usd=Decimal(cap)).hint)
    assert ("save a plan with a larger cap" in hint) is needs_plan
    assert ("--max-cost" in hint) is not needs_plan


@given(spent=USD, unknown=USD, cap=USD, rest=USD, beyond=USD)
def test_the_suggested_budget_is_above_the_old_one_and_enough(
    spent: Decimal, unknown: Decimal, cap: Decimal, rest: Decimal, beyond: Decimal
) -> None:
    """The largest attempt that did not fit before fits into it, whatever rows cost so far."""
    budget_state = BudgetState(cap, spent, unknown)
    largest = max(Decimal(0), budget_state.available) + beyond + Decimal("1e-9")
    enough = Unsent(1, rest, Basis.RUN, largest).enough(budget_state.used)
    assert enough > cap
    assert BudgetState(enough, spent, unknown).available >= largest
    assert enough % CENT == 0


def test_a_budget_that_is_too_small_for_one_request_says_so() -> None:
    """Nothing was spent of it, and nothing ever would be."""
    budget_state = BudgetState(Decimal("0.50"), Decimal(0), Decimal(0))
    unsent = Unsent(4, Decimal("0.004"), Basis.ESTIMATE, Decimal("0.9"))
    halt = budget_reached(budget_state, unsent, next_day=None, plan_cap_usd=None)
    assert halt.message.startswith(
        "the budget of $0.50 is too small: one request alone may cost up to $0.90; 4 rows are left"
    )
    assert halt.max_cost_usd is not None
    assert halt.max_cost_usd > Decimal("0.9")
