"""What the workers of a run share, and what they report about each attempt."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from operator import itemgetter
from typing import Protocol

from batcher.core.answers.outcome import Outcome
from batcher.core.answers.response import NoResponse, Response
from batcher.core.money.bill import Bill
from batcher.core.money.prices import PriceTable
from batcher.core.pace.kinds import Limiter
from batcher.core.pace.retry import Decision, RetryPolicy
from batcher.core.pace.suspects import Ending, Ruling
from batcher.runner.sending.body_gate import BodyGate
from batcher.runner.sending.budget_gate import BudgetGate
from batcher.runner.sending.cache_gate import CacheGate
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.in_flight import InFlight
from batcher.runner.sending.label_check import LabelCheck
from batcher.runner.sending.rate_gate import RateGate
from batcher.store.records import Record


class Client(Protocol):
    """Sends one attempt: the Messages client, or a stand-in for it."""

    async def send(
        self, slot: int, body: bytes, on_start: Callable[[], None]
    ) -> Response | NoResponse:
        """Send bytes on a worker's connection; ``on_start`` is called when a stream starts."""


class Recorder(Protocol):
    """Makes records durable; the checkpoint's writer."""

    def add(self, table: str, record: Record) -> "asyncio.Future[None]":
        """Add a record; the future is done when it is on the disk."""


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """The outcome of one attempt, its cost, what follows, and how many bytes of it are kept.

    ``is_within_bound`` is False when the attempt cost more than its bound. ``newest_id`` is the
    newest attempt when the response came back. ``latency_s`` is None for the result of
    an item of a batch (``is_batched``).
    """

    pending: PendingRequest
    outcome: Outcome
    bill: Bill
    decision: Decision
    kept_bytes: int = 0
    is_within_bound: bool = True
    attempt_id: int = 0
    newest_id: int = 0
    latency_s: float | None = None
    is_batched: bool = False

    @property
    def ending(self) -> Ending:
        """How the request ended, if this attempt is its last."""
        pending = self.pending
        is_known = pending.is_known_for(self.outcome.error_type)
        return Ending(self.outcome, self.attempt_id, self.newest_id, pending.row, is_known)


class Watcher(Protocol):
    """Is called three times for every attempt."""

    def judge(self, pending: PendingRequest, outcome: Outcome) -> Outcome:
        """Return the outcome in the light of what other requests got."""

    def on_result(self, result: AttemptResult) -> Ruling:
        """Take a result as soon as the response is back; this may stop the run."""

    def on_committed(self, result: AttemptResult) -> None:
        """Take a result once it is on the disk; from here on it counts."""

    def on_batch_collected(self) -> tuple[int, ...]:
        """Take that all results of a batch are in; return the failures that are final now."""


@dataclass(frozen=True, slots=True)
class SendContext:
    """What the workers of a run share; made once for each run.

    ``invalid_answers`` returns the invalid answers to a request that earlier attempts brought.
    """

    client: Client
    recorder: Recorder
    rate_gate: RateGate
    budget_gate: BudgetGate
    cache_gate: CacheGate
    body_gate: BodyGate
    prices: PriceTable
    free_usage_fields: tuple[str, ...]
    policy: RetryPolicy
    label_check: LabelCheck | None
    run_id: str
    attempt_ids: "count[int]"
    random: Callable[[], float]
    stopping: asyncio.Event
    watcher: Watcher
    invalid_answers: Callable[[bytes], Awaitable[Sequence[bytes]]]
    in_flight: InFlight = field(default_factory=InFlight)

    @property
    def limiter(self) -> Limiter:
        """What limits the pace now: the gate where attempts wait, else where most workers are."""
        if (limiter := self._limiting_gate) is not None:
            return limiter
        in_flight, is_stopping = self.in_flight, self.stopping.is_set()
        if in_flight.batches and not in_flight.attempts:
            return Limiter.BATCHES
        (reason, resting) = max(in_flight.resting.items(), key=itemgetter(1), default=("", 0))
        if resting > in_flight.attempts and not is_stopping:
            return Limiter(reason)
        if in_flight.is_last_taken or is_stopping:
            return Limiter.DRAINING
        if self.cache_gate.waiting > in_flight.attempts:
            return Limiter.CACHE
        if in_flight.attempts < self.rate_gate.wanted // 2:
            return Limiter.MACHINE  # requests or records come more slowly than responses
        return Limiter.RAMPING

    @property
    def _limiting_gate(self) -> Limiter | None:
        if self.rate_gate.limiter is not None:
            return self.rate_gate.limiter
        if self.budget_gate.waiting:
            return Limiter.BUDGET
        return Limiter.MEMORY if self.body_gate.waiting else None
