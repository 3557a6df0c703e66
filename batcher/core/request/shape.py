"""Checks the shape of a request that the API requires, for every model."""

from collections.abc import Mapping
from typing import Any

_ROLES = ("user", "assistant", "system")
_KEYS = {"role", "content"}


def shape_problem(fields: Mapping[str, Any]) -> str | None:
    """Return why the API would not accept these fields; None when the shape is right."""
    model, max_tokens, messages = (fields.get(key) for key in ("model", "max_tokens", "messages"))
    if not isinstance(model, str) or not model:
        return "the request has no model"
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 0:
        return "the request's max_tokens must be a whole number"
    if not isinstance(messages, list) or not messages:
        return "the request's messages must be an array with at least one entry"
    for number, message in enumerate(messages, 1):
        if (problem := _turn_problem(message)) is not None:
            return f"message {number} {problem}"
    if "stream" in fields:
        return "the request must not set stream; use api.stream"
    return None


def _turn_problem(message: object) -> str | None:
    if not isinstance(message, Mapping) or not message.keys() >= _KEYS:
        return "must be an object with a role and a content"
    if message["role"] not in _ROLES:
        return f"must have the role {', '.join(_ROLES[:-1])} or {_ROLES[-1]}"
    if message.keys() - _KEYS:
        return "has a key other than role and content, which the API does not accept"
    if not isinstance(message["content"], str | list):
        return "must have a text or an array of blocks as its content"
    return None
