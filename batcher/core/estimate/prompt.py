"""How many prompt tokens a request has, as estimated from its text, images and documents."""

import base64
import binascii
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from batcher.core.cache.marks import Level, shared_messages
from batcher.core.estimate.tokens import NO_TEXT, TextTokens, text_tokens
from batcher.core.request.image_size import Tier, image_tokens, tokens_of_source
from batcher.core.request.models import ModelFacts

# A request's own marks, and those around each message: small, and not published.
_REQUEST_TOKENS = 4
_MESSAGE_TOKENS = 3
# What structured output adds unseen is called a small prompt.
_FORMAT_TOKENS = 40
# 1,500 to 3,000 tokens of text a page are published, besides a picture of the page.
_PAGE_TEXT_TOKENS = 2_250
_PAGE_PIXELS = (1_240, 1_754)
_UNSEEN_PIXELS = (1_000, 1_000)  # an image behind an address
_MOST_INFLATED = 32 * 1024 * 1024  # bytes that are looked through of a PDF's packed streams

# The prompt that tools add unseen, when a tool may be used and when one must be (API documentation,
# 2026); by the beginning of the model's name, the longest first.
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
# Definitions that are not in the request, by the beginning of a tool's type: old and new tokenizer.
_BUILT_IN_TOOLS = (("bash_", (244, 325)), ("text_editor_", (745, 974)))


@dataclass(frozen=True, slots=True)
class Prompt:
    """The estimated tokens of a prompt: of its text, and of what is counted exactly.

    PDF pages and images behind an address, which cannot be seen from here, count as text, so that
    they are as uncertain.
    """

    text: TextTokens = NO_TEXT
    counted: int = 0

    def __add__(self, more: "Prompt") -> "Prompt":
        return Prompt(self.text + more.text, self.counted + more.counted)

    @property
    def total(self) -> float:
        """All of them, whether they are read from the cache, written into it, or neither."""
        return self.text.total + self.counted

    @property
    def sigma(self) -> float:
        """How far the estimate may be off: the standard deviation of its logarithm."""
        return self.text.sigma * self.text.total / self.total if self.total else 0.0


class PromptRule:
    """Estimates the prompts of requests to one model; what many share is estimated once.

    It knows nothing of the answers so far: those correct it as a whole (``predict``).
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

    def of_prefix(self, fields: Mapping[str, Any], level: Level) -> Prompt:
        """Estimate what is kept in the prompt cache by a mark at this level."""
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
        prompt = Prompt(counted=_REQUEST_TOKENS)
        form = config.get("format") if isinstance(config, Mapping) else None
        if form:
            schema = form.get("schema") if isinstance(form, Mapping) else form
            prompt += Prompt(self._of_text(_json(schema)), _FORMAT_TOKENS)
        if tools:
            kind = choice.get("type") if isinstance(choice, Mapping) else None
            _, free, forced = next(row for row in _TOOL_PROMPTS if self._is_one(row[0]))
            prompt += Prompt(counted=forced if kind in ("any", "tool") else free)
            for tool in tools:
                prompt += Prompt(self._of_text(_json(_unmarked(tool))), self._of_built_in(tool))
        return prompt

    def _of_built_in(self, tool: Any) -> int:
        """What the API adds for a tool whose definition is its own (API documentation, 2026)."""
        kind = str(tool.get("type")) if isinstance(tool, Mapping) else ""
        counts = next((counts for name, counts in _BUILT_IN_TOOLS if kind.startswith(name)), (0, 0))
        return counts[self._tokenizer == "new"]

    def _is_one(self, name: str) -> bool:
        return self._model.startswith(name) or name == _TOOL_PROMPTS[-1][0]

    def _of_messages(self, messages: Sequence[Any]) -> Prompt:
        prompt = Prompt(counted=_MESSAGE_TOKENS * len(messages))
        for message in messages:
            prompt += self._of_content(message.get("content") or "")
        return prompt

    def _of_content(self, content: Any) -> Prompt:
        """Estimate a text, or blocks at any depth."""
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
                return self._of_words(block.get("text"))
            case "thinking":
                return self._of_words(block.get("thinking"))
            case "image":
                known = tokens_of_source(source, self._tier)
                if known is None:
                    return Prompt(TextTokens(other=image_tokens(*_UNSEEN_PIXELS, self._tier)))
                return Prompt(counted=known)
            case "document":
                named = self._of_words(block.get("title")) + self._of_words(block.get("context"))
                return named + self._of_document(source)
            case "tool_result" | "search_result":
                named = self._of_words(block.get("title")) + Prompt(counted=_MESSAGE_TOKENS)
                return named + self._of_content(block.get("content") or "")
            case _:
                return Prompt(self._of_text(_json(_unmarked(block))))

    def _of_document(self, source: Any) -> Prompt:
        if not isinstance(source, Mapping):
            return Prompt()
        match source.get("type"):
            case "text":
                return self._of_words(source.get("data"))
            case "content":
                return self._of_content(source.get("content") or "")
            case _:
                pages = pdf_pages(source)
                picture = image_tokens(*_PAGE_PIXELS, self._tier)
                return Prompt(TextTokens(_PAGE_TEXT_TOKENS * pages, picture * pages))

    def _of_words(self, text: Any) -> Prompt:
        return Prompt(self._text(text)) if isinstance(text, str) else Prompt()

    def _of_text(self, text: str) -> TextTokens:
        return text_tokens(text, self._tokenizer)


def pdf_pages(source: Mapping[str, Any]) -> int:
    """Count the pages of a PDF in base64 by their marks; 1 when there are none to see.

    Too few where the file is encrypted, or old revisions hide pages of it; too many where they are
    still in it.
    """
    data = source.get("data")
    if source.get("type") != "base64" or not isinstance(data, str):
        return 1
    try:
        raw = base64.b64decode(data)
    except (binascii.Error, ValueError):
        return 1
    return max(1, _page_marks(raw) + sum(map(_page_marks, _object_streams(raw))))


def _page_marks(raw: bytes) -> int:
    """Count the marks of pages, not those of lists of pages or of labels."""
    marks, place = 0, raw.find(b"/Page")
    while place >= 0:
        before, after = raw[max(0, place - 8) : place].rstrip(), raw[place + 5 : place + 6]
        marks += before.endswith(b"/Type") and not after.isalpha()
        place = raw.find(b"/Page", place + 5)
    return marks


def _object_streams(raw: bytes) -> Iterator[bytes]:
    """Inflate the streams that hold objects, as most programs write them since PDF 1.5."""
    place, left = raw.find(b"/ObjStm"), _MOST_INFLATED
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
            pass  # packed in another way, or encrypted: it shows no pages
        place = raw.find(b"/ObjStm", end)


def _unmarked(block: Any) -> Any:
    """A block or tool without its mark for the prompt cache."""
    if not isinstance(block, Mapping):
        return block
    return {key: value for key, value in block.items() if key != "cache_control"}


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
