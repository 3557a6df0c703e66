"""The Message Batches endpoints: create, list, retrieve, cancel and delete."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from batcher.simulator.batches.batch import Batch, Submission
from batcher.simulator.batches.requests_reader import read_requests
from batcher.simulator.batches.spool import Records
from batcher.simulator.billing.ledger import Entry
from batcher.simulator.endpoints.body import check_envelope
from batcher.simulator.endpoints.failing import send_failure
from batcher.simulator.endpoints.paging import page_of
from batcher.simulator.endpoints.service import Service
from batcher.simulator.faults.batch_damage import damage_batches, send_batch_damage
from batcher.simulator.faults.fault import BATCHES, Fault
from batcher.simulator.json_body import as_json
from batcher.simulator.validation.headers import betas, version, workspace_of
from batcher.simulator.wire.body_buffer import BodyFile
from batcher.simulator.wire.connection import Exchange, Request

PATH = "/v1/messages/batches"
MIB = 1_048_576
ITEMS_PER_TURN = 200
"""Items of a new batch that are read between two chances for other tasks."""
Json = dict[str, Any]


async def create_batch(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Begin a batch, also if the client disconnects once it has sent everything.

    Nothing may wait before ``shield``: only then does a disconnect come too late.
    """
    service.limits(BATCHES).admit_free(service.clock())
    fault = _fault_of_body(service, exchange.request)
    if await _fails(service, exchange, entry, fault):
        return
    check_envelope(exchange.request)
    service.batches.check_organisation()
    file = exchange.take_file()
    assert file is not None  # noqa: S101 - every body of this path goes to a file
    batch = await asyncio.shield(_create(service, exchange.request, file))
    await _reply(service, exchange, entry, fault, _shown(service, exchange.request, batch))
    batch.is_create_written = entry.is_written


async def list_batches(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Respond with a page of the workspace's batches, newest first."""

    def act() -> Json:
        request = exchange.request
        rows = service.batches.newest_first(_workspace(service, request))
        return page_of(rows, parse_qs(request.query), lambda row: _shown(service, request, row))

    await _serve(service, exchange, entry, "list", act)


async def retrieve_batch(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Respond with one batch."""
    await _serve(service, exchange, entry, "retrieve", lambda: _one(service, exchange.request))


async def cancel_batch(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Cancel a batch; repeated calls change nothing."""

    def act() -> Json:
        batch = find(service, exchange.request)
        service.batches.cancel(batch)
        return _shown(service, exchange.request, batch)

    await _serve(service, exchange, entry, "cancel", act)


async def delete_batch(service: Service, exchange: Exchange, entry: Entry) -> None:
    """Delete a batch that has ended."""

    def act() -> Json:
        batch = find(service, exchange.request)
        service.batches.delete(batch)
        return {"id": batch.id, "type": "message_batch_deleted"}

    await _serve(service, exchange, entry, "delete", act)


def find(service: Service, request: Request) -> Batch:
    """Return the batch of the path, or raise a 404."""
    batch_id = request.path.removeprefix(f"{PATH}/").partition("/")[0]
    return service.batches.find(batch_id, _workspace(service, request))


def fault_of_path(service: Service, endpoint: str, request: Request) -> Fault | None:
    """Count a request without a body and return the fault that hits it, if any."""
    target = f"{request.path}?{request.query}"
    return service.batch_faults.next(endpoint, target, target.encode())


async def _serve(
    service: Service, exchange: Exchange, entry: Entry, endpoint: str, act: Callable[[], Json]
) -> None:
    service.limits(BATCHES).admit_free(service.clock())
    fault = fault_of_path(service, endpoint, exchange.request)
    if not await _fails(service, exchange, entry, fault):
        await _reply(service, exchange, entry, fault, act())


async def _fails(service: Service, exchange: Exchange, entry: Entry, fault: Fault | None) -> bool:
    if fault is None or fault.is_billed:
        return False
    await send_failure(service, fault, exchange, entry)
    return True


async def _reply(
    service: Service, exchange: Exchange, entry: Entry, fault: Fault | None, value: Json
) -> None:
    headers = batch_headers(service, entry, "application/json")
    entry.status = 200 if fault is None else fault.late_status
    if fault is None:
        await exchange.reply(200, headers, as_json(value))
        entry.outcome = "answered"
    else:
        entry.outcome = fault.kind
        body = as_json(damage_batches(fault, value))
        await send_batch_damage(fault, exchange, headers, [body])
    entry.is_written = exchange.is_written


def batch_headers(service: Service, entry: Entry, content_type: str) -> dict[str, str]:
    """Return the headers of a response, with the limit of the batch endpoints."""
    limit = service.limits(BATCHES).request_headers(service.clock())
    return service.headers(entry.request_id) | limit | {"content-type": content_type}


def _fault_of_body(service: Service, request: Request) -> Fault | None:
    file = request.file
    if file is None or not service.batch_faults.hits("create"):
        return None
    digest = hashlib.blake2b(digest_size=16)
    while piece := file.read(MIB):
        digest.update(piece)
    file.seek(0)
    text = file.read() if service.batch_faults.reads_bodies else b""
    file.seek(0)
    return service.batch_faults.next("create", digest.hexdigest(), text)


async def _create(service: Service, request: Request, file: BodyFile) -> Batch:
    items = Records(service.batches.spool)
    with file:
        file.seek(0)
        for raw in read_requests(file):
            items.append(raw)
            if len(items) % ITEMS_PER_TURN == 0:
                await asyncio.sleep(0)
    submission = Submission(
        service.answers.new_id("msgbatch"),
        _workspace(service, request),
        service.batches.clock.now(),
        items,
        version(request.headers),
        betas(request.headers),
    )
    return service.batches.add(submission)


def _one(service: Service, request: Request) -> Json:
    return _shown(service, request, find(service, request))


def _shown(service: Service, request: Request, batch: Batch) -> Json:
    host = request.headers.get("host", "")
    return batch.as_json(service.batches.clock.now(), f"http://{host}{PATH}/{batch.id}")


def _workspace(service: Service, request: Request) -> str:
    return workspace_of(request.headers, service.settings.other_workspace_prefix)
