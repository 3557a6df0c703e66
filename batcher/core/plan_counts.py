"""What a run would do, counted before it does anything."""

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class PlanCounts:
    """The planning line.

    ``items`` are the answers the input asks for (rows x samples). Each is one of: ``known`` (the
    checkpoint has it), ``to_send``, ``shared`` (an earlier row asks the same), ``bad``,
    ``skipped`` (nothing to ask), ``held`` (it may have been billed unseen too often to be sent
    again). Of those to send ``tried`` were tried before, ``changed`` asked something else when
    they were last seen, and the rest is ``new``. ``redone`` of those to send have an answer and ask
    anew only because the job makes its requests differently now. ``gone`` rows were in an earlier
    input. ``worst_case_usd`` bounds what sending costs, also if every attempt that may be made of
    a request is billed; ``least_worst_case_usd`` is the least of their bounds of one attempt. Both
    are None when nothing bounds it.
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
    least_worst_case_usd: Decimal | None

    @property
    def new(self) -> int:
        """Those to send that were never seen before."""
        return self.to_send - self.tried - self.changed
