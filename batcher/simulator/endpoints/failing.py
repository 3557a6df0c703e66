"""Sends the failures that clients get instead of an answer."""

from batcher.simulator.billing.ledger import Entry
from batcher.simulator.endpoints.service import Service
from batcher.simulator.faults.failure import api_error, fail
from batcher.simulator.faults.fault import Fault
from batcher.simulator.wire.connection import Exchange


async def send_failure(service: Service, fault: Fault, exchange: Exchange, entry: Entry) -> None:
    """Fail as the fault requires, and record it."""
    entry.outcome = fault.kind
    error = api_error(fault)
    if error is None:
        entry.status = await fail(fault, exchange, service.headers(entry.request_id))
        return
    entry.status = error.status
    headers = service.headers(entry.request_id) | error.headers
    headers["content-type"] = "application/json"
    await exchange.reply(error.status, headers, error.body(entry.request_id))
