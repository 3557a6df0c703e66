"""The answer to a request: content, stop reason and output tokens.

It follows from the seed, the body and the number of earlier equal requests. ``stream`` and cache
breakpoints do not change it. The last user message may contain markers, for tests and demos:

    [[refuse]] [[refuse:CATEGORY]]   the answer is a refusal
    [[truncate]]                     the answer is cut off at ``max_tokens``
    [[tokens:N]]                     the answer needs at least N output tokens
    [[invalid]]                      the answer breaks the schema of the request
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from batcher.simulator.billing.model_table import Model
from batcher.simulator.billing.prompt_tokens import text_tokens
from batcher.simulator.model.behaviour import Behaviour
from batcher.simulator.model.schema_in_prompt import schema_in_system_prompt, with_text_around
from batcher.simulator.model.schema_value import as_json_text
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.model.text import reply, sentence
from batcher.simulator.model.thinking import is_thinking, thinking_block, thinking_tokens

Json = dict[str, Any]

END_TOKENS = 2
CATEGORIES = ("cyber", "bio", "frontier_llm", "reasoning_extraction", "general_harms", None)
FREE_CATEGORIES = ("cyber", "general_harms", None)
PARTIAL_REFUSALS = 0.25
TOOL_USE_SHARE = 0.5
WINDOW_EXCEEDED = "model_context_window_exceeded"
_MARKER = re.compile(r"\[\[(refuse|truncate|tokens|invalid)(?::([a-z_0-9]+))?\]\]")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the model answered.

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


@dataclass(frozen=True)
class ModelInput:
    """One request as the model sees it.

    ``key`` identifies the body without cache breakpoints. ``available_tokens`` is what the context
    window has left for the answer. ``repetition`` is the number of earlier equal requests.
    """

    body: Json
    model: Model
    key: str
    available_tokens: int
    repetition: int = 0

    @cached_property
    def last_user_text(self) -> str:
        """The text blocks of the last user message, joined by newlines."""
        messages = [message for message in self.body["messages"] if message["role"] == "user"]
        return _text_of(messages[-1]) if messages else ""

    @cached_property
    def user_texts(self) -> str:
        """The texts of all user messages, joined by newlines."""
        messages = self.body["messages"]
        return "\n".join(_text_of(message) for message in messages if message["role"] == "user")

    @cached_property
    def markers(self) -> dict[str, str]:
        """The arguments of the markers in the last user message, by the marker's name."""
        text = self.last_user_text
        return dict(_MARKER.findall(text)) if "[[" in text else {}

    @property
    def output_schema(self) -> Json | None:
        """The schema of ``output_config.format``."""
        output_format = (self.body.get("output_config") or {}).get("format")
        return output_format["schema"] if output_format else None


def generate_answer(request: ModelInput, behaviour: Behaviour, seed: int) -> Answer:
    """Return the answer that the seed gives to a request."""
    is_new = behaviour.varies(seed, request.key, request.repetition)
    names = (request.key, str(request.repetition)) if is_new else (request.key,)
    rng = SeededRandom(seed, "answer", *names)
    if request.body["max_tokens"] == 0:
        return Answer((), "max_tokens", 0)
    if "refuse" in request.markers or rng.chance(behaviour.refusal_rate):
        return _refusal(request, rng)
    return _limited(_full_answer(request, behaviour, rng), request)


def _text_of(message: Json) -> str:
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


def _refusal(request: ModelInput, rng: SeededRandom) -> Answer:
    argument = request.markers.get("refuse") or None
    category = argument if argument in CATEGORIES[:-1] else rng.pick(CATEGORIES)
    details = {"type": "refusal", "category": category, "explanation": None}
    if category is not None:
        details["explanation"] = f"The request was declined under the {category} policy."
    max_tokens = request.body["max_tokens"]
    if rng.chance(PARTIAL_REFUSALS):
        text = sentence(rng)
        tokens = min(END_TOKENS + text_tokens(text, request.model.tokenizer), max_tokens)
        return Answer((_text_block(text),), "refusal", tokens, stop_details=details)
    is_free = category in FREE_CATEGORIES
    tokens = min(END_TOKENS, max_tokens)
    return Answer((), "refusal", tokens, stop_details=details, is_free=is_free)


def _full_answer(request: ModelInput, behaviour: Behaviour, rng: SeededRandom) -> Answer:
    """Return the whole answer, however long it is."""
    content: list[Json] = []
    thinking = 0
    if is_thinking(request.body, request.model):
        thinking = thinking_tokens(request.body, request.model, rng)
        content.append(thinking_block(request.body, request.model, rng, request.key))
    block = _answer_block(request, behaviour, rng)
    stop_reason, stop_sequence = "end_turn", None
    if block["type"] == "tool_use":
        stop_reason = "tool_use"
    else:
        stop_sequence = _first_stop_sequence(block["text"], request)
        if stop_sequence is not None:
            stop_reason = "stop_sequence"
            block["text"] = block["text"].partition(stop_sequence)[0]
    tokens = END_TOKENS + thinking + _visible_tokens(block, request.model)
    if block.get("text") != "":
        content.append(block)
    return Answer(tuple(content), stop_reason, tokens, thinking, stop_sequence)


def _answer_block(request: ModelInput, behaviour: Behaviour, rng: SeededRandom) -> Json:
    if "invalid" in request.markers:
        return _text_block("I would rather not answer in that form.")
    tool = _chosen_tool(request.body, rng)
    if tool is not None:
        return {
            "type": "tool_use",
            "id": f"toolu_01{request.key[:22]}",
            "name": tool["name"],
            "input": _tool_input(tool, request, behaviour, rng),
            "caller": {"type": "direct"},
        }
    schema = request.output_schema
    if schema is not None:
        return _text_block(as_json_text(behaviour.structured(schema, request.user_texts, rng)))
    schema = schema_in_system_prompt(request.body)
    if schema is not None:
        answer = as_json_text(behaviour.structured(schema, request.user_texts, rng))
        return _text_block(with_text_around(answer, rng))
    return _text_block(reply(request.last_user_text, rng))


def _tool_input(tool: Json, request: ModelInput, behaviour: Behaviour, rng: SeededRandom) -> Json:
    try:
        value = behaviour.structured(tool["input_schema"], request.user_texts, rng)
    except (LookupError, TypeError, ValueError, RecursionError):
        # The generator may not support the schema of a tool that is not strict.
        # A real model makes mistakes there, too.
        return {}
    return value if isinstance(value, dict) else {}


def _text_block(text: str) -> Json:
    return {"type": "text", "text": text, "citations": None}


def _chosen_tool(body: Json, rng: SeededRandom) -> Json | None:
    tools: list[Json] = body.get("tools") or []
    choice = body.get("tool_choice") or {"type": "auto"}
    if not tools or choice["type"] == "none":
        return None
    if choice["type"] == "tool":
        return next(tool for tool in tools if tool["name"] == choice["name"])
    if choice["type"] == "auto" and not rng.chance(TOOL_USE_SHARE):
        return None
    return rng.pick(tools)


def _first_stop_sequence(text: str, request: ModelInput) -> str | None:
    if request.output_schema is not None:
        return None
    sequences = [s for s in request.body.get("stop_sequences") or () if s in text]
    return min(sequences, key=text.index, default=None)


def _visible_tokens(block: Json, model: Model) -> int:
    if block["type"] == "tool_use":
        return text_tokens(block["name"] + as_json_text(block["input"]), model.tokenizer)
    return text_tokens(block["text"], model.tokenizer)


def _limited(full: Answer, request: ModelInput) -> Answer:
    """Cut the answer off at ``max_tokens`` and at the end of the context window."""
    max_tokens = request.body["max_tokens"]
    limit = min(max_tokens, request.available_tokens)
    needed = _needed_tokens(full, request.markers, limit)
    if needed <= limit:
        return replace(full, output_tokens=needed)
    reason = "max_tokens" if limit == max_tokens else WINDOW_EXCEEDED
    thinking = min(full.thinking_tokens, limit)
    visible = needed - full.thinking_tokens
    share = (limit - thinking) / visible if thinking < limit and visible else 0.0
    return Answer(tuple(_beginning(full.content, share)), reason, limit, thinking)


def _needed_tokens(full: Answer, markers: dict[str, str], limit: int) -> int:
    argument = markers.get("tokens", "")
    needed = max(full.output_tokens, int(argument) if argument.isdigit() else 0)
    return max(needed, limit + 1) if "truncate" in markers else needed


def _beginning(content: tuple[Json, ...], share: float) -> Iterator[Json]:
    """Yield the thinking whole, and a share of what follows it."""
    for block in content:
        if block["type"] == "thinking":
            yield block
        elif block["type"] == "text":
            text = block["text"][: int(len(block["text"]) * min(share, 0.9))]
            if text:
                yield _text_block(text)
        elif share:
            yield block | {"input": {}}
