"""What the senders of a run share, and what they tell of each attempt."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from operator import itemgetter
from typing import Protocol

from batcher.core.answers.outcome import Outcome
from batcher.core.answers.response import NoResponse, Response
from batcher.core.money.bill import Bill
from batcher.core.money.exact import total
from batcher.core.money.prices import PriceTable
from batcher.core.pace.kinds import Limiter
from batcher.core.pace.retry import Decision, RetryPolicy
from batcher.runner.sending.budget_gate import BudgetGate
from batcher.runner.sending.cache_gate import CacheGate
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.label_check import LabelCheck
from batcher.runner.sending.rate_gate import RateGate
from batcher.store.records import Record


class Client(Protocol):
    """Sends one attempt; the Messages client, or whatever stands in for it."""

    async def send(
        self, slot: int, body: bytes, begun: Callable[[], None]
    ) -> Response | NoResponse:
        """Send a request's bytes on a worker's own connection; ``begun`` is told of a stream."""


class Recorder(Protocol):
    """Makes records durable; the checkpoint's writer."""

    def add(self, table: str, record: Record) -> "asyncio.Future[None]":
        """Add a record; the future is done when it is on the disk."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What one attempt came to, what it cost, what follows, and how much of it is kept.

    ``is_within_bound`` is False when it cost more than was thought possible.
    """

    pending: PendingRequest
    outcome: Outcome
    bill: Bill
    decision: Decision
    kept_bytes: int = 0
    is_within_bound: bool = True


class Watcher(Protocol):
    """Is told of every attempt twice."""

    def on_result(self, result: AttemptResult) -> None:
        """As soon as it has come back: here a run can be stopped."""

    def on_committed(self, result: AttemptResult) -> None:
        """Once it is on the disk: from here on it counts."""


@dataclass(slots=True)
class SendContext:
    """What sending needs, made once for a run, and where the workers are.

    ``at_risk`` has the worst cost of each attempt in flight, ``unrecorded`` the cost of each that
    has come back and is not on the disk yet; None is one that nobody knows. ``resting`` counts the
    workers that wait before another try, by what they wait for; ``has_last`` says that no more
    requests will begin.
    """

    client: Client
    recorder: Recorder
    rate_gate: RateGate
    budget_gate: BudgetGate
    cache_gate: CacheGate
    prices: PriceTable
    free_usage_fields: tuple[str, ...]
    policy: RetryPolicy
    label_check: LabelCheck | None
    run_id: str
    attempt_ids: "count[int]"
    random: Callable[[], float]
    stopping: asyncio.Event
    watcher: Watcher
    at_risk: dict[int, Decimal | None] = field(default_factory=dict)
    unrecorded: "dict[asyncio.Future[None], Decimal | None]" = field(default_factory=dict)
    resting: Counter[Limiter] = field(default_factory=Counter)
    has_last: bool = False

    @property
    def in_flight(self) -> int:
        """How many attempts have left and not come back."""
        return len(self.at_risk)

    @property
    def limiter(self) -> Limiter:
        """What limits the pace right now.

        A queue of attempts names it. Without one it is where most of the workers are.
        """
        held_up = self.rate_gate.limiter
        if held_up is not None:
            return held_up
        if self.budget_gate.waiting:
            return Limiter.BUDGET
        (limiter, resting) = max(self.resting.items(), key=itemgetter(1), default=("", 0))
        if resting > self.in_flight and not self.stopping.is_set():
            return Limiter(limiter)
        if self.has_last or self.stopping.is_set():
            return Limiter.DRAINING
        if self.cache_gate.waiting > self.in_flight:
            return Limiter.CACHE
        if self.in_flight < self.rate_gate.wanted // 2:
            return Limiter.DISK  # neither requests nor records come as fast as answers
        return Limiter.RAMPING

    @property
    def unknown_usd(self) -> Decimal:
        """What may be billed without a record if the process ends now, as far as it is bounded."""
        unseen = [*self.at_risk.values(), *self.unrecorded.values()]
        return total(usd for usd in unseen if usd is not None)
