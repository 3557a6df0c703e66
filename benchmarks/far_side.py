"""The servers that the benchmarks send to, each in a process of its own on loopback.

``nginx`` answers each request at once with the same message, from 15 microseconds of processor
time. The other server answers after a delay and counts; it is the fallback where nginx is not
installed. As a program: ``python benchmarks/far_side.py DELAY_S``.
"""

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

MODEL = "claude-haiku-5-5"
LIFE_S = 1_800
"""No server lives longer, whatever happens to the benchmark."""
STATS = "/_stats"
ANSWER = json.dumps(
    {
        "id": "msg_01XFDUDYJgAACzvnptvVoYEL",
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "A parser library. " + "It reads archives. " * 10}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 120,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
            "output_tokens": 60,
            "service_tier": "standard",
        },
    },
    separators=(",", ":"),
)
HEADERS = {
    "request-id": "req_018EeWyXxfu5pfWkrYcMdjWG",
    "anthropic-organization-id": "5b1e7b0a-3d0c-4c39-8e0d-2b1a8a0f4f11",
    "cf-cache-status": "DYNAMIC",
    "cf-ray": "97a1b2c3d4e5f678-FRA",
    "strict-transport-security": "max-age=31536000; includeSubDomains; preload",
    "via": "1.1 google",
    "x-robots-tag": "none",
    **{
        f"anthropic-ratelimit-{kind}-{name}": value
        for kind, limit in (
            ("requests", 20_000_000),
            ("input-tokens", 8_000_000_000),
            ("output-tokens", 4_000_000_000),
        )
        for name, value in (
            ("limit", str(limit)),
            ("remaining", str(limit - 1000)),
            ("reset", "2026-11-30T00:00:00Z"),
        )
    },
}
NGINX = """\
daemon off;
worker_processes 1;
worker_rlimit_nofile 16384;
pid {folder}/nginx.pid;
error_log {folder}/nginx.log warn;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    default_type application/json;
    keepalive_requests 1000000000;
    keepalive_timeout 600;
    client_body_buffer_size 64k;
    {temporary}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        {headers}
        location = {stats} {{ stub_status; }}
        location / {{ return 200 '{answer}'; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class FarSide:
    """A running server."""

    name: str
    port: int

    @property
    def url(self) -> str:
        """The address without a path."""
        return f"http://127.0.0.1:{self.port}"

    def stats(self) -> dict[str, Any]:
        """Return what the server with a delay counted."""
        with urllib.request.urlopen(self.url + STATS, timeout=60) as answer:
            return dict(json.load(answer))


def has_nginx() -> bool:
    """Return whether nginx is installed."""
    return _nginx() is not None


def _nginx() -> str | None:
    return shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@contextmanager
def fast_server(folder: Path) -> Iterator[FarSide]:
    """Run a server that answers at once: nginx where it is installed, else our own."""
    if not has_nginx():
        with delayed_server(0) as server:
            yield server
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bodies = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(
            folder=folder,
            port=port,
            stats=STATS,
            answer=ANSWER,
            temporary=" ".join(f"{name}_temp_path {folder}/temporary;" for name in bodies),
            headers="\n        ".join(f"add_header {k} '{v}';" for k, v in HEADERS.items()),
        )
    )
    command = ["timeout", str(LIFE_S), str(_nginx()), "-c", str(config), "-p", str(folder)]
    with _running(subprocess.Popen(command, stderr=subprocess.DEVNULL)):
        _wait_for(port)
        yield FarSide("nginx", port)


@contextmanager
def delayed_server(delay_s: float) -> Iterator[FarSide]:
    """Run our server, which answers after a delay and counts."""
    command = ["timeout", str(LIFE_S), sys.executable, __file__, str(delay_s)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with _running(process):
        assert process.stdout is not None
        yield FarSide("asyncio", int(process.stdout.readline()))


@contextmanager
def _running(process: "subprocess.Popen[Any]") -> Iterator[None]:
    with process:
        try:
            yield
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise SystemExit("nginx did not start")


class Counts:
    """When requests came and were answered, and how many connections brought them."""

    def __init__(self) -> None:
        self.connections = 0
        self.came = array("d")
        self.left = array("d")

    def stats(self) -> dict[str, float]:
        """Return the mean number of requests in flight: over all the time, and once it is steady.

        It is steady from half of the time, when every window has grown, to five sixths, before
        the last requests leave gaps.
        """
        if not self.left:
            return {"connections": self.connections, "requests": 0, "requests_received": 0}
        start, end = self.came[0], self.left[-1]
        half, sixth = (end - start) / 2, (end - start) / 6
        return {
            "connections": self.connections,
            "requests": len(self.left),
            "requests_received": len(self.came),
            "seconds": end - start,
            "in_flight": self._in_flight(start, end),
            "steady_in_flight": self._in_flight(start + half, end - sixth),
        }

    def _in_flight(self, start: float, end: float) -> float:
        # Requests leave in the order in which they came, because the delay is always the same.
        inside = (
            max(0.0, min(left, end) - max(came, start))
            for came, left in zip(self.came, self.left, strict=False)
        )
        return sum(inside) / max(end - start, 1e-9)


class Connection(asyncio.Protocol):
    """Answers each request after the delay; reads of it no more than its length."""

    def __init__(self, delay_s: float, counts: Counts, answer: bytes) -> None:
        self._delay_s, self._counts, self._answer = delay_s, counts, answer
        self._received, self._loop = b"", asyncio.get_running_loop()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the answers."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._is_counted = False

    def data_received(self, data: bytes) -> None:
        """Answer when the whole request has arrived."""
        self._received += data
        head, blank, body = self._received.partition(b"\r\n\r\n")
        if not blank:
            return
        if head.startswith(b"GET " + STATS.encode()):
            self._transport.write(response(json.dumps(self._counts.stats()), {}))
            self._transport.close()
            return
        _, _, length = head.lower().partition(b"content-length:")
        if len(body) >= int(length.partition(b"\r\n")[0] or 0):
            self._received = b""
            self._on_request()

    def _on_request(self) -> None:
        if not self._is_counted:
            self._is_counted = True
            self._counts.connections += 1
        self._counts.came.append(time.monotonic())
        if self._delay_s:
            self._loop.call_later(self._delay_s, self._reply)
        else:
            self._reply()

    def _reply(self) -> None:
        self._counts.left.append(time.monotonic())
        self._transport.write(self._answer)


def response(body: str, headers: dict[str, str]) -> bytes:
    """Return the bytes of a response."""
    lines = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 200 OK\r\n{head}\r\n{body}".encode()


async def serve(delay_s: float) -> None:
    """Answer after ``delay_s`` until the process is ended."""
    counts, answer = Counts(), response(ANSWER, HEADERS)
    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(delay_s, counts, answer), "127.0.0.1", 0, backlog=4096
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(float(sys.argv[1])))
