"""The rules of a conversation: order of roles, contents, images and tool results."""

from typing import Any

from batcher.simulator.billing.model_table import Model
from batcher.simulator.validation.content import BLANK
from batcher.simulator.validation.headers import NEWEST
from batcher.simulator.validation.shape import refuse

Json = dict[str, Any]
MAX_IMAGES = 600
MAX_IMAGES_SHORT_CONTEXT = 100
SHORT_CONTEXT = 200_000


def check_turns(messages: list[Json], model: Model, version: str) -> None:
    """Raise the API's error for the first violation."""
    if not messages:
        raise refuse("messages", "at least one message is required")
    if messages[0]["role"] == "assistant":
        raise refuse("messages", 'first message must use the "user" role')
    for index, message in enumerate(messages):
        _check_content(index, message, is_last=index == len(messages) - 1)
        if message["role"] == "system" and not model.accepts_system_role:
            raise refuse(f"messages.{index}.role", f"role 'system' is not supported on {model.id}")
        if version == NEWEST:
            _check_newest(index, message)
    _check_images(messages, model)
    _check_results(messages)


def _check_content(index: int, message: Json, *, is_last: bool) -> None:
    content, role = message["content"], message["role"]
    if not content and not (is_last and role == "assistant"):
        raise refuse(
            f"messages.{index}",
            "all messages must have non-empty content except for the optional final "
            "assistant message",
        )
    if isinstance(content, str) and content and not content.strip():
        raise refuse("messages", BLANK)


def _check_newest(index: int, message: Json) -> None:
    """Apply the rules that API version 2026-10-21 added."""
    if isinstance(message["content"], str):
        return
    for position, block in enumerate(message["content"]):
        path = f"messages.{index}.content.{position}"
        if block["type"] == "document" and message["role"] == "assistant":
            raise refuse(path, "`document` blocks are not allowed in assistant messages")
        if block["type"] == "text" and message["role"] == "user" and block.get("citations"):
            raise refuse(f"{path}.citations", "citations are not allowed in user messages")


def _check_images(messages: list[Json], model: Model) -> None:
    count = sum(
        block["type"] == "image"
        for message in messages
        if not isinstance(message["content"], str)
        for block in message["content"]
    )
    is_short = model.context_window <= SHORT_CONTEXT
    maximum = MAX_IMAGES_SHORT_CONTEXT if is_short else MAX_IMAGES
    if count > maximum:
        raise refuse("messages", f"too many images: {count} > {maximum} maximum")


def _check_results(messages: list[Json]) -> None:
    call_ids: list[str] = []
    for index, message in enumerate(messages):
        content = message["content"]
        blocks = [] if isinstance(content, str) else content
        results = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        missing = [call_id for call_id in call_ids if call_id not in results]
        if missing:
            raise refuse(
                f"messages.{index - 1}",
                "`tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding "
                "`tool_result` block in the next message.",
            )
        unexpected = [call_id for call_id in results if call_id not in call_ids]
        if unexpected:
            raise refuse(
                f"messages.{index}.content.0",
                f"unexpected `tool_use_id` found in `tool_result` blocks: {', '.join(unexpected)}. "
                "Each `tool_result` block must have a corresponding `tool_use` block in the "
                "previous message.",
            )
        call_ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
