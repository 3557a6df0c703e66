"""Faults on every batch endpoint: each ends as it does for a live request, and loses nothing."""

import io
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from batch_calls import body_of, created, let_pass, with_simulator

from batcher.api.batches_client import BatchesClient
from batcher.core.answers.outcome import Billing, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.batches.wire import UnreadableResult, parse_batch, parse_result
from batcher.simulator import Fault
from batcher.simulator.server import Simulator

CALLS = ("create", "list", "retrieve", "cancel", "delete")

# What a call ends as: an error type without a status, or a status with a fault or None.
ENDS: dict[str, set[Any]] = {
    "reset_before": {"client.read"},
    "reset_billed": {"client.read"},
    "hang": {"client.timeout"},
    "giant_header": {"client.protocol"},
    "endless_header": {"client.protocol"},
    "reset_mid_body": {"client.read", (200, "client.cut_short")},
    "truncated": {(200, "client.cut_short")},
    "gzip_cut": {(200, "client.cut_short")},
    "stall": {(200, "client.stalled")},
    "gzip_bomb": {(200, "client.answer_too_large")},
    "half_json": {(200, None)},
    "junk": {(200, None)},
    "error_200": {(200, None)},
    "gzipped": {(200, None)},
    "slow_body": {(200, None)},
    "reset_after": {(200, None)},
    "wrong_content_type": {(200, None)},
    "late_error": {(529, None)},
    "redirect": {(307, None)},
    "server_error_html": {(500, None)},
    "gateway_502": {(502, None)},
    "gateway_504": {(504, None)},
    "overloaded": {(529, None)},
    "rate_limit": {(429, None)},
    "spend_limit": {(429, None)},
}
AGAIN = {"cancel": {200, 400}, "delete": {200, 404}}
"""The statuses of a second call: the first may have been carried out although its answer failed."""
READABLE = {"gzipped", "slow_body", "reset_after", "wrong_content_type"}
LARGE = {"giant_header": 200_000, "gzip_bomb": 40_000_000}


def fault(kind: str, on: str, **more: Any) -> Fault:
    """Return a fault that soon hits a call once."""
    after = 1 if on == "create" else 0
    return Fault(kind, on=on, after_n=after, times=1, seconds=0.05,
                 size=LARGE.get(kind, 1000), **more)  # fmt: skip


async def call(client: BatchesClient, endpoint: str, batch_id: str) -> Response | NoResponse:
    """Make one call."""
    body = body_of(2)
    calls: dict[str, Callable[[], Awaitable[Response | NoResponse]]] = {
        "create": lambda: client.create(io.BytesIO(body), len(body)),
        "list": client.list_batches,
        "retrieve": lambda: client.retrieve(batch_id),
        "cancel": lambda: client.cancel(batch_id),
        "delete": lambda: client.delete(batch_id),
    }
    return await calls[endpoint]()


def end_of(result: Response | NoResponse) -> Any:
    """Return how a call ended."""
    if isinstance(result, NoResponse):
        return result.error_type
    return result.status, result.fault


@pytest.mark.parametrize("kind", ENDS)
def test_a_fault_ends_each_call_in_the_same_way(kind: str) -> None:
    """The end is the one of the table, and the next call works, as if nothing had happened."""
    for endpoint in CALLS:

        async def calls(client: BatchesClient, there: Simulator, endpoint: str = endpoint) -> None:
            batch = await created(client)
            if endpoint == "delete":
                await let_pass(there)
            result = await call(client, endpoint, batch.id)
            assert end_of(result) in ENDS[kind], endpoint
            if endpoint == "create":
                check_create(kind, result, len(there.batches()) - 1)
            again = await call(client, endpoint, batch.id)
            assert isinstance(again, Response)
            assert again.status in AGAIN.get(endpoint, {200}), endpoint

        options = {"timeout_s": 0.5, "idle_s": Decimal("0.3")}
        with_simulator(calls, faults=(fault(kind, endpoint),), **options)


def check_create(kind: str, result: Response | NoResponse, more: int) -> None:
    """Check that a create which made a batch is never taken for one that surely did not."""
    if more:
        is_seen = kind in READABLE
        assert is_seen or kind == "late_error" or classify(result).billing is not Billing.FREE
        assert not isinstance(result, NoResponse) or (result.was_sent and not result.is_cut)
    assert (kind in READABLE) <= bool(more)


@pytest.mark.parametrize("kind", ["reset_in_request", "early_413"])
@pytest.mark.parametrize("size", [1_000, 8_000_000])
def test_a_create_that_is_reset_while_it_is_sent(kind: str, size: int) -> None:
    """A refusal that came before the reset counts; a batch that was cut off is certainly none."""

    async def create(client: BatchesClient, there: Simulator) -> None:
        body = body_of(1, "x" * size)
        result = await client.create(io.BytesIO(body), len(body))
        assert there.batches() == []
        if kind == "early_413":
            assert end_of(result) == (413, None)
            return
        assert isinstance(result, NoResponse)
        assert result.was_sent
        if size > 1_000_000:
            assert result.is_cut
            assert classify(result).billing is Billing.FREE

    with_simulator(create, faults=(Fault(kind, on="create"),))


async def read(client: BatchesClient, there: Simulator) -> tuple[Any, int, int]:
    """Return how reading the results of eleven requests ended, and their lines, good and bad."""
    batch = await created(client, 11)
    await let_pass(there)
    async with client.results(batch.id) as results:
        good = bad = 0
        async for line in results.lines():
            try:
                parse_result(line)
                good += 1
            except UnreadableResult:
                bad += 1
    end = end_of(results.failure) if results.failure else (200, results.fault)
    async with client.results(batch.id) as again:
        lines = [parse_result(line) async for line in again.lines()]
    assert len({line.custom_id for line in lines}) == 11
    return (end if not results.too_long else (*end, results.too_long)), good, bad


WHOLE = (200, None)


@pytest.mark.parametrize(("kind", "end", "good", "bad"), [
    ("reset_before", "client.read", 0, 0),
    ("hang", "client.timeout", 0, 0),
    ("giant_header", "client.protocol", 0, 0),
    ("overloaded", (529, None), 0, 0),
    ("rate_limit", (429, None), 0, 0),
    ("server_error_html", (500, None), 0, 0),
    ("gateway_502", (502, None), 0, 0),
    ("redirect", (307, None), 0, 0),
    ("truncated", (200, "client.cut_short"), None, 0),
    ("stall", (200, "client.stalled"), None, 0),
    ("gzip_cut", (200, "client.cut_short"), None, 0),
    ("half_json", WHOLE, None, 1),
    ("junk", WHOLE, 0, 1),
    ("error_200", WHOLE, 0, 1),
    ("gzipped", WHOLE, 11, 0),
    ("slow_body", WHOLE, 11, 0),
    ("wrong_content_type", WHOLE, 11, 0),
    ("reset_after", WHOLE, 11, 0),
    ("lines_odd", WHOLE, 11, 0),
    ("line_stranger", WHOLE, 12, 0),
    ("line_twice", WHOLE, 12, 0),
    ("line_missing", WHOLE, 10, 0),
    ("line_junk", WHOLE, 11, 1),
    ("line_nan", WHOLE, 11, 0),
    ("line_bytes", WHOLE, 11, 0),
    ("line_long", (200, None, 1), 11, 0),
    ("gzip_bomb", (200, "client.answer_too_large"), 0, 0),
    ("lines_endless", (200, "client.answer_too_large"), 11, 0),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_results_are_read_as_far_as_they_are_whole(
    kind: str, end: Any, good: int | None, bad: int
) -> None:
    """Every whole line counts, nothing is made up, and the next reading finds all results."""
    sizes = {"line_long": 33 * 2**20, "gzip_bomb": 200_000_000, "giant_header": 200_000}
    damage = Fault(kind, on="results", times=1, seconds=0.05, size=sizes.get(kind, 1))
    options = {"timeout_s": 0.5 if kind == "hang" else 20, "idle_s": Decimal("0.5")}
    found = with_simulator(read, faults=(damage,), **options)
    assert found[0] == end or (kind == "gzip_bomb" and found[0][:2] == end)
    assert found[1] == good or (good is None and 0 <= found[1] < 11)
    assert found[2] == bad


def test_results_that_are_reset() -> None:
    """What arrived before the reset is kept, if the status was read."""
    damage = Fault("reset_mid_body", on="results", times=1)
    end, good, bad = with_simulator(read, faults=(damage,))
    assert end in {"client.read", (200, "client.cut_short")}
    assert (good <= 5, bad) == (True, 0)


def test_results_of_another_origin_are_never_asked_for() -> None:
    """The batch's own path is read instead, at the job's server."""

    async def fetch(client: BatchesClient, there: Simulator) -> int:
        batch = await created(client)
        await let_pass(there)
        found = await client.retrieve(batch.id)
        assert isinstance(found, Response)
        url = parse_batch(found.body).results_url
        assert url is not None
        assert "example.invalid" in url
        async with client.results(batch.id, url) as results:
            return len([line async for line in results.lines()])

    assert with_simulator(fetch, faults=(Fault("foreign_results_url", on="retrieve"),)) == 3


def test_a_reader_may_stop_at_any_line() -> None:
    """Leaving the results early closes the connection, and the client works on."""

    async def stop(client: BatchesClient, there: Simulator) -> None:
        batch = await created(client, 50)
        await let_pass(there)
        for number in range(3):
            async with client.results(batch.id) as results:
                async for _ in results.lines():
                    if not number:
                        break
                    number -= 1  # noqa: PLW2901
        assert isinstance(await client.retrieve(batch.id), Response)

    with_simulator(stop)
