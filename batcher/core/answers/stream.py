"""Folds a streamed response into the message that the API sends without streaming; no I/O."""

from collections.abc import Callable, Iterator
from typing import Any

from batcher.core.answers.strict_json import dump, load

_BOM = b"\xef\xbb\xbf"
# Fields that identify a message or come from elsewhere; a message_delta does not change them.
_FIXED_KEYS = frozenset({"id", "type", "role", "model", "content", "usage"})
# For each kind of delta, the key of its text and the key of the block that the text is added to.
_TEXT_OF_DELTA = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "input_json_delta": ("partial_json", "partial_json"),
}


class MessageFold:
    """Folds the server-sent events of one response; the bytes may be cut into any chunks.

    Usage in a stream is a running total, so later numbers replace earlier ones. Fields that a
    ``message_delta`` does not have (cache split, tier, geography, speed) stay as in
    ``message_start``. Unknown kinds of events and deltas are skipped and unknown kinds of blocks
    are kept, as the API's documentation of versions requires.

    It never raises, even for invalid bytes. ``fault`` says why the stream is invalid, and does not
    quote it.
    Everything after a fault, an error or the end is ignored.
    """

    def __init__(self) -> None:
        self.error: bytes | None = None
        self.fault: str | None = None
        self.has_content = False
        self._lines = _Lines()
        self._event = ""
        self._data: list[bytes] = []
        self._message: dict[str, Any] | None = None
        self._blocks: dict[int, _Block] = {}
        self._has_total_usage = False
        self._json: bytes | None = None
        self._folders: dict[str, Callable[[dict[str, Any]], None]] = {
            "message_start": self._start_message,
            "content_block_start": self._start_block,
            "content_block_delta": self._extend_block,
            "content_block_stop": self._stop_block,
            "message_delta": self._extend_message,
            "message_stop": self._stop_message,
        }

    @property
    def has_started(self) -> bool:
        """Whether ``message_start`` was received; then the cache entries of the request exist."""
        return self._message is not None

    @property
    def is_complete(self) -> bool:
        """Whether ``message_stop`` was received, so that ``message_json`` is complete."""
        return self._json is not None

    def message_json(self) -> bytes:
        """Return the JSON of the response without streaming; ValueError before it is complete."""
        if self._json is None:
            raise ValueError("the stream has not ended")
        return self._json

    def feed(self, data: bytes) -> None:
        """Add the next bytes of the body, in pieces of any size."""
        for line in self._lines.feed(data):
            self._take_line(line)

    def end(self) -> None:
        """End the body; a last event needs no blank line if its JSON is complete."""
        for line in self._lines.end():
            self._take_line(line)
        if not self._is_over and self._data and _is_json(b"\n".join(self._data)):
            self._take_line(b"")

    @property
    def _is_over(self) -> bool:
        return self._json is not None or self.error is not None or self.fault is not None

    def _take_line(self, line: bytes) -> None:
        if self._is_over:
            return
        if line:
            self._take_field(line)
            return
        event, data = self._event, b"\n".join(self._data)
        self._event, self._data = "", []
        if data:
            self._take_event(event, data)

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._event = value.decode("utf-8", "replace")

    def _take_event(self, event: str, data: bytes) -> None:
        if event and event != "error" and event not in self._folders:
            return
        try:
            payload = _object({"data": load(data)}, "data")
            kind = payload.get("type", event)
            if kind == "error":
                self.error = data
            elif isinstance(kind, str) and kind in self._folders:
                self._folders[kind](payload)
        except ValueError as error:
            self.fault = str(error)

    def _start_message(self, payload: dict[str, Any]) -> None:
        if self._message is not None:
            raise ValueError("a message started twice")
        message = _object(payload, "message")
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self._blocks[index] = _Block(_object({"content_block": block}, "content_block"))
        self._message = message

    def _start_block(self, payload: dict[str, Any]) -> None:
        index = payload.get("index")
        if self._message is None or type(index) is not int or index in self._blocks:
            raise ValueError("a block started out of order")
        self._blocks[index] = _Block(_object(payload, "content_block"))

    def _extend_block(self, payload: dict[str, Any]) -> None:
        self._open_block(payload).extend(_object(payload, "delta"))
        self.has_content = True

    def _stop_block(self, payload: dict[str, Any]) -> None:
        self._open_block(payload).close()

    def _open_block(self, payload: dict[str, Any]) -> "_Block":
        index = payload.get("index")
        block = self._blocks.get(index) if type(index) is int else None
        if block is None:
            raise ValueError("a delta belongs to no block")
        return block

    def _extend_message(self, payload: dict[str, Any]) -> None:
        if self._message is None:
            raise ValueError("a message ended before it started")
        for key, value in _object(payload, "delta").items():
            if key not in _FIXED_KEYS:
                self._message[key] = value
        usage = payload.get("usage")
        if isinstance(usage, dict):
            self._has_total_usage = True
            known = self._message.get("usage")
            self._message["usage"] = _replaced(known if isinstance(known, dict) else {}, usage)

    def _stop_message(self, _payload: dict[str, Any]) -> None:
        # The usage of message_start is provisional, and too low for a price.
        if self._message is None or not self._has_total_usage:
            raise ValueError("a message stopped without its usage")
        blocks = [block.close() for _, block in sorted(self._blocks.items())]
        self._json = dump(self._message | {"content": blocks})


class _Block:
    """One content block and its deltas so far."""

    def __init__(self, start: dict[str, Any]) -> None:
        self._block = start
        self._pieces: dict[str, list[str]] = {}

    def extend(self, delta: dict[str, Any]) -> None:
        kind = delta.get("type")
        if kind == "signature_delta":
            self._block["signature"] = delta.get("signature")
        elif kind == "citations_delta":
            citations = self._block.get("citations")
            known = citations if isinstance(citations, list) else []
            self._block["citations"] = [*known, delta.get("citation")]
        elif isinstance(kind, str) and kind in _TEXT_OF_DELTA:
            source, target = _TEXT_OF_DELTA[kind]
            piece = delta.get(source)
            if not isinstance(piece, str):
                raise ValueError("a delta has no text")
            self._pieces.setdefault(target, []).append(piece)

    def close(self) -> dict[str, Any]:
        """Add the deltas to the block and return it; a second call changes nothing."""
        pieces, self._pieces = self._pieces, {}
        for key, parts in pieces.items():
            text = "".join(parts)
            if key == "partial_json":
                self._take_input(text)
            else:
                start = self._block.get(key)
                self._block[key] = (start if isinstance(start, str) else "") + text
        return self._block

    def _take_input(self, text: str) -> None:
        """Parse a tool's input; a fragment (max_tokens) is kept as text under ``partial_json``."""
        if not text:
            return
        try:
            self._block["input"] = load(text)
        except ValueError:
            self._block["partial_json"] = text


class _Lines:
    """Splits bytes into lines that end in LF, CR or CRLF, and keeps an incomplete line."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []
        self._is_after_cr = False
        self._is_first = True

    def feed(self, data: bytes) -> Iterator[bytes]:
        if self._is_after_cr and data.startswith(b"\n"):
            data, self._is_after_cr = data[1:], False
        if not data:
            return
        self._is_after_cr = data.endswith(b"\r")
        for piece in data.splitlines(keepends=True):
            self._rest.append(piece)
            if piece.endswith((b"\n", b"\r")):
                yield self._complete_line()

    def end(self) -> Iterator[bytes]:
        if self._rest:
            yield self._complete_line()

    def _complete_line(self) -> bytes:
        line = b"".join(self._rest).rstrip(b"\r\n")
        self._rest = []
        if self._is_first:
            self._is_first = False
            return line.removeprefix(_BOM)
        return line


def _object(payload: dict[str, Any], key: str) -> dict[str, Any]:
    value = payload.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"an event has no object under {key}")  # noqa: TRY004
    return value


def _replaced(known: dict[str, Any], later: dict[str, Any]) -> dict[str, Any]:
    """Replace totals by later totals; null means no change, not zero."""
    changes = {key: value for key, value in later.items() if value is not None or key not in known}
    return known | changes


def _is_json(data: bytes) -> bool:
    try:
        load(data)
    except ValueError:
        return False
    return True
