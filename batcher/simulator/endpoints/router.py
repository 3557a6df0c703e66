"""Passes each request to its endpoint, and sends the error body of each refused one."""

import hashlib
from collections.abc import Awaitable, Callable

from batcher.simulator.api_error import ApiError
from batcher.simulator.billing.ledger import Entry
from batcher.simulator.endpoints.batch_results import batch_results
from batcher.simulator.endpoints.batches import PATH as BATCHES_PATH
from batcher.simulator.endpoints.batches import (
    cancel_batch,
    create_batch,
    delete_batch,
    list_batches,
    retrieve_batch,
)
from batcher.simulator.endpoints.control import control
from batcher.simulator.endpoints.count_tokens import count_tokens
from batcher.simulator.endpoints.messages import create_message
from batcher.simulator.endpoints.models import get_model, list_models
from batcher.simulator.endpoints.service import Service
from batcher.simulator.faults.failure import early_answer
from batcher.simulator.faults.fault import MESSAGES
from batcher.simulator.validation.headers import check_headers
from batcher.simulator.wire.connection import Exchange

Endpoint = Callable[[Service, Exchange, Entry], Awaitable[None]]

CONTROL = "/_simulator/"
CREATE = "batches.create"
PLACES = {"messages": MESSAGES, CREATE: "create"}
"""The names of the endpoints whose requests can be reset before they have arrived."""
POSTS: dict[str, tuple[str, Endpoint]] = {
    "/v1/messages": ("messages", create_message),
    "/v1/messages/count_tokens": ("count_tokens", count_tokens),
    BATCHES_PATH: (CREATE, create_batch),
}
BATCH_ENDPOINTS: dict[tuple[str, str], tuple[str, Endpoint]] = {
    ("GET", ""): ("batches.retrieve", retrieve_batch),
    ("DELETE", ""): ("batches.delete", delete_batch),
    ("POST", "/cancel"): ("batches.cancel", cancel_batch),
    ("GET", "/results"): ("batches.results", batch_results),
}


async def answer_request(service: Service, exchange: Exchange) -> None:
    """Respond to one request and record it in the ledger."""
    request = exchange.request
    if request.path.startswith(CONTROL):
        await control(service, exchange)
        return
    name, endpoint = _endpoint(request.method, request.path)
    entry = service.ledger.open(name, service.clock())
    entry.request_id = service.answers.new_id("req")
    try:
        await _answer(service, exchange, entry, endpoint)
    finally:
        service.ledger.close(entry)


def cuts_off(service: Service, path: str, piece: bytes) -> bytes | None:
    """Return what a fault sends before it resets a request whose body begins to arrive.

    None without such a fault. The ledger records the request.
    """
    name, _ = _endpoint("POST", path)
    if name not in PLACES or not service.early_schedules[PLACES[name]].has_faults:
        return None
    key = hashlib.blake2b(piece, digest_size=16).hexdigest()
    fault = service.early_schedules[PLACES[name]].next(key, piece)
    if fault is None:
        return None
    entry = service.ledger.open(name, service.clock())
    entry.request_id, entry.outcome = service.answers.new_id("req"), fault.kind
    answer = early_answer(fault, service.headers(entry.request_id))
    entry.status = 413 if answer else None
    service.ledger.close(entry)
    return answer


async def _answer(service: Service, exchange: Exchange, entry: Entry, endpoint: Endpoint) -> None:
    try:
        check_headers(exchange.request.headers, service.settings.bad_key_prefix)
        await endpoint(service, exchange, entry)
    except ApiError as error:
        entry.status, entry.outcome = error.status, error.type
        headers = service.headers(entry.request_id) | error.headers
        headers["content-type"] = "application/json"
        await exchange.reply(error.status, headers, error.body(entry.request_id))


def _endpoint(method: str, path: str) -> tuple[str, Endpoint]:
    path = path.rstrip("/")
    if method == "POST" and path in POSTS:
        return POSTS[path]
    if method == "GET" and path == "/v1/models":
        return "models", list_models
    if method == "GET" and path.startswith("/v1/models/"):
        return "models", get_model
    if method == "GET" and path == BATCHES_PATH:
        return "batches.list", list_batches
    if path.startswith(f"{BATCHES_PATH}/"):
        _, slash, action = path.removeprefix(f"{BATCHES_PATH}/").partition("/")
        return BATCH_ENDPOINTS.get((method, slash + action), ("unknown", _not_found))
    return "unknown", _not_found


async def _not_found(service: Service, exchange: Exchange, entry: Entry) -> None:  # noqa: ARG001
    raise ApiError(404, "Not found")
