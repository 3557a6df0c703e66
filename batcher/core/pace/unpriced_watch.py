"""Decides when answers of unknown cost are a reason to stop the run."""

from dataclasses import dataclass, field
from decimal import Decimal

from batcher.core.money.bill import Bill
from batcher.core.pace.halt import Halt
from batcher.core.pace.suspects import SAME_FAILURES, SAME_REFUSALS
from batcher.core.plural import counted
from batcher.exit_codes import ExitCode

FEW = SAME_FAILURES
"""Fewer answers of unknown cost than this never stop a run."""

FEW_IMPOSSIBLE = SAME_REFUSALS
"""The same for answers whose usage cannot be, when there is a budget."""

_IMPOSSIBLE_PER_UNPRICED = 10


@dataclass(slots=True)
class UnpricedWatch:
    """Counts the answers of a run, and those of them whose cost is unknown.

    An answer of unknown cost counts with its bound, so a few of them harm nobody. A bound is about
    ten times what an answer costs: when a tenth of the answers (``max_share``) is unknown, as much
    money is unknown as is known, and a bill says nothing any more. Then the run stops.

    A usage above what can be is worse than none: with a budget it may mean that a bound is wrong,
    and it casts doubt on the numbers beside it. A budget therefore allows a tenth of that share.
    A few never stop the run: their bounds are held, and if a bound is wrong, the budget is exceeded
    by what a handful of answers cost. One odd number must not end a night for thousands of dollars.
    With a share of 1 the run never stops.
    """

    max_share: Decimal
    has_budget: bool
    _answers: int = field(default=0, init=False)
    _unpriced: int = field(default=0, init=False)
    _impossible: int = field(default=0, init=False)

    def check(self, bill: Bill) -> Halt | None:
        """Count the bill of an answer."""
        self._answers += 1
        if bill.cost_usd is not None:
            return None
        self._unpriced += 1
        self._impossible += bill.is_impossible
        allowed = self.max_share * self._answers
        if self.max_share == 1:
            return None
        if self.has_budget and bill.is_impossible:
            allowed = max(Decimal(FEW_IMPOSSIBLE - 1), allowed / _IMPOSSIBLE_PER_UNPRICED)
            return self._impossible_halt(bill) if self._impossible > allowed else None
        allowed = max(Decimal(FEW - 1), allowed)
        return self._unpriced_halt(bill) if self._unpriced > allowed else None

    def _impossible_halt(self, bill: Bill) -> Halt:
        return Halt(
            ExitCode.ERROR,
            f"{self._impossible:,} of {counted(self._answers, 'answer')} report a usage that "
            f"cannot be: {bill.problem}",
            "the answers are recorded, and the budget holds the most that they can have cost; run "
            "the same command to go on, with --release-unknown if the API's console shows that "
            "they cost nothing",
        )

    def _unpriced_halt(self, bill: Bill) -> Halt:
        return Halt(
            ExitCode.ERROR,
            f"{self._unpriced:,} of {counted(self._answers, 'answer')} cannot be priced: "
            f"{bill.problem}",
            "the answers are recorded; name fields that cost nothing in prices.free_usage_fields, "
            "give a server that costs nothing prices of 0 in prices.overrides, or set "
            "prices.max_unpriced = 1 to go on",
        )
