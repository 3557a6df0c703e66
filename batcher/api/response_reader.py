"""Reads one HTTP/1.1 response from the bytes of a connection, in whatever pieces they arrive.

What servers send is nearly always plain: a head that arrives in one piece, then a body of a known
length or in chunks. That is read here, fast. h11 reads every other response from its first byte, so
that it alone decides what is no HTTP. Nothing is accepted here that h11 refuses or reads otherwise.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache

import h11

_MAX_HEAD_BYTES = 100 * 1024
_NAME = re.compile(r"[-!#$%&'*+.^_`|~0-9a-zA-Z]+")
_CHUNK = re.compile(rb"\r\n([0-9a-fA-F]{1,8})\r\n")
_LONGEST_CHUNK_START = 12
_WITHOUT_BODY = frozenset({204, 304})


class ResponseReader:
    """The response to one request, after any informational ones.

    ``status`` is 0 until the head has been read. ``is_done``: the response is whole;
    ``is_reusable``: and its connection can carry another request. ``is_broken``: it is not HTTP, or
    ended too early; what came before that counts.
    """

    __slots__ = (
        "_consume",
        "_h11",
        "_head",
        "_is_kept",
        "_left",
        "_start",
        "headers",
        "is_broken",
        "is_done",
        "is_reusable",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.is_done = False
        self.is_reusable = False
        self.is_broken = False
        self._consume: Callable[[bytes], bytes] = self._begin
        self._head = b""  # with the blank line; what h11 needs if a chunk is not plain
        self._is_kept = True
        self._left = 0  # of the body, or of a chunk
        self._start = b""  # of a chunk: the end of the one before, and the beginning of its size
        self._h11: h11.Connection | None = None

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes that have arrived; return those that belong to the body."""
        return self._consume(data)

    def end(self) -> None:
        """Take the end of the connection."""
        if self.status and self._h11 is not None:
            self._judged(b"")
        self.is_broken = not self.is_done

    def _begin(self, data: bytes) -> bytes:
        end = data.find(b"\r\n\r\n") + 4
        if end < 4 or not self._is_plain(data[: end - 4]):
            self.status = 0
            return self._hand_over(data)
        self._head = data[:end]
        return self._consume(data[end:])

    def _is_plain(self, head: bytes) -> bool:
        """Read a head without its last line ends; whether it is one that needs no h11."""
        if not head.isascii():
            return False
        text = head.decode("ascii")
        status_line, *lines = text.split("\r\n")
        if not text.replace("\r\n", "").isprintable() or not self._takes_status(status_line):
            return False
        headers: dict[str, str] = {}
        for line in lines:
            raw_name, colon, value = line.partition(":")
            name = _field_name(raw_name)
            if not colon or name is None:
                return False
            value = value.strip(" ")
            headers[name] = f"{headers[name]}, {value}" if name in headers else value
        self.headers = headers
        return self._takes_framing(headers)

    def _takes_status(self, line: str) -> bool:
        if not line.startswith("HTTP/1.1 ") or line[12:13] not in {"", " "}:
            return False
        number = line[9:12]
        if len(number) != 3 or not number.isdigit():
            return False
        self.status = int(number)
        return self.status >= 200 and self.status not in _WITHOUT_BODY

    def _takes_framing(self, headers: dict[str, str]) -> bool:
        connection = headers.get("connection", "keep-alive").lower()
        self._is_kept = connection == "keep-alive"
        if not self._is_kept and connection != "close":
            return False
        length, encoding = headers.get("content-length"), headers.get("transfer-encoding")
        if encoding is None and length is not None:
            if not length.isdigit() or len(length) > 15:
                return False
            self._left, self._consume = int(length), self._sized
            return True
        if length is None and encoding == "chunked":
            self._start, self._consume = b"\r\n", self._chunked
            return True
        return False

    def _sized(self, data: bytes) -> bytes:
        left = self._left
        self._left -= len(data)
        if self._left <= 0:
            self.is_done, self.is_reusable = True, self._is_kept and not self._left
            return data if not self._left else data[:left]
        return data

    def _chunked(self, data: bytes) -> bytes:
        pieces: list[bytes] = []
        at = 0
        while True:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if self._left:
                    break
            if self._start:
                data, at, self._start = self._start + data[at:], 0, b""
            start = _CHUNK.match(data, at)
            size = int(start[1], 16) if start is not None else 0
            if start is None or not size:
                pieces.append(self._unusual(data[at:], 0 if start is None else start.end() - at))
                break
            self._left, at = size, start.end()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _unusual(self, data: bytes, last: int) -> bytes:
        """Take what follows a chunk and is not another one; ``last``: the end of a size of 0."""
        if last and data[last:].startswith(b"\r\n"):
            self.is_done, self.is_reusable = True, self._is_kept and len(data) == last + 2
        elif not data.startswith(b"\r\n"[: len(data)]):
            self.is_broken = True
        elif data[last:] in {b"", b"\r"} if last else _may_begin_chunk(data):
            self._start = data
        else:
            return self._hand_over(self._head + data[2:])
        return b""

    def _hand_over(self, data: bytes) -> bytes:
        """Let h11 read from here on: from the head, or from it and the next chunk."""
        self._h11 = h11.Connection(h11.CLIENT, max_incomplete_event_size=_MAX_HEAD_BYTES)
        self._h11.send(h11.Request(method="GET", target="/", headers=[("host", "h")]))
        self._h11.send(h11.EndOfMessage())
        self._consume = self._judged
        return self._judged(data)

    def _judged(self, data: bytes) -> bytes:
        assert self._h11 is not None  # noqa: S101 - for mypy
        pieces: list[bytes] = []
        try:
            self._h11.receive_data(data)
            while not self.is_done:
                event = self._h11.next_event()
                if isinstance(event, h11.Response):
                    self.status, self.headers = event.status_code, lower_case(event.headers)
                elif isinstance(event, h11.Data):
                    pieces.append(bytes(event.data))
                elif isinstance(event, h11.EndOfMessage):
                    is_over = self._h11.their_state is not h11.DONE
                    self.is_done = True
                    self.is_reusable = not is_over and not self._h11.trailing_data[0]
                elif not isinstance(event, h11.InformationalResponse):
                    break
        except h11.RemoteProtocolError:
            self.is_broken = True
        return b"".join(pieces)


def lower_case(raw: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    """Return headers by lower-case name; values of a repeated header are joined with commas."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in raw:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


def _may_begin_chunk(data: bytes) -> bool:
    return len(data) < _LONGEST_CHUNK_START and b"\n" not in data[2:]


@lru_cache(maxsize=1024)
def _field_name(raw: str) -> str | None:
    """Return the lower-case name of a header; None when it is no name. The same ones come again."""
    return raw.lower() if _NAME.fullmatch(raw) else None
