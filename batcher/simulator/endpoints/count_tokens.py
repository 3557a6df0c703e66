"""POST /v1/messages/count_tokens: free of charge; ignores the prompt cache."""

from batcher.simulator.billing.ledger import Entry
from batcher.simulator.billing.prompt_tokens import prompt_tokens, segments
from batcher.simulator.endpoints.body import read_body
from batcher.simulator.endpoints.service import COUNT_TOKENS, Service
from batcher.simulator.json_body import as_json
from batcher.simulator.validation.headers import betas, version
from batcher.simulator.validation.message import check_count
from batcher.simulator.wire.connection import Exchange


async def count_tokens(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Respond with the token count that a message with this prompt is billed for."""
    request = exchange.request
    body = read_body(request)
    entry.key = body.key
    model = check_count(
        body.value, version(request.headers), betas(request.headers), service.answers.model
    )
    entry.model = model.id
    service.limits(COUNT_TOKENS).admit_free(service.clock())
    tokens = prompt_tokens(segments(body.value, model))
    headers = service.headers(entry.request_id) | {"content-type": "application/json"}
    entry.status, entry.outcome = 200, "answered"
    await exchange.reply(200, headers, as_json({"input_tokens": tokens}))
    entry.is_written = exchange.is_written
