"""Takes one request through its attempts to an outcome; records each attempt before and after."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import tenacity

from batcher.core.answers.outcome import Outcome, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.money.bill import Bill, Sent
from batcher.core.pace.kinds import Limiter
from batcher.core.pace.pace import AttemptCost, Completion, Permit
from batcher.core.pace.retry import History, PassedOver, Retry, Stop, decide, pause_s
from batcher.runner.sending.cache_gate import CachePermit
from batcher.runner.sending.context import AttemptResult, SendContext
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.rate_gate import rest
from batcher.runner.sending.recording import bill_of, keep, kept_bytes
from batcher.store.records import Intent


class Sender:
    """Sends requests over one worker's connection.

    A request whose first attempt fails gets a tenacity retrier of its own, which begins with that
    attempt. A retrier costs as much as a tenth of an attempt; a shared one mixes up its callers.
    ``core.pace.retry`` decides whether and when to try again; tenacity waits, stops and repeats.
    """

    def __init__(self, slot: int, ctx: SendContext) -> None:
        self._slot = slot
        self._ctx = ctx

    async def send(self, pending: PendingRequest) -> AttemptResult | None:
        """Attempt a request until it has an outcome; None when the run stopped before an attempt.

        The last result is returned; its decision is a ``Retry`` when the run stopped before the
        next attempt.
        """
        history = History(unknown=pending.unknown_attempts, repairs=pending.repairs)
        passed_over = PassedOver()
        is_retry = False

        async def attempt() -> AttemptResult | None:
            nonlocal pending, history, is_retry
            result = await self._attempt(pending, history, passed_over, is_retry=is_retry)
            if result is not None and isinstance(result.decision, Retry):
                history = history.after(result.outcome)
                is_retry = result.outcome.is_transient and not result.outcome.is_rate_limited
                pending = self._next_request(pending, result.outcome)
            return result

        async def sleep(seconds: float) -> None:
            await self._rest(seconds, Limiter.FAILURES if is_retry else Limiter.REFUSED)

        first = await attempt()
        if not _is_to_retry(first):
            return first
        made = [first]

        async def next_attempt() -> AttemptResult | None:
            return made.pop() if made else await attempt()

        retrier = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(_is_to_retry),
            wait=_wait_s,
            stop=self._is_stopping,
            sleep=sleep,
            retry_error_callback=_last_result,
        )
        return await retrier(next_attempt)

    def _is_stopping(self, _: tenacity.RetryCallState) -> bool:
        return self._ctx.stopping.is_set()

    def _next_request(self, pending: PendingRequest, outcome: Outcome) -> PendingRequest:
        """Return what the next attempt sends: the same, or the conversation with a complaint."""
        label_check, message, complaint = self._ctx.label_check, outcome.message, outcome.complaint
        if label_check is None or message is None or complaint is None:
            return pending
        return label_check.repair_request(pending, message, complaint)

    async def _attempt(
        self,
        pending: PendingRequest,
        history: History,
        passed_over: PassedOver,
        *,
        is_retry: bool,
    ) -> AttemptResult | None:
        """Make one attempt when memory and all gates permit it; None when the run is stopping."""
        body_gate, result = self._ctx.body_gate, None
        if not await body_gate.enter(pending.max_tokens):
            return None
        try:
            result = await self._attempt_inside(pending, history, passed_over, is_retry=is_retry)
        finally:
            if result is None:  # else it leaves when its record is on the disk
                body_gate.leave()
        return result

    async def _attempt_inside(
        self,
        pending: PendingRequest,
        history: History,
        passed_over: PassedOver,
        *,
        is_retry: bool,
    ) -> AttemptResult | None:
        """Make one attempt when cache, budget and pace permit it; None when the run is stopping."""
        ctx = self._ctx
        cache_permit = await ctx.cache_gate.admit(pending.prefixes, ctx.stopping)
        if cache_permit is None:
            return None
        with cache_permit:
            body = pending.body_with_ttl(cache_permit.ttl)
            permit = await self._admit(
                pending, AttemptCost(len(body), pending.max_tokens, is_retry)
            )
            if permit is None:
                return None
            attempt_id = await self._record_intent(pending)
            await ctx.rate_gate.keep_distance(pending.model, permit)
            response = await self._exchange(attempt_id, pending, body, cache_permit)
            ctx.body_gate.learn(len(response.body) if isinstance(response, Response) else 0)
            outcome = classify(response)
            if outcome.message is not None:
                cache_permit.begun()
        if ctx.label_check is not None:
            outcome = await ctx.label_check.judge(outcome, history)
        outcome = ctx.watcher.judge(pending, outcome)
        billed = self._bill(pending, outcome, body)
        is_within = ctx.budget_gate.settle(pending.worst_case_usd, billed.cost_usd)
        now, answers = asyncio.get_running_loop().time(), ctx.in_flight.answers
        history = history.after(outcome, passed_over.seconds(outcome, answers, now))
        decision = decide(outcome, history, ctx.policy, ctx.random())
        ctx.in_flight.answers += outcome.message is not None
        received = response if isinstance(response, Response) else None
        result = AttemptResult(
            pending,
            outcome,
            billed,
            decision,
            kept_bytes(received, outcome),
            is_within_bound=is_within,
            attempt_id=attempt_id,
            newest_id=ctx.in_flight.newest_attempt,
            latency_s=response.latency_s,
        )
        # This may stop the run; then no gate admits anything more.
        done = keep(ctx, result, received)
        done.add_done_callback(lambda _: ctx.body_gate.leave())
        completion = _completion(response, outcome, billed, pause_s(outcome, decision, ctx.policy))
        ctx.rate_gate.on_completion(pending.model, permit, completion)
        return result

    async def _admit(self, pending: PendingRequest, cost: AttemptCost) -> Permit | None:
        """Reserve money, then wait for the pace; None without money or when stopping."""
        ctx, worst = self._ctx, pending.worst_case_usd
        if not await ctx.budget_gate.reserve(worst):
            return None
        permit = await ctx.rate_gate.admit(pending.model, cost)
        if permit is None:
            ctx.budget_gate.settle(worst, Decimal(0))
        return permit

    async def _exchange(
        self, attempt_id: int, pending: PendingRequest, body: bytes, cache_permit: CachePermit
    ) -> Response | NoResponse:
        """Send the bytes; until the response is back its worst case counts as at risk."""
        ctx = self._ctx
        ctx.in_flight.at_risk[attempt_id] = pending.worst_case_usd
        cache_permit.sent()
        try:
            return await ctx.client.send(self._slot, body, cache_permit.begun)
        finally:
            del ctx.in_flight.at_risk[attempt_id]

    async def _record_intent(self, pending: PendingRequest) -> int:
        """Make it durable that an attempt is about to be sent; return the id of the attempt."""
        ctx = self._ctx
        attempt_id = ctx.in_flight.newest_attempt = next(ctx.attempt_ids)
        intent = Intent(
            attempt_id,
            pending.fingerprint,
            ctx.run_id,
            pending.model,
            datetime.now(UTC),
            pending.worst_case_usd,
        )
        await ctx.recorder.add("attempts", intent)
        return attempt_id

    def _bill(self, pending: PendingRequest, outcome: Outcome, body: bytes) -> Bill:
        worst = pending.worst
        sent = Sent(
            pending.model,
            pending.max_tokens,
            "1h" if b'"ttl":"1h"' in body else "5m",
            None if worst is None else worst.turns,
        )
        return bill_of(outcome, sent, self._ctx.prices, self._ctx.free_usage_fields)

    async def _rest(self, seconds: float, limiter: Limiter) -> None:
        in_flight, end = self._ctx.in_flight, asyncio.get_running_loop().time() + seconds
        in_flight.resting[limiter] += 1
        in_flight.rest_ends.append(end)
        try:
            await rest(seconds, self._ctx.stopping)
        finally:
            in_flight.resting[limiter] -= 1
            in_flight.rest_ends.remove(end)


def _is_to_retry(result: AttemptResult | None) -> bool:
    return result is not None and isinstance(result.decision, Retry)


def _wait_s(state: tenacity.RetryCallState) -> float:
    result = _last_result(state)
    if result is None or isinstance(result.decision, Stop):
        return 0.0
    return float(result.decision.after_s)


def _last_result(state: tenacity.RetryCallState) -> AttemptResult | None:
    assert state.outcome is not None  # noqa: S101 - tenacity calls this after an attempt
    result: AttemptResult | None = state.outcome.result()
    return result


def _completion(
    response: Response | NoResponse, outcome: Outcome, billed: Bill, wait_s: float | None
) -> Completion:
    """Return what the pace learns from."""
    headers = response.headers if isinstance(response, Response) else {}
    return Completion(outcome, headers, billed.usage, response.latency_s, wait_s)
