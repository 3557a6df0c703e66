"""Where the requests of a run are while it sends: in flight, not yet recorded, or resting."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from batcher.core.money.exact import total
from batcher.core.pace.kinds import Limiter
from batcher.core.plural import counted


@dataclass(frozen=True, slots=True)
class WaitingBatches:
    """Batches that are not collected yet: how many, with how many requests, and when.

    ``oldest_at`` is when the oldest was made, ``next_at`` when the next one is likely to end; None
    when that is not known.
    """

    number: int
    requests: int
    oldest_at: datetime
    next_at: datetime | None

    def __str__(self) -> str:
        """Say how many there are."""
        verb = "is" if self.number == 1 else "are"
        requests = counted(self.requests, "request")
        return f"{counted(self.number, 'batch', 'batches')} with {requests} {verb} at the API"


@dataclass(slots=True)
class InFlight:
    """Counts what the workers of a run are doing; shared by all of them.

    ``at_risk`` has the worst cost of each attempt in flight, by attempt id. ``unrecorded`` has the
    cost of each response that is not on the disk yet, by the future of its record. Costs are in
    USD; None is a cost without a bound. ``resting`` counts the workers that wait before a retry, by
    the reason; ``rest_ends`` has when they go on. ``settling`` has the records of failures that are
    final now. ``newest_attempt`` is the id of the newest attempt, ``answers`` the number of
    answers. ``is_last_taken`` says that no further request will begin. ``batches`` are those that
    are not collected yet; None without any.
    """

    at_risk: dict[int, Decimal | None] = field(default_factory=dict)
    unrecorded: "dict[asyncio.Future[None], Decimal | None]" = field(default_factory=dict)
    resting: Counter[Limiter] = field(default_factory=Counter)
    rest_ends: list[float] = field(default_factory=list)
    settling: "set[asyncio.Future[None]]" = field(default_factory=set)
    newest_attempt: int = 0
    answers: int = 0
    is_last_taken: bool = False
    batches: WaitingBatches | None = None

    @property
    def attempts(self) -> int:
        """The number of attempts that were sent and are not back."""
        return len(self.at_risk)

    def rest_s(self, now: float) -> float:
        """Return how long nothing happens, because all requests wait before a retry."""
        is_quiet = not self.attempts and self.rest_ends
        return max(0.0, min(self.rest_ends) - now) if is_quiet else 0.0

    @property
    def unknown_usd(self) -> Decimal:
        """What may be billed without a record if the process ends now, as far as it is bounded."""
        costs = [*self.at_risk.values(), *self.unrecorded.values()]
        return total(usd for usd in costs if usd is not None)
