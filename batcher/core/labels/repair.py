"""What becomes of an answer that is not what the schema wants: asked again, kept, or failed."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from batcher.core.answers.message import Message
from batcher.core.answers.outcome import Outcome, Status, Verdict
from batcher.core.answers.strict_json import load
from batcher.core.labels.labels import TOOL_NAME, Labels, Via
from batcher.core.labels.validation import Valid

OnInvalid = Literal["retry", "keep", "fail"]

MOST_COMPLAINT_BYTES = 600
_AROUND_TOKENS = 400  # what stands around a complaint, and the marks of two more turns

_ASKED_AGAIN = (
    "That answer does not fit the schema:\n{complaint}\n"
    "Give the whole answer again, changed so that it fits, and nothing else."
)


def judged(outcome: Outcome, labels: Labels, on_invalid: OnInvalid, repairs_left: int) -> Outcome:
    """Hold a good answer against the schema; any other outcome stays as it is.

    An answer that was cut off or refused is that, and not invalid: asking again with a complaint
    would not mend it.
    """
    if outcome.status is not Status.SUCCEEDED or outcome.message is None:
        return outcome
    found = labels.judged(outcome.message)
    if isinstance(found, Valid):
        return outcome
    again = on_invalid == "retry" and repairs_left > 0
    return replace(
        outcome,
        status=Status.INVALID,
        verdict=Verdict.RETRY if again else Verdict.FINAL,
        error_type="client.invalid_label",
        error_message=found.reason,
        complaint=found.complaint,
    )


def repaired(fields: Mapping[str, Any], message: Message, complaint: str) -> dict[str, Any]:
    """The request that asks again: the conversation so far, then what was wrong.

    Thinking blocks are left out. They are bound to the model and the prefix that made them, they
    would be paid for as input, and the API takes turns of text without them. A tool call is
    answered by its result, as the API demands. With manual thinking (``enabled``) the API wants
    such a turn to begin with its thinking, so that there the call is told as text.
    """
    told = complaint.encode("utf-8", "replace")[:MOST_COMPLAINT_BYTES].decode(errors="ignore")
    said = _ASKED_AGAIN.format(complaint=told)
    called = _call(message)
    if called is None or _thinks_by_hand(fields):
        answer: Any = _sendable(message.tool_input or message.text.strip()) or "(no answer)"
        reply: Any = said
    else:
        answer = [called]
        reply = [
            {
                "type": "tool_result",
                "tool_use_id": called["id"],
                "content": said,
                "is_error": True,
            }
        ]
    turns = [{"role": "assistant", "content": answer}, {"role": "user", "content": reply}]
    return {**fields, "messages": [*fields["messages"], *turns]}


def most_growth(max_tokens: int, via: Via) -> int:
    """How many tokens a prompt grows by at most when it is asked again: an answer, a complaint.

    What a tool was called with is laid out anew, and counts twice.
    """
    return max_tokens * (2 if via == "tool" else 1) + MOST_COMPLAINT_BYTES + _AROUND_TOKENS


def _sendable(text: str) -> str:
    """A text without lone surrogates, which no request can hold."""
    return text.encode("utf-8", "replace").decode()


def _call(message: Message) -> dict[str, Any] | None:
    """The tool call of an answer, to send it back; None when there is none that is whole."""
    if message.tool_use_id is None or message.tool_input is None:
        return None
    try:
        given = load(message.tool_input)
        json.dumps(given, ensure_ascii=False).encode()  # which a lone surrogate does not survive
    except ValueError:
        return None
    if not isinstance(given, dict):
        return None
    return {"type": "tool_use", "id": message.tool_use_id, "name": TOOL_NAME, "input": given}


def _thinks_by_hand(fields: Mapping[str, Any]) -> bool:
    thinking = fields.get("thinking")
    return isinstance(thinking, Mapping) and thinking.get("type") == "enabled"
