"""Measures the CPU time per request of MessagesClient and of three other ways to use httpx.

    python benchmarks/client.py [requests per measurement]

A server in a second process answers each request at once with the same bytes. Every variant sends
the same body from a fixed number of workers; figures are microseconds of this process's CPU time
(user and system) per request, as medians of three interleaved rounds.
"""

import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine

import httpx

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.api.transport import transport_factory
from batcher.core.job import ApiSection

CONCURRENCIES = (16, 64, 256)
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


async def messages_client(url: str, workers: int, requests: int) -> float:
    """Measure MessagesClient, which batcher uses."""
    api = ApiSection(base_url=url)
    async with MessagesClient(api, Secret("k"), connections=workers, timeout_s=60) as client:
        return await measure(lambda slot: client.send(slot, BODY), workers, requests)


async def bare_transport(url: str, workers: int, requests: int) -> float:
    """Measure the transports of MessagesClient without the client."""
    open_transport = transport_factory(httpx.URL(url))
    transports = [open_transport() for _ in range(workers)]
    target = httpx.URL(f"{url}/v1/messages")
    headers = [(b"host", target.netloc), (b"content-length", b"%d" % len(BODY))]

    async def send(slot: int) -> None:
        request = httpx.Request("POST", target, headers=headers, stream=httpx.ByteStream(BODY))
        response = await transports[slot].handle_async_request(request)
        await response.aread()
        await response.aclose()

    try:
        return await measure(send, workers, requests)
    finally:
        for transport in transports:
            await transport.aclose()


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
    messages_client,
    bare_transport,
    client_per_worker,
    shared_client,
)


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
                # One pool shared by many workers is slow, so it sends a third of the requests.
                count = requests // 3 if variant is shared_client and workers > 16 else requests
                figure = asyncio.run(variant(url, workers, count))
                measurements.setdefault((variant.__name__, workers), []).append(figure)
    server.terminate()
    print(f"{'us CPU/request':24}" + "".join(f"{f'c={c}':>10}" for c in CONCURRENCIES))
    for variant in VARIANTS:
        figures = [statistics.median(measurements[variant.__name__, c]) for c in CONCURRENCIES]
        print(f"{variant.__name__:24}" + "".join(f"{figure:10.0f}" for figure in figures))


if __name__ == "__main__":
    main()
