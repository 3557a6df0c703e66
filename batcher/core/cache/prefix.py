"""Names the prefixes of prompts, so that requests that share one are found."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

from batcher.core.cache.marks import Level, markable, shared_messages
from batcher.core.money.exact import product, total
from batcher.core.money.prices import PriceTable
from batcher.core.request.build import Request
from batcher.core.request.cache_control import is_marked
from batcher.core.request.canonical import canonical_json
from batcher.core.usage_fields import TTL

USES_TO_PAY = {"5m": 2, "1h": 3}
"""The number of uses from which an entry saves money, at the API's usual ratios: a write costs
1.25 or 2 times the input, a read at most a tenth."""

_PERSON = b"batcher-prefix01"

# Fields that are not part of a prefix. All others are, also parameters that are unknown here.
_NOT_IN_PREFIX = frozenset(
    {"max_tokens", "messages", "metadata", "stop_sequences", "temperature", "top_k", "top_p"}
)

# The rate at which a prefix is assumed to reach the model's minimum. Text has 2.5 to 4 bytes per
# token. So a prefix that is a little too short is marked in vain, which costs only the wait for one
# response, and dense text (code, digits, other scripts) is not missed.
_BYTES_PER_TOKEN = 2


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The names of a request's prefixes, 16 bytes each; None where nothing can be cached."""

    system: bytes | None = None
    messages: bytes | None = None

    def __iter__(self) -> Iterator[tuple[Level, bytes]]:
        if self.system is not None:
            yield Level.SYSTEM, self.system
        if self.messages is not None:
            yield Level.MESSAGES, self.messages

    def at(self, levels: Level) -> "Prefixes":
        """Return only the prefixes at these levels."""
        return Prefixes(
            self.system if Level.SYSTEM in levels else None,
            self.messages if Level.MESSAGES in levels else None,
        )

    @property
    def levels(self) -> Level:
        """The levels that have a prefix."""
        return reduce(or_, (level for level, _ in self), Level.NONE)

    @property
    def names(self) -> tuple[bytes, ...]:
        """The names, the one of the shorter prefix first."""
        return tuple(name for _, name in self)


NO_PREFIXES = Prefixes()


class PrefixNamer:
    """Names the prefixes of requests; ``ttl`` is the lifetime of their cache entries.

    A request gets no names if it has marks of its own, if the model's minimum is unknown, or if
    the cache saves nothing at the prices in use. The part before the messages is hashed once for
    consecutive requests that share it.
    """

    def __init__(self, prices: PriceTable, ttl: TTL) -> None:
        self._prices = prices
        self._ttl = ttl
        self._min_bytes_of: dict[str, int | None] = {}
        self._shared: dict[str, Any] | None = None
        self._hash = hashlib.blake2b(digest_size=16, person=_PERSON)
        self._prompt_bytes = 0

    def of(self, request: Request) -> Prefixes:
        """Return the names of the prefixes of a request."""
        fields, min_bytes = request.fields, self._min_bytes(request.model)
        if min_bytes is None or len(request.body) < min_bytes or is_marked(request.body):
            return NO_PREFIXES
        levels = markable(fields)
        if not levels:
            return NO_PREFIXES
        self._hash_shared(
            {key: value for key, value in fields.items() if key not in _NOT_IN_PREFIX}
        )
        system = messages = None
        if Level.SYSTEM in levels and self._prompt_bytes >= min_bytes:
            system = self._hash.digest()
        if Level.MESSAGES in levels:
            shared = canonical_json({"messages": shared_messages(fields["messages"])})
            if self._prompt_bytes + len(shared) >= min_bytes:
                hashed = self._hash.copy()
                hashed.update(shared)
                messages = hashed.digest()
        return Prefixes(system, messages)

    def _hash_shared(self, shared: dict[str, Any]) -> None:
        """Hash the part before the messages, unless the last request had the same."""
        if shared == self._shared:
            return
        self._shared = shared
        self._hash = hashlib.blake2b(canonical_json(shared), digest_size=16, person=_PERSON)
        prompt = {key: shared[key] for key in shared.keys() & {"system", "tools"}}
        self._prompt_bytes = len(canonical_json(prompt))

    def _min_bytes(self, model: str) -> int | None:
        """Return the length from which a prefix can be cached; None when no prefix can."""
        if model not in self._min_bytes_of:
            facts = self._prices.facts(model)
            is_cheaper = facts is not None and self._saves_money(model)
            self._min_bytes_of[model] = (
                facts.min_cacheable_tokens * _BYTES_PER_TOKEN if facts and is_cheaper else None
            )
        return self._min_bytes_of[model]

    def _saves_money(self, model: str) -> bool:
        """Return whether a write and the reads after it cost less than plain input each time."""
        rates, uses = self._prices.model(model).standard, USES_TO_PAY[self._ttl]
        write = rates.cache_write_1h if self._ttl == "1h" else rates.cache_write_5m
        cached = total([write, product(rates.cache_read, uses - 1)])
        return cached < product(rates.input, uses)
