"""The floor: asyncio's sockets and nothing else, one connection for each worker."""

import asyncio
import json
from urllib.parse import urlsplit

from rows import Task, body_of, line_of

HEAD = (
    "POST /v1/messages HTTP/1.1\r\nhost: {}\r\nx-api-key: key\r\nanthropic-version: 2023-06-01\r\n"
    "content-type: application/json\r\ncontent-length: "
)


class Connection(asyncio.Protocol):
    """Sends one request at a time and takes the response apart by its content-length."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send(self, data: bytes) -> "asyncio.Future[bytes]":
        """Send a request; the future has the body of the response."""
        self._received, self._due = b"", 0
        self._done = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return self._done

    def data_received(self, data: bytes) -> None:
        """Collect the response."""
        self._received += data
        if not self._due:
            end = self._received.find(b"\r\n\r\n") + 4
            if end < 4:
                return
            assert self._received.startswith(b"HTTP/1.1 200")
            _, _, rest = self._received[:end].lower().partition(b"content-length:")
            self._start, self._due = end, end + int(rest.partition(b"\r\n")[0])
        if len(self._received) >= self._due:
            self._done.set_result(self._received[self._start : self._due])


async def main() -> None:
    """Send every row from a fixed number of workers that share an iterator."""
    task = Task.of_command_line()
    rows = task.read()
    target = urlsplit(task.url)
    head = HEAD.format(target.netloc).encode()
    with open(task.out, "w", encoding="utf-8") as out:  # noqa: ASYNC230, PTH123 - as a script would

        async def work() -> None:
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, target.hostname, target.port
            )
            for row in rows:
                body = body_of(row)
                answer = await connection.send(b"%s%d\r\n\r\n%s" % (head, len(body), body))
                out.write(line_of(row, json.loads(answer)))

        await asyncio.gather(*(work() for _ in range(task.concurrency)))


asyncio.run(main())
