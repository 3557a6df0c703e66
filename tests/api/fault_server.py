"""A server on loopback that fails by script, and attempts against it."""

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.job import ApiSection

CANARY = "sk-ant-canary-0123456789"
BODY = b'{"max_tokens":5,"messages":[],"model":"m"}'

# Steps of a script besides the bytes to write.
RESET, HANG, DEAF, KEEP = "reset", "hang", "deaf", "keep"
Attempts = Callable[..., list[Any]]
Certified = tuple[ssl.SSLContext, Path]
Step = bytes | str | float | Callable[[], bytes]


default: dict[str, Any] = {}
"""What tests of both transports set in the API section."""
default_tls: ssl.SSLContext | None = None
"""What servers of tests with and without TLS use."""


def section(**api: Any) -> ApiSection:
    """Return an API section for the transport that is tested."""
    return ApiSection(**default, **api)


@dataclass
class FaultServer:
    """Responds to the n-th request with the n-th script, and repeats the last one.

    The steps of a script are bytes to write, seconds to pause, and words: RESET (RST at once), HANG
    (write no more), DEAF (first step: do not read the request), KEEP (last step: read another
    request). Without KEEP the connection is closed after the script. ``requests`` are the heads and
    bodies received.
    """

    scripts: Sequence[Sequence[Step]]
    requests: list[tuple[bytes, bytes]] = field(default_factory=list)
    has_request: asyncio.Event = field(default_factory=asyncio.Event)
    connections: int = 0
    port: int = 0
    _served: int = 0
    _tasks: set[Any] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def running(self, tls: ssl.SSLContext | None = None) -> AsyncIterator["FaultServer"]:
        """Serve on a free port until the block ends."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls, limit=2**20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while await self._answer(reader, writer):
                pass
        writer.transport.abort()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        script = self.scripts[min(self._served, len(self.scripts) - 1)]
        self._served += 1
        if script[0] != DEAF:
            self.requests.append(await _read_request(reader))
            self.has_request.set()
        for step in script:
            if step == RESET:
                linger = struct.pack("ii", 1, 0)
                writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, linger
                )
                writer.transport.abort()
            elif step == HANG:
                await asyncio.Event().wait()
            elif step == KEEP:
                return True
            elif isinstance(step, float):
                await asyncio.sleep(step)
            elif step != DEAF:
                writer.write(step() if callable(step) else step)
                await writer.drain()
        if not writer.transport.is_closing():
            writer.close()
            await writer.wait_closed()
        return False


async def _read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.split(b":")[1])
    return head, await reader.readexactly(length)


def reply(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a well-formed response."""
    lines = [b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


async def run_async(
    server: FaultServer,
    times: int = 1,
    *,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 1.0,
    max_body_bytes: int = 2**20,
    **api: Any,
) -> list[Any]:
    """Send the same request ``times`` times."""
    tls = tls or default_tls
    async with server.running(tls):
        scheme = "http" if tls is None else "https"
        settings = section(**{"base_url": f"{scheme}://127.0.0.1:{server.port}", **api})
        client = MessagesClient(
            settings,
            Secret(CANARY),
            connections=1,
            timeout_s=timeout_s,
            max_body_bytes=max_body_bytes,
        )
        async with client:
            assert CANARY not in repr(client)
            results = [await client.send(0, BODY) for _ in range(times)]
    assert CANARY not in repr(results)
    return results
