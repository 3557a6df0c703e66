"""A webhook on loopback that answers with the statuses that a test sets."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0SECRET/B0CANARY"


class Webhook:
    """Answers with ``statuses`` in order, the last one repeatedly; 0 means no answer."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.received: list[tuple[str, dict[str, str], Any]] = []
        self.is_closed = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.received.append((self.path, dict(self.headers), json.loads(body)))
                status = hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0]
                if status == 0:
                    hook.is_closed.wait()
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"http://127.0.0.1:{hook.port}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Log nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/services/{SECRET}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def close(self) -> None:
        """Stop serving."""
        self.is_closed.set()
        self._server.shutdown()
        self._server.server_close()
