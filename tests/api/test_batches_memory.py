"""A batch of any size takes some MiB of memory: measured in a process that does nothing else."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

MOST_MIB = 4
LINE = b'{"custom_id":"a","result":{"type":"succeeded","message":"%s"}}\n' % (b"x" * 3000)
PROGRAM = """
import asyncio, pathlib, sys, tempfile
from batcher.api.batches_client import BatchesClient
from batcher.core.batches.wire import parse_result
from batcher.core.job import ApiSection

status = pathlib.Path("/proc/self/status")
def peak():
    return next(int(l.split()[1]) for l in status.read_text().splitlines() if "VmHWM" in l) / 1024

async def main(url, size):
    client = BatchesClient(ApiSection(base_url=url, auth="none"), None, timeout_s=60)
    with tempfile.TemporaryFile() as file:
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
        await client.create(file, 1000)
        async with client.results("1") as results:
            async for line in results.lines():
                parse_result(line)
        before = peak()
        response = await client.create(file, size)
        created = peak()
        lines = 0
        async with client.results(str(size)) as results:
            async for line in results.lines():
                parse_result(line)
                lines += 1
        print(response.status, lines, results.fault, created - before, peak() - created)

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


class Handler(BaseHTTPRequestHandler):
    """Reads a new batch without keeping it, and sends as many results as the path asks for."""

    def do_POST(self) -> None:
        """Read a batch."""
        left = int(self.headers["content-length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def do_GET(self) -> None:
        """Send results."""
        count = int(self.path.split("/")[-2]) // len(LINE) or 1
        self.send_response(200)
        self.send_header("content-length", str(count * len(LINE)))
        self.end_headers()
        for start in range(0, count, 1000):
            self.wfile.write(LINE * min(1000, count - start))

    def log_message(self, *arguments: object) -> None:
        """Print nothing."""


@contextmanager
def serving() -> Iterator[str]:
    """Serve in a thread."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs the peak of a process")
@pytest.mark.parametrize("mib", [24, pytest.param(244, marks=pytest.mark.slow)])
def test_a_batch_is_never_in_memory(mib: int) -> None:
    """Neither when it is sent nor when its results are read."""
    with serving() as url:
        command = [sys.executable, "-c", PROGRAM, url, str(mib << 20)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    status, lines, fault, *more_mib = printed.split()
    assert (status, int(lines), fault) == ("200", (mib << 20) // len(LINE), "None")
    assert max(map(float, more_mib)) < MOST_MIB, printed
