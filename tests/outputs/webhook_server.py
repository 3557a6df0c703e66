"""A webhook on loopback, as patient or unfriendly as a test wants it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0SECRET/B0CANARY"


class Webhook:
    """Answers with the statuses it is given, the last one again and again; 0 is no answer."""

    def __init__(self) -> None:
        self.statuses = [200]
        self.seen: list[tuple[str, dict[str, str], Any]] = []
        self.is_over = threading.Event()
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                hook.seen.append((self.path, dict(self.headers), json.loads(body)))
                status = hook.statuses.pop(0) if len(hook.statuses) > 1 else hook.statuses[0]
                if status == 0:
                    hook.is_over.wait()
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("location", f"http://127.0.0.1:{hook.port}/elsewhere")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}/services/{SECRET}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,)).start()

    def close(self) -> None:
        """Stop serving."""
        self.is_over.set()
        self._server.shutdown()
        self._server.server_close()
