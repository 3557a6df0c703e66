"""One request through its attempts to an outcome, each attempt recorded before and after."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Literal, Protocol

import tenacity

from batcher.core.answers.answer import Answer, NoAnswer
from batcher.core.answers.outcome import Billing, Outcome, Verdict, classify
from batcher.core.money.bill import FREE, Bill, bill
from batcher.core.money.exact import total
from batcher.core.money.prices import PriceTable
from batcher.core.pace.retry import Decision, History, Retry, RetryPolicy, Stop, decide
from batcher.runner.sending.feed import Errand
from batcher.runner.sending.pacer import Pacer, rest
from batcher.store.records import Intent, OutcomeRecord, Record

UNREAD_BYTES = 64 << 10
"""How much is kept of a body that is no message; enough to see what it is."""


class Client(Protocol):
    """Sends one attempt; the Messages client, or whatever stands in for it."""

    async def send(self, slot: int, body: bytes) -> Answer | NoAnswer:
        """Send a request's bytes on a worker's own connection."""


class Recorder(Protocol):
    """Makes records durable; the checkpoint's writer."""

    def add(self, table: str, record: Record) -> "asyncio.Future[None]":
        """Add a record; the future is done when it is on the disk."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What one attempt came to, what it cost, what follows, and how much of it is kept."""

    errand: Errand
    outcome: Outcome
    bill: Bill
    decision: Decision
    kept_bytes: int = 0


class Watcher(Protocol):
    """Is told of every attempt twice."""

    def tried(self, tried: Tried) -> None:
        """As soon as it has come back: here a run can be stopped."""

    def recorded(self, tried: Tried) -> None:
        """Once it is on the disk: from here on it counts."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What sending needs, made once for a run.

    ``at_risk`` has the worst cost of each attempt in flight, ``unrecorded`` the cost of each that
    has come back and is not on the disk yet; None is one that nobody knows.
    """

    client: Client
    recorder: Recorder
    pacer: Pacer
    prices: PriceTable
    free_usage_fields: tuple[str, ...]
    policy: RetryPolicy
    run_id: str
    attempt_ids: "count[int]"
    random: Callable[[], float]
    stopping: asyncio.Event
    watcher: Watcher
    at_risk: dict[int, Decimal | None] = field(default_factory=dict)
    unrecorded: "dict[asyncio.Future[None], Decimal | None]" = field(default_factory=dict)

    @property
    def in_flight(self) -> int:
        """How many attempts have left and not come back."""
        return len(self.at_risk)

    @property
    def unseen_usd(self) -> Decimal:
        """What may be billed without a record if the process ends now, as far as it is bounded."""
        unseen = [*self.at_risk.values(), *self.unrecorded.values()]
        return total(usd for usd in unseen if usd is not None)


class Sender:
    """Sends errands on one worker's connection.

    Each errand gets a tenacity retrier of its own: a shared one mixes up its callers' states.
    Whether and when to try again is decided in ``core.retry``; tenacity carries it out.
    """

    def __init__(self, slot: int, surroundings: Surroundings) -> None:
        self._slot = slot
        self._with = surroundings

    async def send(self, errand: Errand) -> Tried | None:
        """Try until there is nothing left to try; None when the run stopped before the next try."""
        history = History(unknown=errand.unknown_attempts)

        async def attempt() -> Tried | None:
            nonlocal history
            tried = await self._attempt(errand, history)
            if tried is not None:
                history = history.after(tried.outcome)
            return tried

        retrier = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(self._goes_on),
            wait=_wait,
            stop=tenacity.stop_never,
            sleep=self._sleep,
        )
        return await retrier(attempt)

    async def _attempt(self, errand: Errand, history: History) -> Tried | None:
        around, request = self._with, errand.request
        size, stopping = len(request.body), around.stopping
        reserved = await around.pacer.admit(size, request.max_tokens, stopping)
        if reserved is None:
            return None
        attempt_id = next(around.attempt_ids)
        intent = Intent(
            attempt_id,
            errand.fingerprint,
            around.run_id,
            request.model,
            datetime.now(UTC),
            errand.worst_case_usd,
        )
        await around.recorder.add("attempts", intent)
        around.at_risk[attempt_id] = errand.worst_case_usd
        try:
            result = await around.client.send(self._slot, request.body)
        finally:
            del around.at_risk[attempt_id]
        outcome = classify(result)
        billed = self._bill(errand, outcome)
        decision = decide(outcome, history.after(outcome), around.policy, around.random())
        if billed.usage is not None:
            around.pacer.settle(reserved, size, billed.usage)
        if outcome.is_rate_limited and isinstance(decision, Retry):
            around.pacer.pause(decision.after_s)
        record = _record(attempt_id, errand, outcome, billed, result)
        tried = Tried(errand, outcome, billed, decision, len(record.body or b""))
        done = around.recorder.add("outcomes", record)
        cost = billed.cost_usd
        around.unrecorded[done] = errand.worst_case_usd if cost is None else cost
        done.add_done_callback(lambda future: self._recorded(future, tried))
        around.watcher.tried(tried)
        return tried

    def _recorded(self, done: "asyncio.Future[None]", tried: Tried) -> None:
        if not done.cancelled() and done.exception() is None:
            del self._with.unrecorded[done]
            self._with.watcher.recorded(tried)

    def _bill(self, errand: Errand, outcome: Outcome) -> Bill:
        if outcome.billing is Billing.UNKNOWN:
            return Bill(None, None)
        if outcome.message is None:
            return FREE
        around, request = self._with, errand.request
        cache_ttl: Literal["5m", "1h"] = "1h" if b'"ttl":"1h"' in request.body else "5m"
        free = around.free_usage_fields
        return bill(outcome.message, request.model, around.prices, free, cache_ttl)

    def _goes_on(self, tried: Tried | None) -> bool:
        return (
            tried is not None
            and isinstance(tried.decision, Retry)
            and not self._with.stopping.is_set()
        )

    async def _sleep(self, seconds: float) -> None:
        await rest(seconds, self._with.stopping)


def _wait(state: tenacity.RetryCallState) -> float:
    assert state.outcome is not None  # noqa: S101 - tenacity asks after an attempt
    decision = state.outcome.result().decision
    return 0.0 if isinstance(decision, Stop) else float(decision.after_s)


def _record(
    attempt_id: int, errand: Errand, outcome: Outcome, billed: Bill, result: Answer | NoAnswer
) -> OutcomeRecord:
    # What was not got has no such attribute, and is null in the record.
    answer = result if isinstance(result, Answer) else None
    message, usage = outcome.message, billed.usage
    return OutcomeRecord(
        attempt_id=attempt_id,
        fingerprint=errand.fingerprint,
        is_final=outcome.verdict is Verdict.FINAL,
        status=outcome.status.value,
        billing=outcome.billing.value,
        http_status=getattr(answer, "status", None),
        error_type=outcome.error_type,
        error_message=outcome.error_message,
        request_id=getattr(answer, "request_id", None),
        message_id=getattr(message, "id", None),
        model=getattr(message, "model", None),
        stop_reason=getattr(message, "stop_reason", None),
        input_tokens=getattr(usage, "input_tokens", None),
        cache_creation_5m_input_tokens=getattr(usage, "cache_creation_5m_input_tokens", None),
        cache_creation_1h_input_tokens=getattr(usage, "cache_creation_1h_input_tokens", None),
        cache_read_input_tokens=getattr(usage, "cache_read_input_tokens", None),
        output_tokens=getattr(usage, "output_tokens", None),
        thinking_tokens=getattr(usage, "thinking_tokens", None),
        cost_usd=billed.cost_usd,
        latency_s=result.latency_s,
        ttft_s=getattr(answer, "ttft_s", None),
        ended_at=datetime.now(UTC),
        body=_kept(answer, outcome),
    )


def _kept(answer: Answer | None, outcome: Outcome) -> bytes | None:
    """Return what is kept of an answer: all of a message, the beginning of anything else."""
    if answer is None:
        return None
    return answer.body if outcome.message is not None else answer.body[:UNREAD_BYTES]
