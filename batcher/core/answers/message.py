"""What an answer's body says, read from bytes that nobody vouches for."""

import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batcher.core.answers.strict_json import load

# The API's messages may quote the input, and nothing tells which part is a quotation. A short
# message is enough to act on, and quotes little.
_MESSAGE_CHARACTERS = 300
_NAME_CHARACTERS = 100
_KEY = re.compile(r"sk-ant-[\w-]+")


class UnreadableMessage(ValueError):  # noqa: N818 - it is the message that is at fault
    """A body is not a message; says why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Message:
    """The parts of a message that a row is made of.

    ``text`` and ``thinking`` join all blocks of their type. ``tool_input`` is the JSON of the
    first tool call's input, or the fragment of it that ``max_tokens`` left, ``tool_use_id`` that
    call's. Text is fit for
    Parquet: lone surrogates became U+FFFD. ``usage`` is as the API gave it.
    """

    id: str | None
    model: str | None
    stop_reason: str | None
    stop_category: str | None
    text: str = field(repr=False)
    thinking: str = field(repr=False)
    tool_input: str | None = field(repr=False)
    has_output: bool
    usage: Mapping[str, Any] | None
    tool_use_id: str | None = None


@dataclass(frozen=True, slots=True)
class ApiError:
    """What an error's body says; ``type`` and ``message`` are empty when it says nothing.

    ``message`` is one line of at most 300 characters. It is the server's own wording, which may
    quote a part of the request: show it, but do not log it.
    """

    type: str
    message: str = field(repr=False)
    error_code: str | None
    request_id: str | None


def parse_message(body: bytes) -> Message:
    """Read a message, picking blocks by type; raises UnreadableMessage."""
    try:
        message = load(body)
    except ValueError as error:
        raise UnreadableMessage(f"the body is not a message: {error}") from None
    if not isinstance(message, dict) or message.get("type", "message") != "message":
        raise UnreadableMessage("the body is not a message: it has another type")
    blocks = _blocks(message)
    details = _optional(message, "stop_details", dict) or {}
    return Message(
        id=_optional_text(message, "id"),
        model=_optional_text(message, "model"),
        stop_reason=_optional_text(message, "stop_reason"),
        stop_category=_optional_text(details, "category"),
        text=_joined(blocks, "text"),
        thinking=_joined(blocks, "thinking"),
        tool_input=_tool_input(blocks),
        has_output=bool(blocks),
        usage=_optional(message, "usage", dict),
        tool_use_id=_tool_use_id(blocks),
    )


def parse_error(body: bytes) -> ApiError:
    """Read an error in the API's shape or another server's; never raises."""
    try:
        payload = load(body)
    except ValueError:
        described = f"an answer of {len(body):,} bytes without JSON" if body else ""
        return ApiError("", described, None, None)
    if not isinstance(payload, dict):
        return ApiError("", "", None, None)
    error = payload.get("error")
    if not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else _detail(payload)}
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    return ApiError(
        type=_clean(error.get("type"), _NAME_CHARACTERS),
        message=_clean(error.get("message"), _MESSAGE_CHARACTERS),
        error_code=_clean(error.get("code") if code is None else code, _NAME_CHARACTERS) or None,
        request_id=_clean(payload.get("request_id"), _NAME_CHARACTERS) or None,
    )


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise UnreadableMessage("the message's content is not a list of blocks")
    return blocks


def _joined(blocks: list[dict[str, Any]], kind: str) -> str:
    """Join the blocks of a kind; a text block holds ``text``, a thinking block ``thinking``."""
    texts = [block.get(kind) for block in blocks if block.get("type") == kind]
    if not all(isinstance(text, str) for text in texts):
        raise UnreadableMessage(f"a {kind} block has no {kind}")
    return _storable("".join(text for text in texts if isinstance(text, str)))


def _tool_input(blocks: list[dict[str, Any]]) -> str | None:
    for block in blocks:
        if block.get("type") == "tool_use":
            fragment = block.get("partial_json")
            if isinstance(fragment, str):
                return _storable(fragment)
            return _storable(_json_text(block.get("input")))
    return None


def _tool_use_id(blocks: list[dict[str, Any]]) -> str | None:
    for block in blocks:
        if block.get("type") == "tool_use" and isinstance(block.get("id"), str):
            return str(block["id"])
    return None


def _json_text(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except RecursionError:
        raise UnreadableMessage("a tool's input is nested too deep") from None


def _optional(holder: dict[str, Any], key: str, kind: type) -> Any:
    value = holder.get(key)
    if value is not None and not isinstance(value, kind):
        raise UnreadableMessage(f"the message's {key} has the wrong type")
    return value


def _optional_text(holder: dict[str, Any], key: str) -> str | None:
    value = _optional(holder, key, str)
    return None if value is None else _storable(value)


def _storable(text: str) -> str:
    """Replace lone surrogates, which neither Parquet nor UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _detail(payload: dict[str, Any]) -> Any:
    """Find the message where other servers put it: ``detail``, ``detail[0].msg``, ``message``."""
    detail = payload.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        # Only the verdict: such an entry also repeats the input.
        return detail[0].get("msg")
    return payload.get("message") if detail is None else detail


def _clean(value: Any, characters: int) -> str:
    """One line without control characters, keys or more than so many characters; "" for others."""
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        return ""
    text = value[: 10 * characters]
    text = "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)
    return _KEY.sub("***", " ".join(text.split()))[:characters]
