"""The budget of a run starts with what the checkpoint records: spent, unknown, and in batches."""

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from batcher.core.job import BudgetSection
from batcher.core.money.budget import Budget, BudgetState, Reservation
from batcher.core.money.display import rounded_text
from batcher.errors import ConfigurationError
from batcher.runner.planning.budget import budget_warning, open_budget
from batcher.store.bill import SpentMoney

NOW = datetime(2026, 11, 30, tzinfo=UTC)
LIVE: Any = SimpleNamespace(mode="live")


def opened(spent: SpentMoney, worst: str = "4") -> tuple[Budget, Any]:
    """Open a budget of ten dollars for a plan of one request."""
    section = BudgetSection(max_cost_usd=Decimal(10))
    context: Any = SimpleNamespace(job=SimpleNamespace(budget=section))
    counts = SimpleNamespace(
        to_send=1, worst_case_usd=Decimal(worst), min_worst_case_usd=Decimal(worst)
    )
    plan: Any = SimpleNamespace(counts=counts)
    budget = open_budget(context, plan, lambda *_: spent, NOW, None)
    assert budget is not None
    return budget, plan


def test_what_waits_in_batches_is_reserved() -> None:
    """Another request waits until a batch gives its money back, and is then sent."""
    spent = SpentMoney(Decimal(2), Decimal(1), 0, reserved=Decimal(6), pending=2)
    budget, plan = opened(spent)
    assert budget.state == BudgetState(Decimal(10), Decimal(2), Decimal(1), Decimal(6))
    assert budget_warning(budget, plan, LIVE) is None, "the batches may release money"
    assert budget.reserve(Decimal(4)) is Reservation.LATER
    budget.settle(Decimal(3), Decimal(0))
    assert budget.reserve(Decimal(4)) is Reservation.NOW
    budget.settle(Decimal(3), Decimal(3))
    budget.settle(Decimal(4), None)
    assert budget.state == BudgetState(Decimal(10), Decimal(5), Decimal(5), Decimal(0))
    assert budget.reserve(Decimal(1)) is Reservation.NEVER


def test_without_batches_nobody_waits() -> None:
    """A request that does not fit is left out, and the check says so before."""
    budget, plan = opened(SpentMoney(Decimal(7), Decimal(0), 0))
    warning = budget_warning(budget, plan, LIVE)
    assert warning is not None
    assert rounded_text(Decimal(3)) in warning.message
    assert budget.reserve(Decimal(4)) is Reservation.NEVER


@pytest.mark.parametrize(
    ("spent", "hint"),
    [
        (SpentMoney(Decimal(0), Decimal(0), 1), "--release-unknown"),
        (SpentMoney(Decimal(0), Decimal(0), 0, reserved_unbounded=1, pending=1), "until the"),
    ],
    ids=["unknown", "in a batch"],
)
def test_an_attempt_without_a_bound_makes_a_budget_impossible(spent: SpentMoney, hint: str) -> None:
    """What waits in a batch cannot be released: its results have to be collected."""
    with pytest.raises(ConfigurationError) as raised:
        opened(spent)
    assert hint in str(raised.value.hint)
