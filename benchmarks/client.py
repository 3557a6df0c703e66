"""Measures the CPU time per request of MessagesClient, of the floor and of other clients.

    python benchmarks/client.py [requests per measurement]

A server in a second process answers each request at once with the same bytes. Every variant sends
the same body from a fixed number of workers; figures are microseconds of this process's CPU time
(user and system) per request, as medians of three interleaved rounds, and as a ratio to httpx with
one client for each worker. aiohttp is measured where it is installed.
"""

import asyncio
import importlib.util
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine

import httpx

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.job import ApiSection

CONCURRENCIES = (64, 256, 2000)
ROUNDS = 3
BODY = b'{"max_tokens":100,"messages":[{"content":"%s","role":"user"}],"model":"m"}' % (b"x" * 2000)
MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text",'
    b'"text":"%s"}],"stop_reason":"end_turn","usage":{"input_tokens":500,"output_tokens":90}}'
) % (b"y" * 400)
LIMITS = b"".join(b"anthropic-ratelimit-header-%d: 2026-11-22T00:00:00Z\r\n" % n for n in range(16))
ANSWER = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nrequest-id: req_1\r\n"
    + LIMITS
    + b"content-length: %d\r\n\r\n" % len(MESSAGE)
    + MESSAGE
)
REQUEST = b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\n\r\n" + BODY

Send = Callable[[int], Awaitable[object]]
Variant = Callable[[str, int, int], Coroutine[None, None, float]]


class Server(asyncio.Protocol):
    """Answers as soon as a request is complete, without parsing it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the responses."""
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        """Answer when the whole body, whose length is known, has arrived."""
        self._received += data
        _head, blank, rest = self._received.partition(b"\r\n\r\n")
        if blank and len(rest) >= len(BODY):
            self._received = b""
            self._transport.write(ANSWER)


def serve(ports: "multiprocessing.SimpleQueue[int]") -> None:
    """Run the server until the process is ended."""

    async def run() -> None:
        server = await asyncio.get_running_loop().create_server(
            Server, "127.0.0.1", 0, backlog=1024
        )
        ports.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(run())


async def measure(send: Send, workers: int, requests: int) -> float:
    """Return the CPU microseconds per request, after every worker has opened its connection."""

    async def work(slot: int, count: int) -> None:
        for _ in range(count):
            await send(slot)

    await asyncio.gather(*(work(slot, 2) for slot in range(workers)))
    each = max(1, requests // workers)
    before = time.process_time()
    await asyncio.gather(*(work(slot, each) for slot in range(workers)))
    return (time.process_time() - before) / (each * workers) * 1e6


class Raw(asyncio.Protocol):
    """Writes the same bytes, and waits for as many bytes as an answer has: no HTTP."""

    async def open(self, url: str) -> None:
        """Connect to the server."""
        target = httpx.URL(url)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(lambda: self, target.host, target.port)
        self._loop, self._transport = loop, transport

    async def send(self) -> None:
        """Send a request, and wait for its answer."""
        self._left, self._answered = len(ANSWER), self._loop.create_future()
        self._transport.write(REQUEST)
        await self._answered

    def data_received(self, data: bytes) -> None:
        """Count the bytes of the answer."""
        self._left -= len(data)
        if not self._left:
            self._answered.set_result(None)

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()


async def floor(url: str, workers: int, requests: int) -> float:
    """Measure asyncio's sockets without HTTP."""
    connections = [Raw() for _ in range(workers)]
    for connection in connections:
        await connection.open(url)
    try:
        return await measure(lambda slot: connections[slot].send(), workers, requests)
    finally:
        for connection in connections:
            connection.close()


async def messages_client(url: str, workers: int, requests: int, **api: str) -> float:
    """Measure MessagesClient, which batcher uses."""
    section = ApiSection(base_url=url, **api)
    async with MessagesClient(section, Secret("k"), connections=workers, timeout_s=60) as client:
        return await measure(lambda slot: client.send(slot, BODY), workers, requests)


async def messages_client_httpx(url: str, workers: int, requests: int) -> float:
    """Measure MessagesClient over httpx, as it is through a proxy."""
    return await messages_client(url, workers, requests, transport="httpx")


async def bare_aiohttp(url: str, workers: int, requests: int) -> float:
    """Measure aiohttp with one session for all workers."""
    import aiohttp  # noqa: PLC0415 - it need not be installed

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def send(_slot: int) -> None:
            async with session.post(f"{url}/v1/messages", data=BODY) as response:
                await response.read()

        return await measure(send, workers, requests)


async def client_per_worker(url: str, workers: int, requests: int) -> float:
    """Measure one httpx client per worker, the fastest way with plain httpx."""
    context = httpx.create_ssl_context()
    clients = [httpx.AsyncClient(verify=context, timeout=60) for _ in range(workers)]
    try:
        return await measure(
            lambda slot: clients[slot].post(f"{url}/v1/messages", content=BODY), workers, requests
        )
    finally:
        for client in clients:
            await client.aclose()


async def shared_client(url: str, workers: int, requests: int) -> float:
    """Measure one httpx client shared by all workers, as in most scripts."""
    limits = httpx.Limits(max_connections=workers, max_keepalive_connections=workers)
    async with httpx.AsyncClient(limits=limits, timeout=60) as client:
        return await measure(
            lambda _slot: client.post(f"{url}/v1/messages", content=BODY), workers, requests
        )


VARIANTS: tuple[Variant, ...] = (
    floor,
    messages_client,
    *([bare_aiohttp] if importlib.util.find_spec("aiohttp") else []),
    client_per_worker,
    messages_client_httpx,
    shared_client,
)


def count_for(variant: Variant, workers: int, requests: int) -> int:
    """Return how many requests to send: fewer where one pool for many workers is slow."""
    if variant is shared_client and workers > 16:
        return requests // 3
    return max(requests, 2 * workers)


def main() -> None:
    """Print one line for each variant and a column for each concurrency."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    ports: multiprocessing.SimpleQueue[int] = multiprocessing.SimpleQueue()
    server = multiprocessing.Process(target=serve, args=(ports,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{ports.get()}"
    measurements: dict[tuple[str, int], list[float]] = {}
    for _ in range(ROUNDS):
        for workers in CONCURRENCIES:
            for variant in VARIANTS:
                if variant is shared_client and workers > 256:
                    continue  # it takes minutes
                figure = asyncio.run(variant(url, workers, count_for(variant, workers, requests)))
                measurements.setdefault((variant.__name__, workers), []).append(figure)
    server.terminate()
    show({key: statistics.median(figures) for key, figures in measurements.items()})


def show(medians: dict[tuple[str, int], float]) -> None:
    """Print the medians, with their ratios to httpx."""
    print(f"{'us CPU/request':24}" + "".join(f"{f'c={c}':>16}" for c in CONCURRENCIES))
    for variant in VARIANTS:
        cells = []
        for workers in CONCURRENCIES:
            figure = medians.get((variant.__name__, workers))
            ratio = figure and figure / medians[client_per_worker.__name__, workers]
            cells.append(f"{figure:9.0f} ({ratio:4.2f})" if figure else f"{'-':>16}")
        print(f"{variant.__name__:24}" + "".join(cells))


if __name__ == "__main__":
    main()
