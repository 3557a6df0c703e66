"""Reads the body of a new batch item by item, so that it is never in memory as a whole."""

import codecs
import json
from collections.abc import Iterator
from typing import Any, Protocol

from batcher.simulator.api_error import ApiError
from batcher.simulator.json_body import refuse_constant
from batcher.simulator.validation.shape import EXTRA, REQUIRED, mapping, record, refuse, text

CHUNK = 262_144
MAX_REQUESTS = 100_000
CUSTOM_ID = r"^[a-zA-Z0-9_-]{1,64}\Z"
ITEM = record({"custom_id": text(1, 64, CUSTOM_ID), "params": mapping})
_SPACES = " \t\n\r"


class Readable(Protocol):
    """What can be read in pieces."""

    def read(self, size: int, /) -> bytes:
        """Return up to ``size`` bytes; none at the end."""


def read_requests(file: Readable) -> Iterator[bytes]:
    """Yield the id of each item, a line feed and its JSON.

    Raise the API's error for a body that is refused at once: only the list, the ids and the type of
    ``params`` are checked here.
    """
    try:
        yield from _items(_Window(file))
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from error


def _items(window: "_Window") -> Iterator[bytes]:
    window.expect("{")
    has_requests = False
    is_more = not window.skip("}")
    while is_more:
        name, _ = window.value()
        window.expect(":")
        if name != "requests":
            raise refuse(str(name), EXTRA)
        has_requests = True
        yield from _list(window)
        is_more = window.goes_on("}")
    if window.peek():
        raise ValueError("extra data after the object")
    if not has_requests:
        raise refuse("requests", REQUIRED)


def _list(window: "_Window") -> Iterator[bytes]:
    if not window.skip("["):
        raise refuse("requests", "Input should be a valid list")
    if window.skip("]"):
        raise refuse("requests", "List should have at least 1 item")
    seen: set[str] = set()
    is_more = True
    while is_more:
        if len(seen) == MAX_REQUESTS:
            raise refuse("requests", f"List should have at most {MAX_REQUESTS} items")
        path = f"requests.{len(seen)}"
        item, raw = window.value()
        ITEM(item, path)
        if item["custom_id"] in seen:
            raise refuse(f"{path}.custom_id", "custom_id must be unique within the batch")
        seen.add(item["custom_id"])
        yield f"{item['custom_id']}\n{raw}".encode(errors="surrogatepass")
        is_more = window.goes_on("]")


class _Window:
    """The part of a JSON text that is being read."""

    def __init__(self, file: Readable) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder(parse_constant=refuse_constant)
        self._text = ""
        self._position = 0
        self._is_at_end = False

    def peek(self) -> str:
        """Skip white space and return the next character; empty at the end."""
        while True:
            while self._position < len(self._text) and self._text[self._position] in _SPACES:
                self._position += 1
            if self._position < len(self._text) or not self._fill():
                return self._text[self._position : self._position + 1]

    def skip(self, character: str) -> bool:
        """Go past the next character if it is this one."""
        is_next = self.peek() == character
        self._position += is_next
        return is_next

    def expect(self, character: str) -> None:
        """Go past the next character, which must be this one."""
        if not self.skip(character):
            raise ValueError(f"expected {character!r}, found {self.peek()!r}")

    def goes_on(self, closing: str) -> bool:
        """Go past a comma or the closing bracket, and return whether it was a comma."""
        if self.skip(closing):
            return False
        self.expect(",")
        if self.peek() == closing:
            raise ValueError(f"{closing!r} follows a comma")
        return True

    def value(self) -> tuple[Any, str]:
        """Return the next string or object and its JSON; a number may be cut, but is refused."""
        self.peek()
        while True:
            start = self._position
            try:
                value, end = self._json.raw_decode(self._text, start)
            except json.JSONDecodeError:
                if not self._fill():
                    raise
                continue
            self._position = end
            return value, self._text[start:end]

    def _fill(self) -> bool:
        """Read on, twice as much for a value that is larger than a chunk."""
        if self._is_at_end:
            return False
        rest = self._text[self._position :]
        data = self._file.read(max(CHUNK, len(rest)))
        self._is_at_end = not data
        self._text = rest + self._decoder.decode(data, final=not data)
        self._position = 0
        return True
