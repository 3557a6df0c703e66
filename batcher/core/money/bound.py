"""An upper bound on the cost of one attempt, computed before it is sent."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from decimal import Decimal
from functools import lru_cache
from typing import Any

from batcher.core.money.believable import OUTPUT_SLACK
from batcher.core.money.cost import US_MULTIPLIER, USD_PER_WEB_SEARCH
from batcher.core.money.exact import per_million, product, total
from batcher.core.money.prompt_bytes import call_bytes, json_bytes, text_bytes
from batcher.core.money.rates import ModelPrices, Rates
from batcher.core.request.cache_control import is_marked
from batcher.core.request.contents import Contents, contents_of
from batcher.core.request.image_size import Tier
from batcher.core.usage_fields import TTL
from batcher.errors import ConfigurationError

# Upper bounds on the tokens that the server adds to a prompt. The largest published prompt for
# tools has 804 tokens and the largest built-in tool 974. The prompts for structured output and for
# a plain request are described as small, without a number.
_HIDDEN_IN_EVERY_PROMPT = 100
_HIDDEN_FOR_TOOLS = 1_200
_HIDDEN_FOR_A_BUILT_IN_TOOL = 1_250
_HIDDEN_FOR_A_FORMAT = 1_200

_CACHED_LENGTHS = 4_096

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
    """A request whose cost has no upper bound because of the parameter ``key``."""

    def __init__(self, key: str, reason: str) -> None:
        super().__init__(f"the cost of a request with {key!r} has no upper bound: {reason}")
        self.key = key


@dataclass(frozen=True, slots=True)
class WorstCase:
    """The highest possible cost of one attempt in USD, and the longest possible prompt in tokens.

    ``ttl`` is the longest lifetime of its cache marks; None without marks, when it cannot write to
    the prompt cache. ``turns`` is how often the server may read the prompt: one time, and
    another one for each use of a tool that runs there.
    """

    usd: Decimal
    prompt_tokens: int
    ttl: TTL | None = None
    turns: int = 1


class Bound:
    """Computes an upper bound on the cost of one attempt, for requests with the same settings.

    The settings are all fields except ``messages`` and ``system``; everything that depends only on
    them is computed once. Raises ``UnboundedError`` when the settings alone make the cost
    unbounded. Each part of the cost is bounded separately:

    - Prompt: a token covers at least one byte of text, so a text has at most as many tokens as
      bytes. The JSON around each message has more bytes than the tokens that the server puts in its
      place. Image data is not text: an image counts the patches of its dimensions, or its tier's
      maximum when the dimensions cannot be read. The text of PDF pages is bounded only by the
      context window; the window bounds every prompt, because the API refuses a longer one and does
      not bill it. Tools, schemas and the inputs of tool calls count twice, because the server
      formats them again. A constant covers the prompts that the server adds. Two assumptions
      remain: that constant, which is only partly published, and the size that an image states in
      its first bytes.
    - Input rate: the highest of the kinds that can apply. Without a cache mark nothing is written
      to the cache; a write costs the rate of the mark's lifetime. All tokens have the long-prompt
      rates as soon as the bound on the prompt exceeds the threshold.
    - Output: ``max_tokens`` is a hard limit that includes thinking. A batch output beta only allows
      a higher ``max_tokens``.
    - Region: the higher price, unless the request says global: the workspace may have another
      default.
    - Speed: the fast rates, if fast mode is requested and they are higher. Without a known fast
      price the cost is unbounded.
    - Web search and fetch: with ``max_uses``, each use may read a whole context window again and
      write ``max_tokens`` again. Without it the cost is unbounded; so it is for tools that run for
      hours on the server, fallbacks, compaction and remote tool servers.

    The bound is for one attempt; each retry gets its own bound when it is sent. A request has at
    most ``retry.unknown_attempts`` billed attempts: a billed response ends it, and it is not sent
    again once this number of its attempts have an unknown billing status.
    """

    def __init__(
        self, settings: Mapping[str, Any], prices: ModelPrices, *, is_batch: bool = False
    ) -> None:
        for key in _UNBOUNDED_PARAMETERS:
            if settings.get(key):
                raise UnboundedError(key, "the request does not show all work of the server")
        if not is_batch and _is_fast(settings, prices) and prices.fast is None:
            raise UnboundedError("speed", "the price of fast mode is not known for this model")
        self._settings = settings
        self._prices = prices
        self._is_batch = is_batch
        self._uses, self._searches = _server_tool_uses(settings)
        self._hidden_tokens = _hidden_tokens(settings)
        self._output_tokens = _max_tokens(settings) + OUTPUT_SLACK
        # The rows of a job have few different lengths, and exact decimals are slow.
        self._usd_of = lru_cache(_CACHED_LENGTHS)(self._usd)

    def of(self, body: bytes, request: Mapping[str, Any], ttl: TTL | None = "1h") -> WorstCase:
        """Bound one request; ``UnboundedError`` when its cost has no bound.

        ``body`` is the request as bytes, ``request`` the same as values. ``ttl`` is the lifetime of
        the cache marks that batcher may add before sending, None when it adds none. These marks,
        and the block that a marked text becomes, are JSON around the prompt, not part of it.
        """
        prompt, longest = self._prompt_tokens(body, request), _longer(ttl, _ttl_of_marks(body))
        return self.worst_case(prompt, longest)

    def of_text(self, body: bytes, request: Mapping[str, Any]) -> Callable[[bytes], int] | None:
        """Return a function that bounds the prompts of requests like this one, from their bodies.

        The others may differ from it in the text of their single turn only. ``worst_case`` has the
        cost. None when more than the bytes of a body bounds such a request.
        """
        facts = self._prices.facts
        contents = contents_of(request, "high")
        if self._uses or contents != Contents() or is_marked(body):
            return None
        window = None if facts is None else facts.context_window
        hidden = self._hidden_tokens

        def prompt_tokens(body: bytes) -> int:
            tokens = text_bytes(body) + hidden
            return tokens if window is None or tokens < window else window

        return prompt_tokens

    def worst_case(self, prompt_tokens: int, ttl: TTL | None) -> WorstCase:
        """Return the cost of an attempt with a prompt of this length and these cache marks."""
        return WorstCase(self._usd_of(prompt_tokens, ttl), prompt_tokens, ttl, self._uses + 1)

    def with_more_tokens(self, worst: WorstCase, tokens: int) -> WorstCase:
        """Bound an attempt like ``worst`` whose prompt has ``tokens`` more tokens."""
        facts, prompt = self._prices.facts, worst.prompt_tokens + tokens
        prompt = prompt if facts is None else min(prompt, facts.context_window)
        return self.worst_case(prompt, worst.ttl)

    def _prompt_tokens(self, body: bytes, request: Mapping[str, Any]) -> int:
        facts = self._prices.facts
        window = None if facts is None else facts.context_window
        tier: Tier = "high" if facts is None else (facts.image_tier or "high")
        contents = contents_of(request, tier)
        if contents.has_upload:
            raise UnboundedError("messages", "an uploaded file may be of any size")
        if contents.has_pages or self._uses:
            if window is None:
                raise UnboundedError(
                    "messages", "PDFs and web tools need a model whose context is known"
                )
            return window
        tokens = text_bytes(body) - contents.image_bytes + self._hidden_tokens
        tokens += contents.image_tokens + call_bytes(body, request)
        return tokens if window is None else min(tokens, window)

    def _usd(self, prompt: int, ttl: TTL | None) -> Decimal:
        """Price a prompt of this length with the longest output and all uses of web tools."""
        turns = self._uses + 1
        rates = _rates(self._settings, self._prices, prompt, is_batch=self._is_batch)
        input_cost = product(prompt, rates.highest_input_rate(ttl), turns)
        tokens = total([input_cost, product(self._output_tokens, rates.output, turns)])
        is_us = self._prices.has_geo_price and self._settings.get("inference_geo") != "global"
        region = US_MULTIPLIER if is_us else Decimal(1)
        searches = product(self._searches, USD_PER_WEB_SEARCH)
        return total([per_million(product(tokens, region)), searches])


def worst_case(
    body: bytes,
    request: Mapping[str, Any],
    prices: ModelPrices,
    ttl: TTL | None = "1h",
    *,
    is_batch: bool = False,
) -> WorstCase:
    """Bound a single request: see ``Bound``."""
    return Bound(request, prices, is_batch=is_batch).of(body, request, ttl)


def _ttl_of_marks(body: bytes) -> TTL | None:
    """Return the longest lifetime of the marks in a body.

    Data that looks like a mark can make it too long, never too short.
    """
    if not is_marked(body):
        return None
    return "1h" if b'"1h"' in body else "5m"


def _longer(first: TTL | None, second: TTL | None) -> TTL | None:
    return "1h" if "1h" in (first, second) else first or second


def _hidden_tokens(request: Mapping[str, Any]) -> int:
    """Bound the tokens that the server adds: its own prompts, and definitions formatted again."""
    tools = _tools(request)
    output_config = request.get("output_config")
    output_format = output_config.get("format") if isinstance(output_config, Mapping) else None
    output_format = output_format or request.get("output_format")
    tokens = _HIDDEN_IN_EVERY_PROMPT
    if tools:
        built_in = sum(_kind(tool) != "custom" for tool in tools)
        tokens += _HIDDEN_FOR_TOOLS + _HIDDEN_FOR_A_BUILT_IN_TOOL * built_in + json_bytes(tools)
    if output_format:
        tokens += _HIDDEN_FOR_A_FORMAT + json_bytes(output_format)
    return tokens


def _tools(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    tools = request.get("tools") or []
    if not isinstance(tools, list | tuple) or not all(isinstance(tool, Mapping) for tool in tools):
        raise UnboundedError("tools", "it must be a list of objects")
    return list(tools)


def _kind(tool: Mapping[str, Any]) -> str:
    return str(tool.get("type") or "custom")


def _server_tool_uses(request: Mapping[str, Any]) -> tuple[int, int]:
    """Bound the number of server tool uses, and of the web searches among them."""
    uses = searches = 0
    for tool in _tools(request):
        kind = _kind(tool)
        if kind == "custom" or kind.startswith(_CLIENT_TOOLS):
            continue
        limit = tool.get("max_uses")
        if not kind.startswith(_SERVER_TOOLS_WITH_A_LIMIT):
            raise UnboundedError("tools", "nothing limits what this server tool adds or runs")
        if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
            raise UnboundedError("tools", "a web tool needs max_uses")
        uses += limit
        searches += limit if kind.startswith("web_search_") else 0
    return uses, searches


def _rates(
    request: Mapping[str, Any], prices: ModelPrices, prompt: int, *, is_batch: bool
) -> Rates:
    """Take for each kind of token the highest rate that can apply."""
    possible = [prices.batch if is_batch else prices.standard]
    if prices.long is not None and prompt > prices.long.threshold:
        possible.append(prices.long.batch if is_batch else prices.long.standard)
    if not is_batch and _is_fast(request, prices) and prices.fast is not None:
        possible.append(prices.fast)
    if len(possible) == 1:
        return possible[0]
    return Rates(
        *(max(getattr(rates, field.name) for rates in possible) for field in fields(Rates))
    )


def _is_fast(request: Mapping[str, Any], prices: ModelPrices) -> bool:
    ignores = prices.facts is not None and prices.facts.ignores_fast
    return request.get("speed") == "fast" and not ignores


def _max_tokens(request: Mapping[str, Any]) -> int:
    limit = request.get("max_tokens")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise UnboundedError("max_tokens", "it must be a whole number")
    return limit
