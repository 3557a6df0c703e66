"""What a run would do, counted before it does anything."""

from dataclasses import dataclass
from decimal import Decimal

_ANSWERS_TO_EXPECT_FROM = 20
_EXPECTED_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """The planning line.

    ``items`` are the answers the input asks for (rows x samples). Each is one of: ``known`` (the
    checkpoint has it), ``to_send``, ``shared`` (an earlier row asks the same), ``bad``,
    ``skipped`` (nothing to ask), ``held`` (it may have been billed unseen too often to be sent
    again). Of those to send ``tried`` were tried before, ``changed`` asked something else when
    they were last seen, and the rest is ``new``. ``redone`` of those to send have an answer and ask
    anew only because the job makes its requests differently now. ``gone`` rows were in an earlier
    input. ``worst_case_usd`` bounds what sending each once costs; None when nothing bounds it.
    ``expected_usd`` is what the answers so far let expect; None when they are too few.
    """

    rows: int
    items: int
    known: int
    to_send: int
    shared: int
    bad: int
    skipped: int
    held: int
    tried: int
    changed: int
    redone: int
    gone: int
    worst_case_usd: Decimal | None
    expected_usd: Decimal | None

    @property
    def new(self) -> int:
        """Those to send that were never seen before."""
        return self.to_send - self.tried - self.changed


def expected_usd(
    to_send: int, spent_usd: Decimal, answers: int, worst_case_usd: Decimal | None
) -> Decimal | None:
    """What sending costs if it is like the answers so far; None from fewer than twenty."""
    if answers < _ANSWERS_TO_EXPECT_FROM:
        return None
    expected = round(spent_usd / answers * to_send, _EXPECTED_DECIMALS)
    return expected if worst_case_usd is None else min(expected, worst_case_usd)
