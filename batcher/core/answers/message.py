"""Parses the body of a response: a message or an error. The bytes may be anything."""

import contextlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from batcher.core.answers.strict_json import load, load_with_special_numbers

# The API's error messages may quote the input, and quotations cannot be recognised. A short
# message is enough to act on, and quotes little.
_MESSAGE_CHARACTERS = 300
_NAME_CHARACTERS = 100
_KEY = re.compile(r"sk-ant-[\w-]+")


class UnreadableMessage(ValueError):  # noqa: N818 - the name says what is wrong
    """A body is not a message; the reason does not quote it."""


@dataclass(frozen=True, slots=True)
class Message:
    """The parts of a message that the output uses.

    ``text`` and ``thinking`` join all blocks of their type; null is no text. ``tool_input`` is the
    JSON of the first tool call's input, or a fragment when ``max_tokens`` cut it off;
    ``tool_use_id`` is the id of that call. Parquet can store the text: lone surrogates are replaced
    by U+FFFD. ``usage`` is as the API sent it; None when it is no object.
    ``is_empty``: all blocks are thinking or blank text. ``has_special_numbers``: somewhere it holds
    NaN or an infinity, which JSON does not have, so that its content is not to be trusted.
    """

    id: str | None
    model: str | None
    stop_reason: str | None
    stop_category: str | None
    text: str = field(repr=False)
    thinking: str = field(repr=False)
    tool_input: str | None = field(repr=False)
    has_output: bool
    is_empty: bool
    usage: Mapping[str, Any] | None
    tool_use_id: str | None = None
    has_special_numbers: bool = False


@dataclass(frozen=True, slots=True)
class ApiError:
    """The error in a body; ``type`` and ``message`` are empty when the body has none.

    ``message`` is one line of at most 300 characters. It is the server's text, which may quote a
    part of the request: show it, but do not log it.
    ``has_api_form`` is whether the body has the form of the API's own errors.
    """

    type: str
    message: str = field(repr=False)
    error_code: str | None
    request_id: str | None
    has_api_form: bool = False


def parse_message(body: bytes) -> Message:
    """Parse a message; raises UnreadableMessage when the body is not a message."""
    message, has_special_numbers = _loaded(body)
    if not isinstance(message, dict) or message.get("type", "message") != "message":
        raise UnreadableMessage("the body is not a message: it has another type")
    blocks = _blocks(message)
    details, usage = _optional(message, "stop_details", dict) or {}, message.get("usage")
    return Message(
        id=_text_or_none(message.get("id")),
        model=_text_or_none(message.get("model")),
        stop_reason=_optional_text(message, "stop_reason"),
        stop_category=_optional_text(details, "category"),
        text=_joined(blocks, "text"),
        thinking=_joined(blocks, "thinking"),
        tool_input=None if has_special_numbers else _tool_input(blocks),
        has_output=bool(blocks),
        is_empty=not any(map(_is_content, blocks)),
        usage=usage if isinstance(usage, dict) else None,
        tool_use_id=_tool_use_id(blocks),
        has_special_numbers=has_special_numbers,
    )


def text_of_plain(body: bytes) -> str | None:
    """Return the text of a message with one block of text; None when it must be parsed.

    Then ``parse_message`` finds the same text, no thinking and no tool call, and does not raise.
    """
    try:
        message = load(body)
    except ValueError:
        return None
    if not isinstance(message, dict) or message.get("type", "message") != "message":
        return None
    blocks, reason = message.get("content"), message.get("stop_reason")
    if not isinstance(blocks, list) or len(blocks) != 1 or not isinstance(blocks[0], dict):
        return None
    text = blocks[0].get("text") if blocks[0].get("type") == "text" else None
    is_odd = message.get("stop_details") is not None or not isinstance(reason, str | None)
    return None if is_odd or not isinstance(text, str) else _storable(text)


def _loaded(body: bytes) -> tuple[Any, bool]:
    """Read JSON, and tell whether it holds numbers that JSON does not have; then it has a usage."""
    try:
        return load(body), False
    except ValueError as error:
        reason = error
    with contextlib.suppress(ValueError):
        message = load_with_special_numbers(body)
        if isinstance(message, dict) and isinstance(message.get("usage"), dict):
            return message, True
    raise UnreadableMessage(f"the body is not a message: {reason}")


def parse_error(body: bytes) -> ApiError:
    """Parse an error of the API or of another server; never raises."""
    try:
        payload = load(body)
    except ValueError:
        text = f"a response of {len(body):,} bytes that is not JSON" if body else ""
        return ApiError("", text, None, None)
    if not isinstance(payload, dict):
        return ApiError("", "", None, None)
    error = payload.get("error")
    has_api_form = payload.get("type") == "error" and _is_api_error(error)
    if not isinstance(error, dict):
        error = {"message": error if isinstance(error, str) else _detail(payload)}
    details = error.get("details")
    code = details.get("error_code") if isinstance(details, dict) else None
    return ApiError(
        type=_clean(error.get("type"), _NAME_CHARACTERS),
        message=_clean(error.get("message"), _MESSAGE_CHARACTERS),
        error_code=_clean(error.get("code") if code is None else code, _NAME_CHARACTERS) or None,
        request_id=_clean(payload.get("request_id"), _NAME_CHARACTERS) or None,
        has_api_form=has_api_form,
    )


def _is_api_error(error: Any) -> bool:
    """Whether it has a type and a message, as all errors of the API do."""
    return isinstance(error, dict) and all(
        isinstance(error.get(key), str) and error[key] for key in ("type", "message")
    )


def is_error_body(body: bytes) -> bool:
    """Return whether a body has the form of the API's errors."""
    try:
        content = load(body)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("type") == "error"


def _blocks(message: dict[str, Any]) -> list[dict[str, Any]]:
    blocks = message.get("content")
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise UnreadableMessage("the message's content is not a list of blocks")
    return blocks


def _is_content(block: dict[str, Any]) -> bool:
    """Return whether a block is a part of an answer: anything but thinking and blank text."""
    match block.get("type"):
        case "thinking" | "redacted_thinking":
            return False
        case "text":
            return bool(str(block.get("text") or "").strip())
    return True


def _joined(blocks: list[dict[str, Any]], kind: str) -> str:
    """Join the texts of all blocks of a kind; the key of the text is the name of the kind."""
    texts: list[str] = []
    for block in blocks:
        text = block.get(kind) if block.get("type") == kind else None
        if isinstance(text, str):
            texts.append(text)
        elif text is not None:
            raise UnreadableMessage(f"the {kind} of a {kind} block is not a text")
    return _storable("".join(texts))


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
        raise UnreadableMessage("the input of a tool call is nested too deeply") from None


def _optional(parent: dict[str, Any], key: str, kind: type) -> Any:
    value = parent.get(key)
    if value is not None and not isinstance(value, kind):
        raise UnreadableMessage(f"the message's {key} has the wrong type")
    return value


def _optional_text(parent: dict[str, Any], key: str) -> str | None:
    return _text_or_none(_optional(parent, key, str))


def _text_or_none(value: Any) -> str | None:
    """Return a text, or None for anything else: what only describes an answer never spoils it."""
    return _storable(value) if isinstance(value, str) else None


def _storable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode and Parquet cannot store."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _detail(payload: dict[str, Any]) -> Any:
    """Return the message where other servers put it: ``detail``, ``detail[0].msg``, ``message``."""
    detail = payload.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        # Only "msg": the entry also repeats the input.
        return detail[0].get("msg")
    return payload.get("message") if detail is None else detail


def _clean(value: Any, characters: int) -> str:
    """Return a value as one short line without control characters and keys; "" if not a text."""
    if type(value) is int:
        value = str(value)
    if not isinstance(value, str):
        return ""
    text = value[: 10 * characters]
    text = "".join(" " if unicodedata.category(char)[0] == "C" else char for char in text)
    return _KEY.sub("***", " ".join(text.split()))[:characters]
