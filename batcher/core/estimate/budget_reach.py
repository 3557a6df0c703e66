"""How far a budget goes: said before a run, so that nobody is surprised when it stops."""

from decimal import Decimal

from batcher.core.estimate.estimate import Dollars
from batcher.core.money.budget import BudgetState
from batcher.core.money.display import rounded_text
from batcher.core.plural import counted

_DIGITS = 3


def rows_paid(available: Decimal, expected_usd: Decimal, rows: int) -> int | None:
    """Return about how many rows are paid for, in three digits; None when all are.

    ``expected_usd`` is the expected cost of all of them.
    """
    if expected_usd <= available:
        return None
    count = int(rows * max(Decimal(0), available) / expected_usd)
    step: int = 10 ** max(0, len(str(count)) - _DIGITS)
    return count // step * step


def reach_text(budget: BudgetState, expected: Dollars, rows: int) -> str | None:
    """Say where a budget is likely to stop a run; None when it is likely to be enough.

    The text starts with the cap and continues "the budget of".
    """
    cap, available = rounded_text(budget.cap), budget.available
    if budget.used:
        cap += f" ({rounded_text(max(Decimal(0), available))} left)"
    count = rows_paid(available, expected.expected, rows)
    if count is not None:
        return f"{cap} stops this at about {count:,} of {counted(rows, 'row')}"
    if expected.high > available:
        return f"{cap} may stop this before the end"
    return None
