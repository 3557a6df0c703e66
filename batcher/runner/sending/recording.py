"""Records the result of an attempt, with its bill, and reports it before and after the commit."""

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime

from batcher.core.answers.outcome import Billing, Outcome, Verdict
from batcher.core.answers.response import Response
from batcher.core.money.bill import FREE, Bill, Sent, bill
from batcher.core.money.prices import PriceTable
from batcher.core.usage_fields import TOKEN_FIELDS
from batcher.runner.sending.context import AttemptResult, SendContext
from batcher.store.records import OutcomeRecord, Settled

UNREAD_BYTES = 64 << 10
"""How many bytes of a body are kept that is not a message: enough to recognise it."""


def keep(
    ctx: SendContext, result: AttemptResult, received: Response | None
) -> "asyncio.Future[None]":
    """Tell the watcher of a result, record it, and tell the watcher after the commit.

    ``received`` is None without a response. A failure that its row does not explain is recorded as
    open; this result may explain earlier ones, which are settled then. The returned future is done
    when the result is on the disk.
    """
    ruling = ctx.watcher.on_result(result)
    is_final = result.outcome.verdict is Verdict.FINAL and not ruling.is_open
    done = ctx.recorder.add("outcomes", _record(result, received, is_final=is_final))
    cost, worst = result.bill.cost_usd, result.pending.worst_case_usd
    ctx.in_flight.unrecorded[done] = worst if cost is None else cost
    done.add_done_callback(lambda future: _on_committed(ctx, future, result))
    settle(ctx, ruling.settled)
    return done


def settle(ctx: SendContext, attempt_ids: Collection[int]) -> None:
    """Record that these failures are final now."""
    for attempt_id in attempt_ids:
        ctx.in_flight.settling.add(ctx.recorder.add("settled", Settled(attempt_id, ctx.run_id)))


def bill_of(outcome: Outcome, sent: Sent, prices: PriceTable, free_fields: Collection[str]) -> Bill:
    """Price the outcome of an attempt; of one with unknown billing status nothing is known."""
    if outcome.billing is Billing.UNKNOWN:
        return Bill(None, None)
    if outcome.message is None:
        return FREE
    return bill(outcome.message, sent, prices, free_fields)


def kept_bytes(received: Response | None, outcome: Outcome) -> int:
    """Return how many bytes of a response are kept."""
    return len(_kept(received, outcome) or b"")


def _on_committed(ctx: SendContext, done: "asyncio.Future[None]", result: AttemptResult) -> None:
    if not done.cancelled() and done.exception() is None:
        del ctx.in_flight.unrecorded[done]
        ctx.watcher.on_committed(result)


def _record(result: AttemptResult, received: Response | None, *, is_final: bool) -> OutcomeRecord:
    # Without a response, a message or a usage their fields are null in the record.
    outcome, billed = result.outcome, result.bill
    message, usage = outcome.message, billed.usage
    return OutcomeRecord(
        attempt_id=result.attempt_id,
        fingerprint=result.pending.fingerprint,
        is_final=is_final,
        status=outcome.status.value,
        billing=outcome.billing.value,
        http_status=getattr(received, "status", None),
        error_type=outcome.error_type,
        error_message=outcome.error_message,
        request_id=getattr(received, "request_id", None),
        message_id=getattr(message, "id", None),
        model=getattr(message, "model", None),
        stop_reason=getattr(message, "stop_reason", None),
        **{field: getattr(usage, field, None) for field in TOKEN_FIELDS},
        cost_usd=billed.cost_usd,
        rates=billed.rates,
        latency_s=result.latency_s,
        ttft_s=getattr(received, "ttft_s", None),
        ended_at=datetime.now(UTC),
        body=_kept(received, outcome),
    )


def _kept(response: Response | None, outcome: Outcome) -> bytes | None:
    """Return the bytes to keep: all of a message, the beginning of anything else."""
    if response is None:
        return None
    return response.body if outcome.message is not None else response.body[:UNREAD_BYTES]
