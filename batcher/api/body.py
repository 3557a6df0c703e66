"""The body of an answer as it arrives: decoded, bounded, and folded when it is a stream."""

import zlib
from collections.abc import Mapping

from batcher.core.answers.stream import MessageFold

_AUTO_DETECT = 47  # zlib's wbits for a gzip or zlib header, whichever comes


class Body:
    """Takes a body in pieces and never holds more than ``max_bytes`` of it, decoded.

    A 200 of type ``text/event-stream`` is folded as it comes. An encoding nobody asked for and
    nobody knows is kept undecoded, with a fault.
    """

    def __init__(self, status: int, headers: Mapping[str, str], max_bytes: int) -> None:
        encoding = headers.get("content-encoding", "identity").strip().lower() or "identity"
        is_stream = headers.get("content-type", "").lower().startswith("text/event-stream")
        self.fold = MessageFold() if is_stream and status == 200 else None
        self._inflater = _Inflater() if encoding in {"gzip", "x-gzip", "deflate"} else None
        is_known = self._inflater is not None or encoding == "identity"
        self._fault = None if is_known else "client.undecodable"
        self._room = max_bytes
        self._pieces: list[bytes] = []

    def feed(self, data: bytes) -> bool:
        """Take the next bytes off the wire; False when there is no use in reading on."""
        if self._inflater is not None:
            try:
                data = self._inflater.feed(data, self._room + 1)
            except zlib.error:
                self._fault = "client.undecodable"
                return False
        if len(data) > self._room:
            data = data[: self._room]
            self._fault = "client.too_large"
        self._room -= len(data)
        self._pieces.append(data)
        if self.fold is not None:
            self.fold.feed(data)
        return self._fault != "client.too_large"

    def result(self, fault: str | None) -> tuple[bytes, str | None]:
        """Give the body and what is wrong with it; ``fault`` is what the transport says is wrong.

        A stream that came to its ``message_stop`` is whole, whatever the transport did next.
        """
        body = b"".join(self._pieces)
        fault = self._fault or fault
        if fault is None and self._inflater is not None and not self._inflater.is_whole:
            fault = "client.cut_short"
        if self.fold is None:
            return body, fault
        self.fold.end()
        if self.fold.is_complete:
            return self.fold.message_json(), None
        if self.fold.error is not None:
            return self.fold.error, "client.stream_error"
        broken = "client.stream_broken" if self.fold.fault else "client.stream_incomplete"
        return body, fault or broken


class _Inflater:
    """Decompresses gzip and zlib, member by member, never beyond what is asked for."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_AUTO_DETECT)
        self._has_begun = False

    @property
    def is_whole(self) -> bool:
        return self._member.eof or not self._has_begun

    def feed(self, data: bytes, room: int) -> bytes:
        """At most ``room`` bytes (at least 1); what would not fit is dropped."""
        pieces = []
        while data and room:
            if self._member.eof:
                self._member = zlib.decompressobj(_AUTO_DETECT)
            self._has_begun = True
            pieces.append(self._member.decompress(data, room))
            room -= len(pieces[-1])
            data = self._member.unused_data
        return b"".join(pieces)
