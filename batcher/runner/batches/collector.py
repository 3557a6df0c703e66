"""Collects the results of a batch that has ended: each is recorded like a live response."""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from datetime import datetime
from decimal import Decimal

from batcher.api.result_lines import ResultLines
from batcher.core.answers.outcome import UNREADABLE, Outcome
from batcher.core.answers.response import NoResponse, Response
from batcher.core.batches.custom_id import attempt_of
from batcher.core.batches.result_outcome import outcome_of
from batcher.core.batches.wire import BatchObject, ResultLine, UnreadableResult, parse_result
from batcher.core.money.bill import Sent
from batcher.core.money.bound import WorstCase
from batcher.core.money.prices import PriceTable
from batcher.core.pace.retry import History, Retry, decide, uses_up_attempt
from batcher.core.usage_fields import TTL
from batcher.runner.batches.context import BatchContext
from batcher.runner.batches.open_batch import OpenBatch
from batcher.runner.sending.context import AttemptResult
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.recording import bill_of, keep, kept_bytes
from batcher.store.batches import waiting_items
from batcher.store.bill import prices_of_run

_MOST_UNRECORDED = 256


@dataclass(frozen=True, slots=True)
class _Item:
    """An attempt of a batch without an outcome; the columns are those of ``waiting_items``."""

    attempt_id: int
    fingerprint: bytes
    model: str
    worst_case_usd: Decimal | None
    max_tokens: int
    turns: int | None
    repairs: int
    unknown_attempts: int
    is_in_budget: bool


@dataclass(slots=True)
class Collected:
    """What came of one reading of a batch's results.

    ``failure`` is what came instead of them, ``fault`` why they ended early. ``missing`` counts the
    batch's items without a result. ``strange`` counts lines that name no item of the batch or one
    that had its result, ``unreadable`` those that are no result.
    """

    by_status: Counter[str] = field(default_factory=Counter)
    failure: Response | NoResponse | None = None
    fault: str | None = None
    missing: int = 0
    strange: int = 0
    unreadable: int = 0
    was_interrupted: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether each item of the batch has its result."""
        return self.failure is None and self.fault is None and not self.missing


class Collector:
    """Records the results of one batch after the other.

    ``is_interrupted`` says that the run must end soon; the rest is collected by the next run.
    ``since`` is when the day of a budget per day began.
    """

    def __init__(
        self,
        batches: BatchContext,
        is_interrupted: Callable[[], bool],
        since: datetime | None,
    ) -> None:
        self._batches = batches
        self._is_interrupted = is_interrupted
        self._since = since
        self._failures = Counter[bytes]()

    async def collect(self, batch: OpenBatch, ended: BatchObject) -> Collected:
        """Read the results once, and record those that are not recorded yet."""
        collected = Collected()
        waiting = await self._waiting(batch)
        prices = await self._prices(batch)
        async with self._batches.client.results(ended.id, ended.results_url) as results:
            collected.failure = results.failure
            await self._read(results, batch, waiting, prices, collected)
            collected.fault = results.fault
        await self._until_recorded(0)
        collected.missing = len(waiting)
        return collected

    async def give_up(self, batch: OpenBatch, outcome: Outcome) -> int:
        """Record that the items without a result get none; return their number."""
        waiting = await self._waiting(batch)
        for item in waiting.values():
            self._keep(item, batch, outcome, None, None)
        await self._until_recorded(0)
        return len(waiting)

    async def release(self, batch: OpenBatch) -> None:
        """Give the money back that a batch reserved which was never created."""
        for item in (await self._waiting(batch)).values():
            worst = item.worst_case_usd if item.is_in_budget else None
            self._batches.ctx.budget_gate.settle(worst, Decimal(0))

    async def _waiting(self, batch: OpenBatch) -> dict[int, _Item]:
        """Return the items of a batch that have no result yet, by attempt id."""
        table = await self._batches.db(waiting_items, batch.number, self._since)
        rows = table.select([field.name for field in fields(_Item)]).to_pylist()
        return {row["attempt_id"]: _Item(**row) for row in rows}

    async def _prices(self, batch: OpenBatch) -> PriceTable:
        """Return the prices of the run that submitted a batch."""
        ctx = self._batches.ctx
        pinned = None
        if batch.run_id != ctx.run_id:
            pinned = await self._batches.db(prices_of_run, batch.run_id)
        return ctx.prices if pinned is None else pinned.of_today(ctx.prices)

    async def _read(
        self,
        results: ResultLines,
        batch: OpenBatch,
        waiting: dict[int, _Item],
        prices: PriceTable,
        collected: Collected,
    ) -> None:
        seen: set[int] = set()
        async for line in results.lines():
            if self._is_interrupted():
                collected.was_interrupted = True
                return
            try:
                result = parse_result(line)
            except UnreadableResult:
                collected.unreadable += 1
                continue
            attempt_id = attempt_of(result.custom_id, batch.marker)
            if attempt_id is None or attempt_id in seen:
                collected.strange += 1
                continue
            seen.add(attempt_id)
            if attempt_id not in waiting:
                continue  # an earlier reading recorded it
            outcome = outcome_of(result)
            if outcome.error_type == UNREADABLE and not batch.is_last_reading:
                collected.unreadable += 1  # the damage may be one of the transport
            else:
                item = waiting.pop(attempt_id)
                kept = await self._take(item, batch, result, outcome, prices)
                collected.by_status[kept.outcome.status] += 1
                await self._until_recorded(_MOST_UNRECORDED)

    async def _take(
        self,
        item: _Item,
        batch: OpenBatch,
        result: ResultLine,
        outcome: Outcome,
        prices: PriceTable,
    ) -> AttemptResult:
        label_check = self._batches.ctx.label_check
        if label_check is not None:
            outcome = await label_check.judge(outcome, self._history(item))
        body = result.message if result.message is not None else result.error
        return self._keep(item, batch, outcome, body, prices)

    def _keep(
        self,
        item: _Item,
        batch: OpenBatch,
        outcome: Outcome,
        body: bytes | None,
        prices: PriceTable | None,
    ) -> AttemptResult:
        """Settle the item's reservation and record its result."""
        ctx, pending = self._batches.ctx, _pending(item)
        outcome = ctx.watcher.judge(pending, outcome)
        ttl: TTL = "1h" if batch.cache_ttl == "1h" else "5m"
        sent = Sent(item.model, item.max_tokens, ttl, item.turns)
        billed = bill_of(outcome, sent, prices or ctx.prices, ctx.free_usage_fields)
        worst = item.worst_case_usd if item.is_in_budget else None
        is_within = ctx.budget_gate.settle(worst, billed.cost_usd)
        decision = decide(outcome, self._history(item).after(outcome), ctx.policy, ctx.random())
        received = None if body is None else Response(200, {}, body, 0.0)
        result = AttemptResult(
            pending,
            outcome,
            billed,
            decision,
            kept_bytes(received, outcome),
            is_within_bound=is_within,
            attempt_id=item.attempt_id,
            is_batched=True,
        )
        if isinstance(decision, Retry):
            self._failures[item.fingerprint] += outcome.is_transient and uses_up_attempt(outcome)
        keep(ctx, result, received if outcome.message is not None else None)
        return result

    def _history(self, item: _Item) -> History:
        """Return what happened to an item's request before, in batches of this run."""
        failures = self._failures[item.fingerprint]
        return History(failures, failures, item.unknown_attempts, item.repairs)

    async def _until_recorded(self, most: int) -> None:
        """Wait until no more than ``most`` results are not on the disk yet.

        Raises the error of a result that could not be recorded.
        """
        unrecorded = self._batches.ctx.in_flight.unrecorded
        while len(unrecorded) > most:
            done, _ = await asyncio.wait(list(unrecorded), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.sleep(0)  # their callbacks
            for record in done:
                record.result()


def _pending(item: _Item) -> PendingRequest:
    """Return the request of an item, without its bytes: it is not sent from here."""
    worst = None
    if item.worst_case_usd is not None:
        worst = WorstCase(item.worst_case_usd, 0, turns=item.turns or 1)
    return PendingRequest(
        item=0,
        fingerprint=item.fingerprint,
        model=item.model,
        max_tokens=item.max_tokens,
        body=b"",
        worst=worst,
        unknown_attempts=item.unknown_attempts,
        repairs=item.repairs,
        row=item.attempt_id,
    )
