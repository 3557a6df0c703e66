"""The simulator's own endpoints, for tests: what it received and what it billed."""

from batcher.simulator.api_error import ApiError
from batcher.simulator.endpoints.service import Service, as_json
from batcher.simulator.wire.connection import Exchange


async def control(service: Service, exchange: Exchange) -> None:
    """GET /_simulator/ledger (totals) and /_simulator/ledger/requests (JSON lines)."""
    match exchange.request.path:
        case "/_simulator/ledger":
            body = as_json(service.ledger.totals())
            await exchange.reply(200, {"content-type": "application/json"}, body)
        case "/_simulator/ledger/requests":
            lines = "".join(service.ledger.lines()).encode()
            await exchange.reply(200, {"content-type": "application/x-jsonl"}, lines)
        case _:
            error = ApiError(404)
            headers = {"content-type": "application/json"}
            await exchange.reply(404, headers, error.body(service.new_id("req")))
