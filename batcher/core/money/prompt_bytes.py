"""Counts the bytes of a request that bound the tokens of its prompt."""

import json
import unicodedata
from collections.abc import Mapping
from typing import Any

# The longest normal form in bytes of one escaped character (backslash-u, 6 bytes): see text_bytes.
_BYTES_OF_AN_ESCAPE = 33


def text_bytes(body: bytes) -> int:
    """Count the bytes of a body's text: as it is or normalised, whichever is longer.

    Earlier published tokenizers of these models applied compatibility normalisation (NFKC), which
    makes some characters longer: a three-byte Arabic ligature becomes 33 bytes.
    """
    escapes = body.count(b"\\u") * _BYTES_OF_AN_ESCAPE
    if body.isascii():
        return len(body) + escapes
    text = body.decode("utf-8", "replace")
    if "\ufffd" not in text and unicodedata.is_normalized("NFKC", text):
        return len(body) + escapes
    normalised = unicodedata.normalize("NFKC", text)
    return max(len(body), len(normalised.encode("utf-8", "replace"))) + escapes


def call_bytes(body: bytes, request: Mapping[str, Any]) -> int:
    """Count the inputs of tool calls a second time, because the server formats them again."""
    if b'"input":' not in body:
        return 0
    messages = [turn for turn in request.get("messages") or () if isinstance(turn, Mapping)]
    contents = [turn.get("content") for turn in messages]
    lists = [content for content in contents if isinstance(content, list | tuple)]
    blocks = [block for content in lists for block in content if isinstance(block, Mapping)]
    return sum(json_bytes(block["input"]) for block in blocks if "input" in block)


def json_bytes(value: object) -> int:
    """Return the length of a value as JSON."""
    return len(json.dumps(value, default=str))
