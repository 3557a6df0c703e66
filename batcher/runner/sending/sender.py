"""One request through its attempts to an outcome, each attempt recorded before and after."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import tenacity

from batcher.core.answers.outcome import Billing, Outcome, Verdict, classify
from batcher.core.answers.response import Answer, NoAnswer
from batcher.core.money.bill import FREE, Bill, bill
from batcher.core.pace.limiter import Limiter
from batcher.core.pace.pace import Leave, Need, Returned
from batcher.core.pace.retry import Decision, History, Retry, Stop, decide
from batcher.core.usage_fields import TTL
from batcher.runner.sending.cache_gate import Lease
from batcher.runner.sending.context import Surroundings, Tried
from batcher.runner.sending.feed import Errand
from batcher.runner.sending.rate_gate import rest
from batcher.store.records import Intent, OutcomeRecord

UNREAD_BYTES = 64 << 10
"""How much is kept of a body that is no message; enough to see what it is."""


class Sender:
    """Sends errands on one worker's connection.

    Each errand gets a tenacity retrier of its own: a shared one mixes up its callers' states.
    Whether and when to try again is decided in ``core.pace``; tenacity carries it out.
    """

    def __init__(self, slot: int, surroundings: Surroundings) -> None:
        self._slot = slot
        self._with = surroundings

    async def send(self, errand: Errand) -> Tried | None:
        """Try until there is nothing left to try; None when the run stopped before the next try."""
        history = History(unknown=errand.unknown_attempts, repairs=errand.repairs)
        asked, is_retry = errand, False

        async def attempt() -> Tried | None:
            nonlocal asked, history, is_retry
            tried = await self._attempt(asked, history, is_retry=is_retry)
            if tried is not None:
                history = history.after(tried.outcome)
                is_retry = tried.outcome.is_trouble and not tried.outcome.is_rate_limited
                asked = self._asked_next(asked, tried.outcome)
            return tried

        async def sleep(seconds: float) -> None:
            await self._rest(seconds, Limiter.OVERLOADED if is_retry else Limiter.REFUSED)

        retrier = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(self._goes_on),
            wait=_wait,
            stop=tenacity.stop_never,
            sleep=sleep,
        )
        return await retrier(attempt)

    def _asked_next(self, errand: Errand, outcome: Outcome) -> Errand:
        """What is sent at the next try: the same, or the conversation with a complaint."""
        labelling, message, complaint = self._with.labelling, outcome.message, outcome.complaint
        if labelling is None or message is None or complaint is None:
            return errand
        return labelling.asking_again(errand, message, complaint)

    async def _attempt(self, errand: Errand, history: History, *, is_retry: bool) -> Tried | None:
        """Make one attempt when the cache and the pace let it; None when the run is stopping."""
        around = self._with
        lease = await around.warming.admit(errand.prefixes, around.stopping)
        if lease is None:
            return None
        with lease:
            body = errand.body_living(lease.ttl)
            leave = await self._admit(errand, Need(len(body), errand.request.max_tokens, is_retry))
            if leave is None:
                return None
            attempt_id = await self._intend(errand)
            result = await self._exchange(attempt_id, errand, body, lease)
            outcome = classify(result)
            if outcome.message is not None:
                lease.begun()
        if around.labelling is not None:
            outcome = await around.labelling.judge(outcome, history)
        billed = self._bill(errand, outcome, body)
        is_within = around.purse.settle(errand.worst_case_usd, billed.cost_usd)
        decision = decide(outcome, history.after(outcome), around.policy, around.random())
        record = _record(attempt_id, errand, outcome, billed, result)
        kept = len(record.body or b"")
        tried = Tried(errand, outcome, billed, decision, kept, is_within_bound=is_within)
        self._keep(record, tried)  # which may stop the run: then nobody is let through any more
        came = _returned(result, outcome, billed, decision)
        around.pacer.returned(errand.request.model, leave, came)
        return tried

    async def _admit(self, errand: Errand, need: Need) -> Leave | None:
        """Wait for room in the budget, then for the pace; None when there is none, or to stop."""
        around, worst = self._with, errand.worst_case_usd
        if not await around.purse.reserve(worst):
            return None
        leave = await around.pacer.admit(errand.request.model, need)
        if leave is None:
            around.purse.settle(worst, Decimal(0))
        return leave

    async def _exchange(
        self, attempt_id: int, errand: Errand, body: bytes, lease: Lease
    ) -> Answer | NoAnswer:
        """Send the bytes; what may be billed for them is at risk meanwhile."""
        around = self._with
        around.at_risk[attempt_id] = errand.worst_case_usd
        lease.leaves()
        try:
            return await around.client.send(self._slot, body, lease.begun)
        finally:
            del around.at_risk[attempt_id]

    def _keep(self, record: OutcomeRecord, tried: Tried) -> None:
        """Let an outcome be recorded, and tell of it before and after that."""
        around, cost = self._with, tried.bill.cost_usd
        done = around.recorder.add("outcomes", record)
        around.unrecorded[done] = tried.errand.worst_case_usd if cost is None else cost
        done.add_done_callback(lambda future: self._recorded(future, tried))
        around.watcher.tried(tried)

    async def _intend(self, errand: Errand) -> int:
        """Make it durable that an attempt is about to leave; returns its id."""
        around = self._with
        attempt_id = next(around.attempt_ids)
        intent = Intent(
            attempt_id,
            errand.fingerprint,
            around.run_id,
            errand.request.model,
            datetime.now(UTC),
            errand.worst_case_usd,
        )
        await around.recorder.add("attempts", intent)
        return attempt_id

    def _recorded(self, done: "asyncio.Future[None]", tried: Tried) -> None:
        if not done.cancelled() and done.exception() is None:
            del self._with.unrecorded[done]
            self._with.watcher.recorded(tried)

    def _bill(self, errand: Errand, outcome: Outcome, body: bytes) -> Bill:
        if outcome.billing is Billing.UNKNOWN:
            return Bill(None, None)
        if outcome.message is None:
            return FREE
        around, free = self._with, self._with.free_usage_fields
        cache_ttl: TTL = "1h" if b'"ttl":"1h"' in body else "5m"
        return bill(outcome.message, errand.request.model, around.prices, free, cache_ttl)

    def _goes_on(self, tried: Tried | None) -> bool:
        return (
            tried is not None
            and isinstance(tried.decision, Retry)
            and not self._with.stopping.is_set()
        )

    async def _rest(self, seconds: float, limiter: Limiter) -> None:
        around = self._with
        around.resting[limiter] += 1
        try:
            await rest(seconds, around.stopping)
        finally:
            around.resting[limiter] -= 1


def _wait(state: tenacity.RetryCallState) -> float:
    assert state.outcome is not None  # noqa: S101 - tenacity asks after an attempt
    decision = state.outcome.result().decision
    return 0.0 if isinstance(decision, Stop) else float(decision.after_s)


def _returned(
    result: Answer | NoAnswer, outcome: Outcome, billed: Bill, decision: Decision
) -> Returned:
    """What the pace learns from."""
    headers = result.headers if isinstance(result, Answer) else {}
    retry_s = decision.after_s if isinstance(decision, Retry) else None
    return Returned(outcome, headers, billed.usage, result.latency_s, retry_s)


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
        rates=billed.rates,
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
