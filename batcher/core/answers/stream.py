"""Folds a streamed response into the message that the API sends without streaming; no I/O."""

from collections.abc import Callable, Iterator
from typing import Any

from batcher.core.answers.content_block import ContentBlock
from batcher.core.answers.strict_json import dump, load

_BOM = b"\xef\xbb\xbf"
_DONE = b"[DONE]"
# Names that say nothing about an event: its payload has the type.
_NAMELESS = frozenset({"", "message"})
# Fields that identify a message or come from elsewhere; a message_delta does not change them.
_FIXED_KEYS = frozenset({"id", "type", "role", "model", "content", "usage"})


class MessageFold:
    """Folds the server-sent events of one response; the bytes may be cut into any chunks.

    Usage in a stream is a running total, so later numbers replace earlier ones. Fields that a
    ``message_delta`` does not have (cache split, tier, geography, speed) stay as in
    ``message_start``. Unknown kinds of events and deltas are skipped and unknown kinds of blocks
    are kept, as the API's documentation of versions requires. What other servers do and what can
    mean only one thing is accepted: a start that is repeated, a text without a start, null for no
    text, ``[DONE]`` at the end, no usage.

    It never raises, even for invalid bytes. ``fault`` says why the stream is invalid, and quotes
    only names of fields.
    Everything after a fault, an error or the end is ignored.
    """

    def __init__(self) -> None:
        self.error: bytes | None = None
        self.fault: str | None = None
        self.has_content = False
        self._lines = _Lines()
        self._event = ""
        self._data: list[bytes] = []
        self._first_start: dict[str, Any] | None = None
        self._message: dict[str, Any] | None = None
        self._blocks: dict[int, ContentBlock] = {}
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
        is_known = event in self._folders or event in _NAMELESS or event == "error"
        try:
            if data.strip() == _DONE:
                self._take_done()
                return
            payload = _object({"data": load(data)}, "data")
            kind = payload.get("type", event)
            if kind == "error":
                self.error = data
            elif isinstance(kind, str) and kind in self._folders:
                self._folders[kind](payload)
        except ValueError as error:
            if is_known:
                self.fault = str(error)

    def _take_done(self) -> None:
        """Take the end mark of other APIs: once the stop reason is known, the message is whole."""
        if self._message is not None and self._message.get("stop_reason") is not None:
            self._stop_message({})

    def _start_message(self, payload: dict[str, Any]) -> None:
        message = _object(payload, "message")
        if self._first_start is not None:
            differing = _differing(self._first_start, message)
            if differing:
                raise ValueError(f"message_start came twice, with another {differing}")
            return
        self._first_start = message
        content = message.get("content")
        for index, block in enumerate(content if isinstance(content, list) else ()):
            self._blocks[index] = ContentBlock(_object({"content_block": block}, "content_block"))
        self._message = dict(message)

    def _start_block(self, payload: dict[str, Any]) -> None:
        index, start = _index(payload), _object(payload, "content_block")
        if self._message is None:
            raise ValueError("a content block started before message_start")
        if index is None:
            raise ValueError("a content block started without an index")
        known = self._blocks.get(index)
        if known is not None and not known.is_untouched(start):
            raise ValueError(f"content block {index} started twice, and the two differ")
        self._blocks.setdefault(index, ContentBlock(start))

    def _extend_block(self, payload: dict[str, Any]) -> None:
        delta = _object(payload, "delta")
        self._block_of(payload, delta).extend(delta)
        self.has_content = True

    def _stop_block(self, payload: dict[str, Any]) -> None:
        index = _index(payload)
        if index in self._blocks:
            self._blocks[index].close()

    def _block_of(self, payload: dict[str, Any], delta: dict[str, Any]) -> ContentBlock:
        """Return the block of a delta; a text or thinking block may begin with its first delta."""
        index = _index(payload)
        if self._message is None:
            raise ValueError("a delta came before message_start")
        if index is None:
            raise ValueError("a delta has no index of a content block")
        block = self._blocks.get(index)
        if block is None:
            block = ContentBlock.begun_by(delta)
            if block is None:
                raise ValueError(f"a delta belongs to content block {index}, which did not start")
            self._blocks[index] = block
        return block

    def _extend_message(self, payload: dict[str, Any]) -> None:
        if self._message is None:
            raise ValueError("message_delta came before message_start")
        for key, value in _object(payload, "delta").items():
            if key not in _FIXED_KEYS:
                self._message[key] = value
        usage = payload.get("usage")
        if isinstance(usage, dict):
            self._has_total_usage |= usage.get("output_tokens") is not None
            known = self._message.get("usage")
            self._message["usage"] = _replaced(known if isinstance(known, dict) else {}, usage)

    def _stop_message(self, _payload: dict[str, Any]) -> None:
        if self._message is None:
            raise ValueError("message_stop came before message_start")
        usage = self._message.get("usage")
        if isinstance(usage, dict) and not self._has_total_usage:
            # The output of message_start is provisional, and too low for a price.
            self._message["usage"] = usage | {"output_tokens": None}
        blocks = [block.close() for _, block in sorted(self._blocks.items())]
        self._json = dump(self._message | {"content": blocks})


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


def _index(payload: dict[str, Any]) -> int | None:
    index = payload.get("index")
    return index if type(index) is int else None


def _differing(first: dict[str, Any], second: dict[str, Any]) -> str:
    """Name what differs in two starts; "" when only the usage does, which is provisional anyway."""
    keys = (first.keys() | second.keys()) - {"usage"}
    differing = {key for key in keys if first.get(key) != second.get(key)}
    names = sorted(differing & _FIXED_KEYS)
    return " and ".join(names) or ("field" if differing else "")


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
