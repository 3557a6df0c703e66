"""The most that one attempt can cost, known before it is sent."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from batcher.core.money.cost import US_MULTIPLIER, USD_PER_WEB_SEARCH
from batcher.core.money.exact import per_million, product, total
from batcher.core.money.prices import ModelPrices, Rates
from batcher.core.request.cache_control import is_marked
from batcher.core.request.contents import contents_of
from batcher.core.request.image_size import Tier
from batcher.core.usage_fields import TTL
from batcher.errors import ConfigurationError

# Upper bounds on what the server adds to a prompt unseen, in tokens. The largest published
# prompt for tools has 804 tokens and the largest built-in tool 974; the ones for structured
# output and for a bare request are called small and not published.
_HIDDEN_IN_EVERY_PROMPT = 100
_HIDDEN_FOR_TOOLS = 1_200
_HIDDEN_FOR_A_BUILT_IN_TOOL = 1_250
_HIDDEN_FOR_A_FORMAT = 1_200

# An empty answer still counts 2 or 3 tokens, whatever max_tokens says.
_OUTPUT_SLACK = 8

# The most bytes that one escaped character (6 bytes, backslash-u) may become; see _text_bytes.
_BYTES_OF_AN_ESCAPE = 33

_LENGTHS_REMEMBERED = 4_096

_UNBOUNDED_PARAMETERS = (
    "compaction",
    "container",
    "context_management",
    "fallbacks",
    "mcp_servers",
    "thread",
)
_CLIENT_TOOLS = ("bash_", "text_editor_", "computer_", "memory_")
_SERVER_TOOLS_WITH_A_LIMIT = ("web_search_", "web_fetch_")


class UnboundedError(ConfigurationError):
    """A request whose cost has no upper bound; ``key`` is the parameter that is the cause."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"the cost of a request with {key!r} has no upper bound: {why}")
        self.key = key


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The most that one attempt can cost in USD, and the most tokens that its prompt can have.

    ``marks`` is how long what it may write into the prompt cache lives; None when it cannot.
    """

    usd: Decimal
    prompt_tokens: int
    marks: TTL | None = None


class Bound:
    """Bounds from above what one attempt may cost, for requests that share their settings.

    Those are all fields but ``messages`` and ``system``; what follows from them is worked out once.
    Raises ``UnboundedError`` when they alone leave the cost unbounded. Each part is bounded by
    itself:

    - Prompt: a token covers at least one byte of text, so there are at most as many as bytes;
      the JSON around each message is longer than the marks it stands for. Image data is no text:
      an image counts the patches of its dimensions, and its tier's maximum where they cannot be
      read. The text of a PDF's pages is bounded by nothing but the context window, which bounds
      every prompt, since a longer one is refused unbilled. Tools, schemas and what tools were
      called with count twice, as they are laid out anew. What the server adds unseen is added as a
      constant. Two things are taken on trust: that constant, of which only some is published, and
      what an image's own first bytes say of its size.
    - Input rate: the dearest kind that can apply. Nothing is written into the cache without a
      mark, and what is written costs what the mark's lifetime costs. The long-prompt rate of
      everything as soon as the bound passes its threshold.
    - Output: ``max_tokens`` is a hard ceiling that includes thinking. A batch output beta only
      raises what ``max_tokens`` may be.
    - Region: the dearer one unless the request says global, since a workspace may default to it.
    - Speed: the fast rate when asked for and dearer; without one nothing bounds the cost.
    - Web search and fetch: with ``max_uses`` each use may read a whole context window again and
      write ``max_tokens`` again. Without it, and for tools that run for hours on the server,
      for fallbacks, compaction and remote tool servers, nothing bounds the cost.

    It bounds one attempt: retries are bounded one by one, as each is sent. A request has no more
    billed attempts than ``retry.unknown_attempts``: one that was billed ends it, and it is not sent
    any more when so many may have been.
    """

    def __init__(
        self, settings: Mapping[str, Any], prices: ModelPrices, *, is_batch: bool = False
    ) -> None:
        for key in _UNBOUNDED_PARAMETERS:
            if settings.get(key):
                raise UnboundedError(key, "it lets the server run more than the request shows")
        if not is_batch and _is_fast(settings, prices) and prices.fast is None:
            raise UnboundedError("speed", "the price of fast answers is not known")
        self._settings = settings
        self._prices = prices
        self._is_batch = is_batch
        self._uses, self._searches = _server_tool_uses(settings)
        self._hidden_tokens = _hidden_tokens(settings)
        self._output_tokens = _max_tokens(settings) + _OUTPUT_SLACK
        # Rows of one job have few different lengths, and exact decimals take their time.
        self._usd_of = lru_cache(_LENGTHS_REMEMBERED)(self._usd)

    def of(self, body: bytes, request: Mapping[str, Any], marks: TTL | None = "1h") -> WorstCase:
        """Bound one request; ``UnboundedError`` when nothing does.

        ``body`` holds the bytes that are sent, ``request`` the same as values. ``marks`` is the
        lifetime of those that may be added to them for the prompt cache, None when none are. They,
        and the block that a marked text becomes, are JSON around the prompt and no part of it.
        """
        prompt, longest = self._prompt_tokens(body, request), _longer(marks, _own_marks(body))
        return WorstCase(self._usd_of(prompt, longest), prompt, longest)

    def grown(self, one: WorstCase, tokens: int) -> WorstCase:
        """Bound an attempt like another whose prompt has so many tokens more."""
        facts, prompt = self._prices.facts, one.prompt_tokens + tokens
        prompt = prompt if facts is None else min(prompt, facts.context_window)
        return WorstCase(self._usd_of(prompt, one.marks), prompt, one.marks)

    def _prompt_tokens(self, body: bytes, request: Mapping[str, Any]) -> int:
        facts = self._prices.facts
        window = None if facts is None else facts.context_window
        tier: Tier = "high" if facts is None else (facts.image_tier or "high")
        contents = contents_of(request, tier)
        if contents.has_upload:
            raise UnboundedError("messages", "an uploaded file may be of any size")
        if contents.has_pages or self._uses:
            if window is None:
                raise UnboundedError("messages", "PDFs and web tools need a model of known context")
            return window
        tokens = _text_bytes(body) - contents.image_bytes + self._hidden_tokens
        tokens += contents.image_tokens + _call_bytes(body, request)
        return tokens if window is None else min(tokens, window)

    def _usd(self, prompt: int, marks: TTL | None) -> Decimal:
        """Price a prompt of so many tokens with all that may come of it."""
        turns = self._uses + 1
        rates = _rates(self._settings, self._prices, prompt, is_batch=self._is_batch)
        read = product(prompt, rates.highest_input_rate(marks), turns)
        tokens = total([read, product(self._output_tokens, rates.output, turns)])
        is_us = self._prices.has_geo_price and self._settings.get("inference_geo") != "global"
        region = US_MULTIPLIER if is_us else Decimal(1)
        searches = product(self._searches, USD_PER_WEB_SEARCH)
        return total([per_million(product(tokens, region)), searches])


def worst_case(
    body: bytes,
    request: Mapping[str, Any],
    prices: ModelPrices,
    marks: TTL | None = "1h",
    *,
    is_batch: bool = False,
) -> WorstCase:
    """Bound one request by itself: see ``Bound``."""
    return Bound(request, prices, is_batch=is_batch).of(body, request, marks)


def _own_marks(body: bytes) -> TTL | None:
    """The longest lifetime of a request's own marks; its data may only make it too long."""
    if not is_marked(body):
        return None
    return "1h" if b'"1h"' in body else "5m"


def _longer(one: TTL | None, other: TTL | None) -> TTL | None:
    return "1h" if "1h" in (one, other) else one or other


def _text_bytes(body: bytes) -> int:
    """Count the bytes of a body's text, also once compound characters are spelled out.

    Compatibility normalisation, which earlier published tokenizers of these models did, makes
    some characters longer: a three-byte ligature of Arabic becomes 33 bytes.
    """
    escapes = body.count(b"\\u") * _BYTES_OF_AN_ESCAPE
    if body.isascii():
        return len(body) + escapes
    spelled = unicodedata.normalize("NFKC", body.decode("utf-8", "replace"))
    return max(len(body), len(spelled.encode("utf-8", "replace"))) + escapes


def _hidden_tokens(request: Mapping[str, Any]) -> int:
    """Bound what the server adds: its own prompts, and definitions laid out twice as widely."""
    tools = _tools(request)
    output_config = request.get("output_config")
    form = output_config.get("format") if isinstance(output_config, Mapping) else None
    form = form or request.get("output_format")
    tokens = _HIDDEN_IN_EVERY_PROMPT
    if tools:
        built_in = sum(_kind(tool) != "custom" for tool in tools)
        tokens += _HIDDEN_FOR_TOOLS + _HIDDEN_FOR_A_BUILT_IN_TOOL * built_in + _json_bytes(tools)
    if form:
        tokens += _HIDDEN_FOR_A_FORMAT + _json_bytes(form)
    return tokens


def _call_bytes(body: bytes, request: Mapping[str, Any]) -> int:
    """Count once more what tools were called with, since it is laid out anew as well."""
    if b'"input":' not in body:
        return 0
    messages = [one for one in request.get("messages") or () if isinstance(one, Mapping)]
    contents = [one["content"] for one in messages if isinstance(one.get("content"), list | tuple)]
    blocks = [block for content in contents for block in content if isinstance(block, Mapping)]
    return sum(_json_bytes(block["input"]) for block in blocks if "input" in block)


def _json_bytes(value: object) -> int:
    return len(json.dumps(value, default=str))


def _tools(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tools = request.get("tools") or []
    if not isinstance(tools, list | tuple) or not all(isinstance(tool, Mapping) for tool in tools):
        raise UnboundedError("tools", "it must be a list of objects")
    return list(tools)


def _kind(tool: Mapping[str, Any]) -> str:
    return str(tool.get("type") or "custom")


def _server_tool_uses(request: Mapping[str, Any]) -> tuple[int, int]:
    """Bound the uses of tools that the server runs, and the searches among them."""
    uses = searches = 0
    for tool in _tools(request):
        kind = _kind(tool)
        if kind == "custom" or kind.startswith(_CLIENT_TOOLS):
            continue
        limit = tool.get("max_uses")
        if not kind.startswith(_SERVER_TOOLS_WITH_A_LIMIT):
            raise UnboundedError("tools", "what a server tool adds or runs is not limited")
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
            raise UnboundedError("tools", "a web tool needs max_uses")
        uses += limit
        searches += limit if kind.startswith("web_search_") else 0
    return uses, searches


def _rates(
    request: Mapping[str, Any], prices: ModelPrices, prompt: int, *, is_batch: bool
) -> Rates:
    """Take the dearest rate that can apply, kind by kind."""
    possible = [prices.batch if is_batch else prices.standard]
    if prices.long is not None and prompt > prices.long.threshold:
        possible.append(prices.long.batch if is_batch else prices.long.standard)
    if not is_batch and _is_fast(request, prices) and prices.fast is not None:
        possible.append(prices.fast)
    if len(possible) == 1:
        return possible[0]
    return Rates(
        input=max(rates.input for rates in possible),
        output=max(rates.output for rates in possible),
        cache_write_5m=max(rates.cache_write_5m for rates in possible),
        cache_write_1h=max(rates.cache_write_1h for rates in possible),
        cache_read=max(rates.cache_read for rates in possible),
    )


def _is_fast(request: Mapping[str, Any], prices: ModelPrices) -> bool:
    ignores = prices.facts is not None and prices.facts.ignores_fast
    return request.get("speed") == "fast" and not ignores


def _max_tokens(request: Mapping[str, Any]) -> int:
    limit = request.get("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise UnboundedError("max_tokens", "it must be a whole number")
    return limit
