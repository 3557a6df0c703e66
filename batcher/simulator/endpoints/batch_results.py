"""GET /v1/messages/batches/{id}/results: JSON lines in the order in which the items were done."""

from batcher.simulator.batches.batch import Batch
from batcher.simulator.billing.ledger import Entry
from batcher.simulator.endpoints.batches import batch_headers, fault_of_path, find
from batcher.simulator.endpoints.failing import send_failure
from batcher.simulator.endpoints.service import Service
from batcher.simulator.faults.batch_damage import HARMLESS, damage_lines, send_batch_damage
from batcher.simulator.faults.fault import BATCHES
from batcher.simulator.wire.connection import Exchange


async def batch_results(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Stream the results of a batch that has ended."""
    service.limits(BATCHES).admit_free(service.clock())
    fault = fault_of_path(service, "results", exchange.request)
    if fault is not None and not fault.is_billed:
        await send_failure(service, fault, exchange, entry)
        return
    batch = find(service, exchange.request)
    service.batches.check_results(batch)
    headers = batch_headers(service, entry, "application/x-jsonl")
    entry.status = 200 if fault is None else fault.late_status
    if fault is not None:
        entry.outcome = fault.kind
        lines = damage_lines(fault, [batch.results[index] for index in range(len(batch.results))])
        await send_batch_damage(fault, exchange, headers, lines)
        entry.is_written = exchange.is_written
        batch.times_fetched += exchange.is_written and fault.kind in HARMLESS
        return
    await _stream(batch, exchange, headers)
    entry.outcome, entry.is_written = "answered", exchange.is_written
    batch.times_fetched += exchange.is_written


async def _stream(batch: Batch, exchange: Exchange, headers: dict[str, str]) -> None:
    await exchange.begin(200, headers)
    for chunk in batch.results.chunks():
        await exchange.write(chunk)
    await exchange.end()
