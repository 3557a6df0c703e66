"""A gate between a run and the simulator: it lets calls through, and kills the run at one of them.

The run needs no code for this. A moment of a call is where the gate stops to kill:

    arrived    the call has arrived; nothing of it is passed on
    half sent  half of its body is passed on, then the connection breaks
    carried    it is passed on and answered; nothing of the answer is passed back
    half back  half of the answer is passed back
    back       all of the answer is passed back
"""

import http.client
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

Call = Literal["create", "list", "retrieve", "results", "cancel", "delete", "messages", "other"]
Moment = Literal["arrived", "half sent", "carried", "half back", "back"]
MOMENTS: tuple[Moment, ...] = ("arrived", "half sent", "carried", "half back", "back")

_BATCHES = "/v1/messages/batches"
_HOP_HEADERS = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass(slots=True)
class Stop:
    """Where the gate acts: at one moment of the n-th call of a kind; ``act`` usually kills."""

    call: Call
    moment: Moment
    number: int
    act: Callable[[], None]

    @property
    def name(self) -> str:
        """How a table names it."""
        return f"{self.call}: {self.moment}"


class Gate:
    """Listens in front of a simulator. ``set_stop`` arms it for one run; ``reached`` tells."""

    def __init__(self, simulator: str) -> None:
        self.reached = threading.Event()
        self._stop: Stop | None = None
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.gate = self
        self._server.upstream = simulator.removeprefix("http://")
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def set_stop(self, stop: Stop | None) -> None:
        """Arm the gate, or disarm it with None."""
        with self._lock:
            self.reached.clear()
            self._stop = stop

    def due(self, call: Call) -> Stop | None:
        """Count a call; return the stop if this is the one to stop at."""
        with self._lock:
            stop = self._stop
            if stop is None or stop.call != call:
                return None
            stop.number -= 1
            return stop if stop.number == 0 else None

    def act(self, stop: Stop) -> None:
        """Do what is to be done at the stop."""
        stop.act()
        self.reached.set()

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def call_of(method: str, path: str) -> Call:
    """Return which call a request is."""
    path = path.partition("?")[0]
    if path == "/v1/messages":
        return "messages"
    if not path.startswith(_BATCHES):
        return "other"
    rest = path.removeprefix(_BATCHES).strip("/").split("/")
    if rest == [""]:
        return "create" if method == "POST" else "list"
    if len(rest) > 1:
        return "results" if rest[1] == "results" else "cancel"
    return "delete" if method == "DELETE" else "retrieve"


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    gate: Gate
    upstream: str

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A killed client leaves broken connections; the checks look at records instead."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    disable_nagle_algorithm = True

    def _pass(self) -> None:
        gate = self.server.gate
        call = call_of(self.command, self.path)
        stop = gate.due(call)
        size = int(self.headers.get("content-length") or 0)
        if stop and stop.moment == "arrived":
            self._stop_at(stop)
            return
        body = self.rfile.read(size)
        if len(body) < size:  # the run was killed meanwhile: what has arrived is no request
            self.close_connection = True
            return
        if stop and stop.moment == "half sent":
            self._send_half(body)
            self._stop_at(stop)
            return
        status, headers, answer = self._asked(body)
        if stop and stop.moment == "carried":
            self._stop_at(stop)
            return
        self._answer(status, headers, answer, stop)

    do_GET = do_POST = do_DELETE = _pass  # noqa: N815 - the names that the base class calls

    def _stop_at(self, stop: Stop) -> None:
        self.close_connection = True
        self.server.gate.act(stop)

    def _asked(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection(self.server.upstream, timeout=60)
        connection.request(self.command, self.path, body or None, dict(self.headers.items()))
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, response.getheaders(), answer

    def _send_half(self, body: bytes) -> None:
        host, _, port = self.server.upstream.partition(":")
        lines = [f"{self.command} {self.path} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        head = "\r\n".join((*lines, "", "")).encode()
        with socket.create_connection((host, int(port))) as upstream:
            upstream.sendall(head + body[: len(body) // 2])

    def _answer(
        self, status: int, headers: list[tuple[str, str]], answer: bytes, stop: Stop | None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in _HOP_HEADERS:
                self.send_header(name, value)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        is_half = stop is not None and stop.moment == "half back"
        self.wfile.write(answer[: len(answer) // 2] if is_half else answer)
        self.wfile.flush()
        if stop is not None:
            self._stop_at(stop)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""
