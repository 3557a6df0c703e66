"""Estimates the prompt tokens of a request from its text, images and documents."""

import base64
import binascii
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from batcher.core.cache.marks import Level, shared_messages
from batcher.core.estimate.tokens import NO_TEXT, TextTokens, text_token_pair, text_tokens
from batcher.core.request.image_size import Tier, image_tokens, tokens_of_source
from batcher.core.request.models import ModelFacts

# The markup of a request and of each message: small, and not published.
_REQUEST_TOKENS = 4
_MESSAGE_TOKENS = 3
# The documentation calls the prompt for structured output small.
_FORMAT_TOKENS = 40
# Published: 1,500 to 3,000 tokens of text per page, plus an image of the page.
_PAGE_TEXT_TOKENS = 2_250
_PAGE_PIXELS = (1_240, 1_754)
_ASSUMED_PIXELS = (1_000, 1_000)  # for an image behind a URL
_MAX_INFLATED = 32 * 1024 * 1024  # bytes of a PDF's compressed streams that are searched

# The tokens of the prompt that the API adds for tools: when a tool is optional, and when one is
# required (API documentation, 2026). By prefix of the model's name, the longest first.
_TOOL_PROMPTS: tuple[tuple[str, int, int], ...] = (
    ("claude-opus-4-8", 290, 410),
    ("claude-opus-4-7", 675, 804),
    ("claude-opus-4-6", 497, 589),
    ("claude-sonnet-4-6", 497, 589),
    ("claude-opus-4-5", 496, 588),
    ("claude-sonnet-4-5", 496, 588),
    ("claude-haiku-4-5", 496, 588),
    ("claude-sonnet-5-5", 286, 286),
    ("claude-sonnet-5", 354, 474),
    ("claude-opus-4", 313, 315),
    ("claude-sonnet-4", 313, 315),
    ("claude-3-5-haiku", 264, 355),
    ("claude-", 286, 406),
)
# Tool definitions outside the request, by prefix of the tool's type: old and new tokenizer.
_BUILT_IN_TOOLS = (("bash_", (244, 325)), ("text_editor_", (745, 974)))


@dataclass(frozen=True, slots=True)
class Prompt:
    """The estimated tokens of a prompt: uncertain ones of its text, and exact ones.

    PDF pages and images behind a URL cannot be inspected; they count as text, with its uncertainty.
    """

    text: TextTokens = NO_TEXT
    exact: int = 0

    def __add__(self, more: "Prompt") -> "Prompt":
        return Prompt(self.text + more.text, self.exact + more.exact)

    @property
    def total(self) -> float:
        """All tokens: read from the cache, written to it, or neither."""
        return self.text.total + self.exact

    @property
    def sigma(self) -> float:
        """The uncertainty of the estimate: the standard deviation of its logarithm."""
        return self.text.sigma * self.text.total / self.total if self.total else 0.0


class PromptRule:
    """Estimates the prompts of requests to one model; shared parts are estimated once.

    It does not use the answers so far: they correct the total later (``predict``).
    """

    def __init__(self, model: str, facts: ModelFacts | None) -> None:
        self._model = model
        self._tokenizer = "new" if facts is None else facts.tokenizer
        self._tier: Tier = "high" if facts is None else (facts.image_tier or "high")
        self._text = lru_cache(64)(self._of_text)
        self._shared: tuple[object, ...] | None = None
        self._shared_prompt = Prompt()

    def of(self, fields: Mapping[str, Any]) -> Prompt:
        """Estimate a whole prompt: tools, format, system and messages."""
        return self._before_messages(fields) + self._of_messages(fields.get("messages") or ())

    def of_turn(self, fields: Mapping[str, Any]) -> Callable[[str], tuple[float, float, float]]:
        """Return a function for requests that differ in the text of their single turn only.

        It estimates the whole prompt from that text: all its tokens, and those of its text, of
        ASCII and of other characters. The numbers are those of ``of``.
        """
        shared, tokenizer = self._before_messages(fields), self._tokenizer
        ascii_before, other_before = shared.text.ascii, shared.text.other
        exact = shared.exact + _MESSAGE_TOKENS

        def estimate(text: str) -> tuple[float, float, float]:
            plain, other = text_token_pair(text, tokenizer)
            plain, other = ascii_before + plain, other_before + other
            return plain + other + exact, plain, other

        return estimate

    def of_prefix(self, fields: Mapping[str, Any], level: Level) -> Prompt:
        """Estimate the part of a prompt that a mark at this level keeps in the prompt cache."""
        prefix = self._before_messages(fields)
        if Level.MESSAGES in level:
            prefix += self._of_messages(shared_messages(fields["messages"]))
        return prefix

    def _before_messages(self, fields: Mapping[str, Any]) -> Prompt:
        shared = tuple(fields.get(key) for key in ("tools", "tool_choice", "output_config"))
        if shared != self._shared:
            self._shared = shared
            self._shared_prompt = self._of_tools(*shared)
        return self._shared_prompt + self._of_content(fields.get("system") or "")

    def _of_tools(self, tools: Any, choice: Any, config: Any) -> Prompt:
        prompt = Prompt(exact=_REQUEST_TOKENS)
        output_format = config.get("format") if isinstance(config, Mapping) else None
        if output_format:
            is_object = isinstance(output_format, Mapping)
            schema = output_format.get("schema") if is_object else output_format
            prompt += Prompt(self._of_text(_json(schema)), _FORMAT_TOKENS)
        if tools:
            kind = choice.get("type") if isinstance(choice, Mapping) else None
            _, optional, required = next(row for row in _TOOL_PROMPTS if self._has_prefix(row[0]))
            prompt += Prompt(exact=required if kind in ("any", "tool") else optional)
            for tool in tools:
                prompt += Prompt(self._of_text(_json(_without_mark(tool))), self._of_built_in(tool))
        return prompt

    def _of_built_in(self, tool: Any) -> int:
        """Return the tokens of a built-in tool's definition (API documentation, 2026)."""
        kind = str(tool.get("type")) if isinstance(tool, Mapping) else ""
        counts = next((counts for name, counts in _BUILT_IN_TOOLS if kind.startswith(name)), (0, 0))
        return counts[self._tokenizer == "new"]

    def _has_prefix(self, name: str) -> bool:
        return self._model.startswith(name) or name == _TOOL_PROMPTS[-1][0]

    def _of_messages(self, messages: Sequence[Any]) -> Prompt:
        prompt = Prompt(exact=_MESSAGE_TOKENS * len(messages))
        for message in messages:
            prompt += self._of_content(message.get("content") or "")
        return prompt

    def _of_content(self, content: Any) -> Prompt:
        """Estimate a text, or nested content blocks."""
        if isinstance(content, str):
            return Prompt(self._text(content))
        prompt = Prompt()
        for block in content if isinstance(content, list | tuple) else [content]:
            prompt += self._of_block(block)
        return prompt

    def _of_block(self, block: Any) -> Prompt:
        if not isinstance(block, Mapping):
            return Prompt()
        source = block.get("source")
        match block.get("type"):
            case "text":
                return self._of_optional_text(block.get("text"))
            case "thinking":
                return self._of_optional_text(block.get("thinking"))
            case "image":
                tokens = tokens_of_source(source, self._tier)
                if tokens is None:
                    return Prompt(TextTokens(other=image_tokens(*_ASSUMED_PIXELS, self._tier)))
                return Prompt(exact=tokens)
            case "document":
                title = self._of_optional_text(block.get("title"))
                context = self._of_optional_text(block.get("context"))
                return title + context + self._of_document(source)
            case "tool_result" | "search_result":
                title = self._of_optional_text(block.get("title")) + Prompt(exact=_MESSAGE_TOKENS)
                return title + self._of_content(block.get("content") or "")
            case _:
                return Prompt(self._of_text(_json(_without_mark(block))))

    def _of_document(self, source: Any) -> Prompt:
        if not isinstance(source, Mapping):
            return Prompt()
        match source.get("type"):
            case "text":
                return self._of_optional_text(source.get("data"))
            case "content":
                return self._of_content(source.get("content") or "")
            case _:
                pages = pdf_pages(source)
                picture = image_tokens(*_PAGE_PIXELS, self._tier)
                return Prompt(TextTokens(_PAGE_TEXT_TOKENS * pages, picture * pages))

    def _of_optional_text(self, text: Any) -> Prompt:
        return Prompt(self._text(text)) if isinstance(text, str) else Prompt()

    def _of_text(self, text: str) -> TextTokens:
        return text_tokens(text, self._tokenizer)


def pdf_pages(source: Mapping[str, Any]) -> int:
    """Count the page objects of a PDF in base64; 1 when none can be found.

    The count is too low for encrypted files and for pages that old revisions hide. It is too high
    when the file still contains pages of old revisions.
    """
    data = source.get("data")
    if source.get("type") != "base64" or not isinstance(data, str):
        return 1
    try:
        raw = base64.b64decode(data)
    except (binascii.Error, ValueError):
        return 1
    return max(1, _count_pages(raw) + sum(map(_count_pages, _object_streams(raw))))


def _count_pages(raw: bytes) -> int:
    """Count page objects, but not page lists (/Pages) or page labels."""
    marks, place = 0, raw.find(b"/Page")
    while place >= 0:
        before, after = raw[max(0, place - 8) : place].rstrip(), raw[place + 5 : place + 6]
        marks += before.endswith(b"/Type") and not after.isalpha()
        place = raw.find(b"/Page", place + 5)
    return marks


def _object_streams(raw: bytes) -> Iterator[bytes]:
    """Decompress the object streams that most programs write since PDF 1.5."""
    place, left = raw.find(b"/ObjStm"), _MAX_INFLATED
    while place >= 0 and left > 0:
        start = raw.find(b"stream", place + 7)
        end = raw.find(b"endstream", start)
        if start < 0 or end < 0:
            return
        try:
            packed = raw[start + 6 : end].lstrip(b"\r\n")
            inflated = zlib.decompressobj().decompress(packed, left)
            left -= len(inflated)
            yield inflated
        except zlib.error:
            pass  # another compression, or encrypted: no pages can be found in it
        place = raw.find(b"/ObjStm", end)


def _without_mark(block: Any) -> Any:
    """Return a block or tool without its cache mark."""
    if not isinstance(block, Mapping):
        return block
    return {key: value for key, value in block.items() if key != "cache_control"}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
