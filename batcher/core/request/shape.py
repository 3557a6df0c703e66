"""What the API would not take as a request, whatever the model."""

from collections.abc import Mapping
from typing import Any

_ROLES = ("user", "assistant", "system")
_KEYS = {"role", "content"}


def shape_problem(fields: Mapping[str, Any]) -> str | None:
    """Say why the API would not take these fields; None when it may."""
    model, max_tokens, messages = (fields.get(key) for key in ("model", "max_tokens", "messages"))
    if not isinstance(model, str) or not model:
        return "the request names no model"
    if not isinstance(max_tokens, int) or isinstance(max_tokens, bool) or max_tokens < 0:
        return "the request's max_tokens must be a whole number"
    if not isinstance(messages, list) or not messages:
        return "the request's messages must be an array with at least one entry"
    for number, message in enumerate(messages, 1):
        if (problem := _turn_problem(message)) is not None:
            return f"message {number} {problem}"
    if "stream" in fields:
        return "the request must not say stream; api.stream decides"
    return None


def _turn_problem(message: object) -> str | None:
    if not isinstance(message, Mapping) or not message.keys() >= _KEYS:
        return "must be an object with a role and a content"
    if message["role"] not in _ROLES:
        return f"must have the role {', '.join(_ROLES[:-1])} or {_ROLES[-1]}"
    if message.keys() - _KEYS:
        return "has a key besides role and content, which the API does not take"
    if not isinstance(message["content"], str | list):
        return "must have a text or an array of blocks for its content"
    return None
