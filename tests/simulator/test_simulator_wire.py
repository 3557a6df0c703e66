"""HTTP: keep-alive, pipelining, many connections, sizes, latency and memory."""

import ast
import asyncio
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from simulator_bodies import HEADERS, Client, body_of

import batcher.simulator
from batcher.simulator import Fault, Settings, Simulator
from batcher.simulator.wire.connection import Exchange, Request

Start = Callable[..., Client]


def raw(body: object, *, length: int | None = None) -> bytes:
    """Return a request as bytes."""
    data = json.dumps(body).encode()
    lines = [
        "POST /v1/messages HTTP/1.1",
        "host: x",
        "content-type: application/json",
        f"content-length: {len(data) if length is None else length}",
        *(f"{key}: {value}" for key, value in HEADERS.items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


async def connect(simulator: Simulator) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a TCP connection to the simulator."""
    host, _, port = simulator.url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def read_status(reader: asyncio.StreamReader) -> int:
    """Read one whole response with a content-length; return its status."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    await reader.readexactly(int(head.partition("content-length: ")[2].partition("\r\n")[0]))
    return int(head.split()[1])


def run(scenario: Callable[[Simulator], object], **settings: object) -> object:
    """Run a scenario against a simulator in the same event loop."""

    async def main() -> object:
        async with Simulator(Settings(**settings)) as simulator:
            return await scenario(simulator)

    return asyncio.run(main())


def test_keep_alive_and_pipelining() -> None:
    """Requests on one connection are answered in order, even if sent at the same time."""

    async def scenario(simulator: Simulator) -> list[int]:
        reader, writer = await connect(simulator)
        writer.write(raw(body_of()) + raw({}) + raw(body_of("other")))
        statuses = [await read_status(reader) for _ in range(3)]
        writer.close()
        return statuses

    assert run(scenario) == [200, 400, 200]


def test_request_in_small_pieces() -> None:
    """A request can arrive byte by byte."""

    async def scenario(simulator: Simulator) -> int:
        reader, writer = await connect(simulator)
        for byte in raw(body_of()):
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        status = await read_status(reader)
        writer.close()
        return status

    assert run(scenario) == 200


def test_bytes_that_are_not_http_are_a_400() -> None:
    """They get an HTTP error and the connection is closed."""

    async def scenario(simulator: Simulator) -> bytes:
        reader, writer = await connect(simulator)
        writer.write(b"hello\r\n\r\n")
        response = await reader.read()
        writer.close()
        return response

    assert run(scenario).startswith(b"HTTP/1.1 400")


def test_five_hundred_connections() -> None:
    """500 parallel clients are all answered; the ledger has each request once."""

    async def client(simulator: Simulator, number: int) -> int:
        reader, writer = await connect(simulator)
        statuses = []
        for turn in range(2):
            writer.write(raw(body_of(f"{number} {turn}")))
            statuses.append(await read_status(reader))
        writer.close()
        return statuses.count(200)

    async def scenario(simulator: Simulator) -> tuple[int, int]:
        counts = await asyncio.gather(*(client(simulator, number) for number in range(500)))
        return sum(counts), simulator.totals()["written"]

    assert run(scenario) == (1_000, 1_000)


def test_too_large(simulate: Start) -> None:
    """A body above the limit is a 413, and the server goes on."""
    client = simulate(max_body_bytes=1_000)
    status, kind, _ = client.refused(body_of("x" * 2_000))
    assert (status, kind) == (413, "request_too_large")
    assert client.send(body_of()).status_code == 200


def test_stream_is_chunked(simulate: Start) -> None:
    """Server-sent events are sent chunked, with their content type and without a length."""
    response = simulate().send(body_of(stream=True))
    assert response.headers["content-type"] == "text/event-stream"
    assert "content-length" not in response.headers
    assert response.text.startswith("event: message_start\ndata: {")
    assert response.text.endswith('event: message_stop\ndata: {"type": "message_stop"}\n\n')


def test_latency(simulate: Start) -> None:
    """With a latency, a response takes time, and a stream arrives in pieces."""
    client = simulate(latency=1, ttft_s=0.05, tokens_per_s=2_000)
    assert client.send(body_of()).elapsed.total_seconds() > 0.03
    with client.http.stream("POST", "/v1/messages", json=body_of(stream=True)) as response:
        assert len(list(response.iter_raw())) > 3


def test_a_client_that_disconnects_is_billed(simulate: Start) -> None:
    """The ledger records its request as billed, abandoned and not written."""
    client = simulate(latency=1, ttft_s=60)
    with pytest.raises(httpx.ReadTimeout):
        client.send(body_of(), timeout=0.05)
    while client.totals["in_flight"]:
        pass
    totals = client.totals
    assert totals["by_outcome"] == {"abandoned": 1}
    assert (totals["answered"], totals["written"]) == (1, 0)
    assert totals["cost_usd"] != "0"


@pytest.mark.parametrize("is_closing", [False, True])
def test_written_means_accepted_by_an_open_socket(is_closing: bool) -> None:
    """A response on a transport that is closing does not count as written."""

    class ClosingConnection:
        transport = SimpleNamespace(is_closing=lambda: is_closing)

        async def send(self, *events: object) -> None:
            """Do nothing."""

    exchange = Exchange(Request("POST", "/", "", {}, b""), ClosingConnection())
    asyncio.run(exchange.reply(200, {}, b""))
    assert exchange.is_written is not is_closing


def test_closing_the_server_records_requests_in_flight() -> None:
    """The ledger has the requests that the server cut off."""

    async def main() -> dict[str, object]:
        async with Simulator(Settings(faults=(Fault("hang"),))) as simulator:
            _, writer = await connect(simulator)
            writer.write(raw(body_of()))
            while not simulator.totals()["in_flight"]:  # noqa: ASYNC110 - one turn of the loop
                await asyncio.sleep(0)
            writer.close()
        return simulator.totals()

    totals = asyncio.run(main())
    assert (totals["in_flight"], totals["answered"]) == (0, 1)


def test_memory_is_flat() -> None:
    """A thousand different requests leave nothing in memory."""

    async def scenario(simulator: Simulator) -> int:
        reader, writer = await connect(simulator)

        async def send(first: int, count: int) -> None:
            for number in range(first, first + count):
                writer.write(raw(body_of(f"row {number}")))
                await read_status(reader)

        await send(0, 300)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        await send(300, 1_000)
        grown = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.stop()
        writer.close()
        return grown

    assert run(scenario) < 100_000


def test_imports_nothing_of_batcher() -> None:
    """The simulator shares no code with the rest, so that one wrong reading cannot hide in both."""
    folder = Path(batcher.simulator.__file__).parent
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0
                names = [node.module or ""]
            for name in names:
                assert not name.startswith("batcher") or name.startswith("batcher.simulator"), path
