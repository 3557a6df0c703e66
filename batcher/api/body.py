"""Reads the body of a response: decodes it, bounds its size, and folds a stream."""

import zlib
from collections.abc import Iterator, Mapping

from batcher.core.answers.stream import MessageFold

_AUTO_DETECT = 47  # zlib's wbits for either a gzip or a zlib header
_PIECE_BYTES = 1 << 20
_BEGINNING_BYTES = 64 << 10
"""Bytes kept of a body that is not a message: many whole bodies would not fit into memory."""


class Body:
    """Takes a body in pieces and holds at most ``max_bytes`` of it, decoded.

    A 200 of type ``text/event-stream`` is folded while it arrives. A stream with another content
    type, perhaps from a proxy, is recognised by its first bytes and folded at its end. A body with
    an unknown content encoding is kept undecoded, with a fault. Only the beginning is kept of an
    incomplete stream and of a body larger than ``max_bytes``. After ``result``,
    ``fault_detail`` says what is wrong with a stream.
    """

    def __init__(self, status: int, headers: Mapping[str, str], max_bytes: int) -> None:
        is_stream = headers.get("content-type", "").lower().startswith("text/event-stream")
        self._is_200 = status == 200
        self.fold = MessageFold() if is_stream and self._is_200 else None
        self._inflater, is_known = inflater_for(headers)
        self._fault = None if is_known else "client.undecodable"
        self._bytes_left = max_bytes
        self.fault_detail: str | None = None
        self._pieces: list[bytes] = []
        self._kept_bytes = 0

    def feed(self, data: bytes) -> bool:
        """Take the next bytes of the body; return False when reading on is useless."""
        if self._inflater is None:
            return self._take(data)
        try:
            return all(self._take(piece) for piece in self._inflater.feed(data))
        except zlib.error:
            self._fault = "client.undecodable"
            return False

    def result(self, fault: str | None) -> tuple[bytes, str | None]:
        """Return the body and its fault, or None; ``fault`` is the transport's own fault.

        A stream with a ``message_stop`` is complete, even if the transport failed afterwards.
        """
        body = b"".join(self._pieces)
        fault = self._fault or fault
        if fault is None and self._inflater is not None and not self._inflater.is_whole:
            fault = "client.cut_short"
        fold = self.fold
        if fold is None and self._is_200 and body.startswith((b"event:", b"data:")):
            fold = MessageFold()
            fold.feed(body)
        if fold is None:
            return body, fault
        body, fault = _folded(fold, body, fault)
        if fault == "client.stream_broken":
            self.fault_detail = fold.fault
        elif fault == "client.stream_incomplete":
            self.fault_detail = "the stream ended without message_stop"
        return body, fault

    def _take(self, data: bytes) -> bool:
        if len(data) > self._bytes_left:
            self._pieces = [
                _beginning([*self._pieces, data[: min(self._bytes_left, _BEGINNING_BYTES)]])
            ]
            self._fault = "client.answer_too_large"
            return False
        self._bytes_left -= len(data)
        if self.fold is not None:
            self.fold.feed(data)
            data = data[: max(0, _BEGINNING_BYTES - self._kept_bytes)]
        self._kept_bytes += len(data)
        self._pieces.append(data)
        return True


def _beginning(pieces: list[bytes]) -> bytes:
    kept = bytearray()
    for piece in pieces:
        kept += piece[: _BEGINNING_BYTES - len(kept)]
    return bytes(kept)


def _folded(fold: MessageFold, body: bytes, fault: str | None) -> tuple[bytes, str | None]:
    """Return the message of a stream, or its fault; without its end event it is incomplete."""
    fold.end()
    if fold.is_complete:
        return fold.message_json(), None
    if fold.error is not None:
        return fold.error, "client.stream_error"
    return body, fault or ("client.stream_broken" if fold.fault else "client.stream_incomplete")


def inflater_for(headers: Mapping[str, str]) -> tuple["Inflater | None", bool]:
    """Return what decompresses a body, if it is compressed, and whether its encoding is known."""
    encoding = headers.get("content-encoding", "identity").strip().lower() or "identity"
    if encoding in {"gzip", "x-gzip", "deflate"}:
        return Inflater(), True
    return None, encoding == "identity"


class Inflater:
    """Decompresses gzip and zlib, member by member, in pieces of bounded size."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(_AUTO_DETECT)
        self._has_started = False

    @property
    def is_whole(self) -> bool:
        """Whether the last member has ended."""
        return self._member.eof or not self._has_started

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decompressed data; pieces that are not requested are not decompressed."""
        is_full = False
        while data or (is_full and not self._member.eof):
            if self._member.eof:
                self._member = zlib.decompressobj(_AUTO_DETECT)
            self._has_started = True
            piece = self._member.decompress(data, _PIECE_BYTES)
            is_full = len(piece) == _PIECE_BYTES
            yield piece
            data = self._member.unconsumed_tail or self._member.unused_data
