"""Finds the value in an answer: the JSON that was asked for, or the first object in a text."""

import json
from typing import Any

from batcher.core.answers.message import Message
from batcher.core.answers.strict_json import load

_MOST_STARTS = 50


class NoValueError(ValueError):
    """An answer holds no JSON value; the text says why, without quoting it."""


def value_of(message: Message) -> Any:
    """Read the value that a message answers with; NoValueError when there is none.

    A tool's input counts before the text. In a text the whole must be JSON, or hold one object, as
    in a code fence; numbers that JSON does not have are refused.
    """
    text = (message.tool_input or message.text or "").strip()
    if not text:
        raise NoValueError("the answer is empty")
    try:
        return load(text.encode())
    except (ValueError, RecursionError):
        return _in_text(text)


def _in_text(text: str) -> Any:
    """Find the first object in prose or a code fence."""
    decoder = json.JSONDecoder()
    start = text.find("{")
    for _ in range(_MOST_STARTS):
        if start < 0:
            break
        try:
            _, end = decoder.raw_decode(text, start)
            return load(text[start:end].encode())
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
    raise NoValueError("the answer holds no JSON object")
