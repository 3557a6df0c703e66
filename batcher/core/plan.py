"""What a run would do, counted before it does anything."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """The planning line.

    ``items`` are the answers the input asks for (rows x samples). Each is one of: ``known`` (the
    checkpoint has it), ``to_send``, ``shared`` (an earlier row asks the same), ``bad``,
    ``skipped`` (nothing to ask), ``held`` (it may have been billed unseen too often to be sent
    again). ``tried`` of those to send were tried before. ``unasked`` are answers in the
    checkpoint that this input does not ask for. ``worst_case_usd`` bounds what sending each once
    costs; None when nothing bounds it.
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
    unasked: int
    worst_case_usd: Decimal | None
