"""Answers of any length are recorded, written and read back."""

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_main_job import rows
from whole_runs import Job


class LongAnswers:
    """A Messages server whose answers all have a text of ``characters`` characters."""

    def __init__(self, characters: int) -> None:
        self._text = random.Random(1).randbytes(characters // 2).hex()
        self.url = ""
        self.answered = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        self._ready.wait(10)

    def close(self) -> None:
        """Stop the server."""
        self._loop.call_soon_threadsafe(self._done.set)
        self._thread.join(10)

    def _serve(self) -> None:
        self._loop.run_until_complete(self._listen())
        self._loop.close()

    async def _listen(self) -> None:
        self._done = asyncio.Event()
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._done.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]
                await reader.readexactly(int(length))
                body = self._message()
                size = f"content-length: {len(body)}".encode()
                writer.write(b"HTTP/1.1 200 OK\r\n" + size + b"\r\n\r\n" + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _message(self) -> bytes:
        self.answered += 1
        turn = self.answered % len(self._text)
        message = {
            "id": f"msg_{self.answered}",
            "type": "message",
            "role": "assistant",
            "model": "claude-haiku-5-5",
            "content": [{"type": "text", "text": self._text[turn:] + self._text[:turn]}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 10, "output_tokens": 10},
        }
        return json.dumps(message).encode()


@pytest.fixture(
    params=[
        pytest.param((12_000, 2500, 32), id="12 kB", marks=pytest.mark.slow),
        pytest.param((300_000, 100, 64), id="300 kB"),
        pytest.param((300_000, 300, 64), id="300 kB, many", marks=pytest.mark.slow),
    ]
)
def case(request: pytest.FixtureRequest) -> Iterator[tuple[LongAnswers, int, int, int]]:
    """A server, the size of its answers, the number of rows, and the concurrency."""
    characters, count, concurrency = request.param
    server = LongAnswers(characters)
    yield server, characters, count, concurrency
    server.close()


def test_long_answers_reach_the_output(
    case: tuple[LongAnswers, int, int, int], tmp_path: Path
) -> None:
    """Long answers do not stop a run, its output or an export."""
    server, characters, count, concurrency = case
    job = Job(tmp_path, None)
    job.write(rows(count), limits=f"concurrency = {concurrency}\n")
    job.path.write_text(job.path.read_text().replace("http://127.0.0.1:9", server.url))
    job.run()
    texts = job.table().column("_text")
    assert len(texts) == count == server.answered
    assert {len(text.as_py()) for text in texts} == {characters}
    job.output.unlink()
    job.run()
    assert job.table().num_rows == count == server.answered
