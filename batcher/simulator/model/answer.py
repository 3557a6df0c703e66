"""The answer to a request: content, stop reason and output tokens, from the seed and the body.

``stream`` and cache marks do not change it. For tests and demos the last user message may hold
``[[refuse]]`` (or ``[[refuse:CATEGORY]]``), ``[[truncate]]``, ``[[tokens:N]]`` (the answer needs
at least N output tokens) and ``[[invalid]]`` (text that breaks the schema).
"""

import re
from dataclasses import dataclass
from typing import Any

from batcher.simulator.billing.model_table import Model
from batcher.simulator.billing.prompt_tokens import text_tokens
from batcher.simulator.model.behaviour import Mind
from batcher.simulator.model.schema_in_prompt import in_prose, schema_in_words
from batcher.simulator.model.schema_value import as_text
from batcher.simulator.model.seeded_random import Dice
from batcher.simulator.model.text import reply, sentence
from batcher.simulator.model.thinking import is_thinking, thinking_block, thinking_tokens

Json = dict[str, Any]

END_TOKENS = 2
CATEGORIES = ("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms", None)
FREE_CATEGORIES = ("cyber", None)
PARTIAL_REFUSALS = 0.25
TOOL_USE_SHARE = 0.5
WINDOW_EXCEEDED = "model_context_window_exceeded"
_MARKER = re.compile(r"\[\[(refuse|truncate|tokens|invalid)(?::([a-z_0-9]+))?\]\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model said.

    ``output_tokens`` includes ``thinking_tokens``. ``is_free`` marks a refusal before any output
    in a category that is not billed.
    """

    content: tuple[Json, ...]
    stop_reason: str
    output_tokens: int
    thinking_tokens: int = 0
    stop_sequence: str | None = None
    stop_details: Json | None = None
    is_free: bool = False


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as the model sees it: its body, its model, its last user text."""

    body: Json
    model: Model
    key: str
    prompt: str
    markers: dict[str, str]
    mind: Mind


def answer(  # noqa: PLR0913, PLR0917 - what an answer depends on
    body: Json, model: Model, key: str, seed: int, mind: Mind, room: int, times: int = 0
) -> Answer:
    """Give the answer this seed has for this body, asked so many times before.

    ``key`` names the body without cache marks; ``room`` is what the context window has left.
    """
    again = (str(times),) if mind.varies(seed, key, times) else ()
    dice = Dice(seed, "answer", key, *again)
    if body["max_tokens"] == 0:
        return Answer((), "max_tokens", 0)
    prompt = last_user_text(body)
    markers = dict(_MARKER.findall(prompt)) if "[[" in prompt else {}
    asked = Asked(body, model, key, prompt, markers, mind)
    if "refuse" in markers or dice.chance(mind.refusal_rate):
        return _refusal(asked, dice)
    return _cut(_full(asked, dice), asked, room)


def last_user_text(body: Json) -> str:
    """Join the text blocks of the last user message by line ends."""
    users = [message for message in body["messages"] if message["role"] == "user"]
    return _text_of(users[-1]) if users else ""


def user_texts(body: Json) -> str:
    """Join the texts of all user messages by line ends."""
    return "\n".join(_text_of(one) for one in body["messages"] if one["role"] == "user")


def _text_of(message: Json) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _refusal(asked: Asked, dice: Dice) -> Answer:
    named = asked.markers.get("refuse") or None
    category = named if named in CATEGORIES[:-1] else dice.pick(CATEGORIES)
    details = {"type": "refusal", "category": category, "explanation": None}
    if category is not None:
        details["explanation"] = f"The request was declined under the {category} policy."
    if dice.chance(PARTIAL_REFUSALS):
        text = sentence(dice)
        tokens = END_TOKENS + text_tokens(text, asked.model.tokenizer)
        tokens = min(tokens, asked.body["max_tokens"])
        content = (_text(text),)
        return Answer(content, "refusal", tokens, stop_details=details)
    tokens = min(END_TOKENS, asked.body["max_tokens"])
    is_free = category in FREE_CATEGORIES
    return Answer((), "refusal", tokens, stop_details=details, is_free=is_free)


def _full(asked: Asked, dice: Dice) -> Answer:
    content: list[Json] = []
    thought = 0
    if is_thinking(asked.body, asked.model):
        thought = thinking_tokens(asked.body, asked.model, dice)
        content.append(thinking_block(asked.body, asked.model, dice, asked.key))
    block = _block(asked, dice)
    stop_reason, stop_sequence = "end_turn", None
    if block["type"] == "tool_use":
        stop_reason = "tool_use"
    else:
        found = _stopped(block["text"], asked.body)
        if found is not None:
            stop_reason, stop_sequence = "stop_sequence", found
            block["text"] = block["text"].partition(found)[0]
    tokens = END_TOKENS + thought + _visible_tokens(block, asked.model)
    if block.get("text") != "":
        content.append(block)
    return Answer(tuple(content), stop_reason, tokens, thought, stop_sequence)


def _block(asked: Asked, dice: Dice) -> Json:
    if "invalid" in asked.markers:
        return _text("I would rather not answer in that form.")
    tool = _chosen_tool(asked.body, dice)
    if tool is not None:
        return {
            "type": "tool_use",
            "id": f"toolu_01{asked.key[:22]}",
            "name": tool["name"],
            "input": _input(tool, asked, dice),
            "caller": {"type": "direct"},
        }
    output_format = (asked.body.get("output_config") or {}).get("format")
    if output_format:
        return _text(
            as_text(asked.mind.structured(output_format["schema"], user_texts(asked.body), dice))
        )
    schema = schema_in_words(asked.body)
    if schema is not None:
        made = asked.mind.structured(schema, user_texts(asked.body), dice)
        return _text(in_prose(as_text(made), dice))
    return _text(reply(asked.prompt, dice))


def _input(tool: Json, asked: Asked, dice: Dice) -> Json:
    try:
        made = asked.mind.structured(tool["input_schema"], user_texts(asked.body), dice)
    except (LookupError, TypeError, ValueError, RecursionError):
        # The schema of a tool that is not strict may be beyond us; a model errs there too.
        return {}
    return made if isinstance(made, dict) else {}


def _text(text: str) -> Json:
    return {"type": "text", "text": text, "citations": None}


def _chosen_tool(body: Json, dice: Dice) -> Json | None:
    tools: list[Json] = body.get("tools") or []
    choice = body.get("tool_choice") or {"type": "auto"}
    if not tools or choice["type"] == "none":
        return None
    if choice["type"] == "tool":
        return next(tool for tool in tools if tool["name"] == choice["name"])
    if choice["type"] == "auto" and not dice.chance(TOOL_USE_SHARE):
        return None
    return dice.pick(tools)


def _stopped(text: str, body: Json) -> str | None:
    if (body.get("output_config") or {}).get("format"):
        return None
    found = [s for s in body.get("stop_sequences") or () if s in text]
    return min(found, key=text.index, default=None)


def _visible_tokens(block: Json, model: Model) -> int:
    if block["type"] == "tool_use":
        return text_tokens(block["name"] + as_text(block["input"]), model.tokenizer)
    return text_tokens(block["text"], model.tokenizer)


def _wanted(markers: dict[str, str]) -> int:
    number = markers.get("tokens", "")
    return int(number) if number.isdigit() else 0


def _cut(full: Answer, asked: Asked, room: int) -> Answer:
    """Hold the answer to ``max_tokens`` and to the context window, thinking first."""
    most = min(asked.body["max_tokens"], room)
    reason = "max_tokens" if most == asked.body["max_tokens"] else WINDOW_EXCEEDED
    needed = max(full.output_tokens, _wanted(asked.markers))
    if "truncate" in asked.markers:
        needed = max(needed, most + 1)
    if needed <= most:
        return Answer(full.content, full.stop_reason, needed, full.thinking_tokens,
                      full.stop_sequence, full.stop_details)  # fmt: skip
    thought = min(full.thinking_tokens, most)
    kept = [block for block in full.content if block["type"] == "thinking"]
    visible = needed - full.thinking_tokens
    share = (most - thought) / visible if thought < most and visible else 0.0
    for block in full.content:
        if block["type"] == "text":
            text = block["text"][: int(len(block["text"]) * min(share, 0.9))]
            kept += [_text(text)] if text else []
        elif block["type"] == "tool_use" and share:
            kept.append(block | {"input": {}})
    return Answer(tuple(kept), reason, most, thought)
