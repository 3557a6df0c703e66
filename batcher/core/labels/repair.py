"""Handles an answer that does not fit the schema: requests it again, keeps it, or fails it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from batcher.core.answers.message import Message
from batcher.core.answers.outcome import Outcome, Status, Verdict
from batcher.core.answers.strict_json import load
from batcher.core.labels.labels import TOOL_NAME, Labels, Via
from batcher.core.labels.verdict import Valid

OnInvalid = Literal["retry", "keep", "fail"]

MAX_COMPLAINT_BYTES = 600
_OVERHEAD_TOKENS = 400  # the text around a complaint, and the structure of two more messages

_CORRECTION = (
    "That answer does not fit the schema:\n{complaint}\n"
    "Give the whole answer again, changed so that it fits, and nothing else."
)


def validated(
    outcome: Outcome, labels: Labels, on_invalid: OnInvalid, repairs_left: int
) -> Outcome:
    """Validate the answer of a successful outcome; return any other outcome unchanged.

    An answer that was cut off or refused does not become invalid: a request with a complaint would
    not correct it.
    """
    if outcome.status not in (Status.SUCCEEDED, Status.EMPTY) or outcome.message is None:
        return outcome
    result = labels.validate(outcome.message)
    if isinstance(result, Valid):
        return outcome
    is_repaired = on_invalid == "retry" and repairs_left > 0
    if outcome.status is Status.EMPTY and not is_repaired:
        return outcome
    return replace(
        outcome,
        status=Status.INVALID,
        verdict=Verdict.RETRY if is_repaired else Verdict.FINAL,
        error_type="client.invalid_label",
        error_message=result.reason,
        complaint=result.complaint,
    )


def repair_request(fields: Mapping[str, Any], message: Message, complaint: str) -> dict[str, Any]:
    """Return the request for a corrected answer: the conversation so far, then the complaint.

    Thinking blocks are left out: they are bound to the model and the prefix that produced them,
    they would be billed as input, and the API accepts messages of text without them. A tool call
    is followed by its result, as the API demands. With manual thinking (``enabled``) the API
    requires thinking before a tool call, so the call is sent as text.
    """
    shortened = complaint.encode("utf-8", "replace")[:MAX_COMPLAINT_BYTES].decode(errors="ignore")
    correction = _CORRECTION.format(complaint=shortened)
    call = _tool_call(message)
    if call is None or _has_manual_thinking(fields):
        answer: Any = _sendable(message.tool_input or message.text.strip()) or "(no answer)"
        reply: Any = correction
    else:
        answer = [call]
        reply = [
            {
                "type": "tool_result",
                "tool_use_id": call["id"],
                "content": correction,
                "is_error": True,
            }
        ]
    turns = [{"role": "assistant", "content": answer}, {"role": "user", "content": reply}]
    return {**fields, "messages": [*fields["messages"], *turns]}


def max_growth_tokens(max_tokens: int, via: Via) -> int:
    """Return the most tokens that a repair adds to a prompt: an answer and a complaint.

    The input of a tool call is formatted again, so it counts twice.
    """
    return max_tokens * (2 if via == "tool" else 1) + MAX_COMPLAINT_BYTES + _OVERHEAD_TOKENS


def _sendable(text: str) -> str:
    """Replace lone surrogates, which a request cannot contain."""
    return text.encode("utf-8", "replace").decode()


def _tool_call(message: Message) -> dict[str, Any] | None:
    """Return the tool call of an answer as a block to send; None without a complete one."""
    if message.tool_use_id is None or message.tool_input is None:
        return None
    try:
        arguments = load(message.tool_input)
        json.dumps(arguments, ensure_ascii=False).encode()  # fails for a lone surrogate
    except ValueError:
        return None
    if not isinstance(arguments, dict):
        return None
    return {"type": "tool_use", "id": message.tool_use_id, "name": TOOL_NAME, "input": arguments}


def _has_manual_thinking(fields: Mapping[str, Any]) -> bool:
    thinking = fields.get("thinking")
    return isinstance(thinking, Mapping) and thinking.get("type") == "enabled"
