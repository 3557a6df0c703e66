"""What a request's prompt begins with: named, so that requests that share it are found."""

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
"""From how many uses on an entry costs less than none at the API's multiples (write 1.25 or 2
times the input, read a tenth at most)."""

_PERSON = b"batcher-prefix01"

# What the cache does not look at. Whatever else differs counts as another prefix: a parameter
# nobody knows yet, too.
_NO_PART = frozenset(
    {"max_tokens", "messages", "metadata", "stop_sequences", "temperature", "top_k", "top_p"}
)

# A prefix is taken to reach the model's minimum when it would at this rate. Text has 2.5 to 4 bytes
# a token: so what is a little too short is marked in vain, which costs nothing but the wait for
# one answer, and dense text (code, digits, other scripts) is not missed.
_BYTES_PER_TOKEN = 2


@dataclass(frozen=True, slots=True)
class Prefixes:
    """The names of what a request begins with, 16 bytes each; None where nothing can be cached."""

    system: bytes | None = None
    messages: bytes | None = None

    def __iter__(self) -> Iterator[tuple[Level, bytes]]:
        if self.system is not None:
            yield Level.SYSTEM, self.system
        if self.messages is not None:
            yield Level.MESSAGES, self.messages

    def at(self, levels: Level) -> "Prefixes":
        """Those at some levels."""
        return Prefixes(
            self.system if Level.SYSTEM in levels else None,
            self.messages if Level.MESSAGES in levels else None,
        )

    @property
    def levels(self) -> Level:
        """At which levels there is one."""
        return reduce(or_, (level for level, _ in self), Level.NONE)

    @property
    def names(self) -> tuple[bytes, ...]:
        """The names, that of the shorter beginning first."""
        return tuple(name for _, name in self)


NO_PREFIXES = Prefixes()


class Namer:
    """Names the prefixes of requests; ``ttl`` is how long their entries are to live.

    Nothing is named that has marks of its own, asks a model whose minimum is not known, or cannot
    pay at the prices in force. What requests share besides messages is hashed once in a row.
    """

    def __init__(self, prices: PriceTable, ttl: TTL) -> None:
        self._prices = prices
        self._ttl = ttl
        self._least_bytes: dict[str, int | None] = {}
        self._shared: dict[str, Any] | None = None
        self._hash = hashlib.blake2b(digest_size=16, person=_PERSON)
        self._prompt_bytes = 0

    def of(self, request: Request) -> Prefixes:
        """Name what this request begins with."""
        fields, least = request.fields, self._least(request.model)
        if least is None or len(request.body) < least or is_marked(request.body):
            return NO_PREFIXES
        places = markable(fields)
        if not places:
            return NO_PREFIXES
        self._share({key: value for key, value in fields.items() if key not in _NO_PART})
        system = messages = None
        if Level.SYSTEM in places and self._prompt_bytes >= least:
            system = self._hash.digest()
        if Level.MESSAGES in places:
            shared = canonical_json({"messages": shared_messages(fields["messages"])})
            if self._prompt_bytes + len(shared) >= least:
                longer = self._hash.copy()
                longer.update(shared)
                messages = longer.digest()
        return Prefixes(system, messages)

    def _share(self, shared: dict[str, Any]) -> None:
        """Hash what comes before the messages, unless the last request had the same."""
        if shared == self._shared:
            return
        self._shared = shared
        self._hash = hashlib.blake2b(canonical_json(shared), digest_size=16, person=_PERSON)
        prompt = {key: shared[key] for key in shared.keys() & {"system", "tools"}}
        self._prompt_bytes = len(canonical_json(prompt))

    def _least(self, model: str) -> int | None:
        """The bytes from which a prefix of a model counts; None when none does."""
        if model not in self._least_bytes:
            facts = self._prices.facts(model)
            knows = facts is not None and self._pays(model)
            self._least_bytes[model] = (
                facts.min_cacheable_tokens * _BYTES_PER_TOKEN if facts and knows else None
            )
        return self._least_bytes[model]

    def _pays(self, model: str) -> bool:
        """Whether one write and the reads after it cost less than sending the prefix each time."""
        rates, uses = self._prices.model(model).standard, USES_TO_PAY[self._ttl]
        write = rates.cache_write_1h if self._ttl == "1h" else rates.cache_write_5m
        cached = total([write, product(rates.cache_read, uses - 1)])
        return cached < product(rates.input, uses)
