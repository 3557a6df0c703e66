"""Reads the usage that the API reports, so strictly that no billed kind is missed."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batcher.core.money.exact import MAX_COUNT
from batcher.core.money.known_counts import COUNTED, PATHS, has_only_counts
from batcher.core.money.usage_problems import (
    ImpossibleUsageError,
    UnknownUsageError,
    UsageError,
)
from batcher.core.usage_fields import BILLED_FIELDS, TTL

MIXED = "mixed"
_OBJECT = (dict, Mapping)  # a dict is recognised at once, another mapping slowly

_CACHE_TOTALS = ("cache_creation_input_tokens", "cache_read_input_tokens")
_CACHE_WRITES = (
    "cache_creation_input_tokens",
    "cache_creation.ephemeral_5m_input_tokens",
    "cache_creation.ephemeral_1h_input_tokens",
)
_FREE = ("server_tool_use.web_fetch_requests",)
# What a gateway says about money, such as cost, total_cost or cost_details.upstream: a sum of
# dollars is not a kind of token, and the gateway's price is not the API's.
_COST = re.compile(r"(?:^|[._])costs?(?:$|[._])", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Usage:
    """The billed quantities of one response, and the tier, region and speed that set their rates.

    ``thinking_tokens`` are a part of ``output_tokens``, for information only. They and
    ``service_tier``, ``inference_geo`` and ``speed`` are None when the API does not report them.
    """

    input_tokens: int
    output_tokens: int
    cache_creation_5m_input_tokens: int = 0
    cache_creation_1h_input_tokens: int = 0
    cache_read_input_tokens: int = 0
    thinking_tokens: int | None = None
    web_search_requests: int = 0
    service_tier: str | None = None
    inference_geo: str | None = None
    speed: str | None = None

    @property
    def prompt_tokens(self) -> int:
        """The whole prompt: uncached, written to the cache and read from it."""
        return (
            self.input_tokens
            + self.cache_creation_5m_input_tokens
            + self.cache_creation_1h_input_tokens
            + self.cache_read_input_tokens
        )

    def __add__(self, other: "Usage") -> "Usage":
        """Sum for a report; never price a sum, because each response has the rates of its length.

        Tiers, regions and speeds that differ become "mixed". Thinking tokens sum over the responses
        that report them.
        """
        sums: dict[str, Any] = {
            field: getattr(self, field) + getattr(other, field)
            for field in (*BILLED_FIELDS, "web_search_requests")
        }
        return Usage(
            **sums,
            thinking_tokens=_sum_of_reported(self.thinking_tokens, other.thinking_tokens),
            service_tier=_same_or_mixed(self.service_tier, other.service_tier),
            inference_geo=_same_or_mixed(self.inference_geo, other.inference_geo),
            speed=_same_or_mixed(self.speed, other.speed),
        )


def parse_usage(
    raw: Mapping[str, object],
    *,
    cache_ttl: TTL = "5m",
    free_fields: Collection[str] = (),
) -> Usage:
    """Read the ``usage`` object of a response; ``UsageError`` instead of a guess.

    ``cache_ttl`` is the lifetime in the request: cache writes that the response does not split by
    lifetime count as this one. ``free_fields`` are dotted paths (or their first parts) of fields
    that may hold numbers and cost nothing.

    Unknown fields with a number above zero, at any depth, raise ``UnknownUsageError``, because
    they could be new kinds that are billed; only sums of dollars cannot. The same holds for code
    executions, which are billed by container hours that usage does not report, and for several
    entries of ``iterations``: the top-level numbers then lack compactions, and fallback attempts
    have the rates of other models.
    """
    if not has_only_counts(raw):
        _refuse_unknown(raw, free_fields)
    written_5m, written_1h = _cache_writes(raw, cache_ttl)
    usage = Usage(
        input_tokens=_required(raw, "input_tokens"),
        output_tokens=_required(raw, "output_tokens"),
        cache_creation_5m_input_tokens=written_5m,
        cache_creation_1h_input_tokens=written_1h,
        cache_read_input_tokens=_count(raw, "cache_read_input_tokens") or 0,
        thinking_tokens=_count(raw, "output_tokens_details.thinking_tokens"),
        web_search_requests=_count(raw, "server_tool_use.web_search_requests") or 0,
        service_tier=_word(raw, "service_tier"),
        inference_geo=_word(raw, "inference_geo"),
        speed=_word(raw, "speed"),
    )
    if not _is_free("iterations", free_fields):
        _check_iterations(raw, cache_ttl, free_fields)
    return usage


def _refuse_unknown(raw: Mapping[str, object], free_fields: Collection[str]) -> None:
    # not (number <= 0) rather than number > 0, so that NaN is refused too
    numbers = {path: number for path, number in _numbers(raw) if not number <= 0}
    unknown = sorted(path for path in numbers if not _is_known(path, free_fields))
    if unknown == ["total_tokens"] and numbers["total_tokens"] in _totals(numbers):
        return
    if unknown:
        raise UnknownUsageError(unknown[0], others=unknown[1:])


def _is_known(path: str, free_fields: Collection[str]) -> bool:
    is_free = path in _FREE or _COST.search(path) is not None or _is_free(path, free_fields)
    return path in COUNTED or is_free


def _totals(numbers: Mapping[str, int | float | Decimal]) -> tuple[int | float | Decimal, ...]:
    """Return the sums of the tokens, without and with the cached ones."""
    fields = ("input_tokens", "output_tokens", *_CACHE_TOTALS)
    first, second, *cached = (int(numbers.get(field, 0)) for field in fields)
    return first + second, first + second + sum(cached)


def _numbers(raw: Mapping[str, object]) -> Iterable[tuple[str, int | float | Decimal]]:
    """Yield every number in a usage object except in ``iterations``, with its dotted path."""
    pending: list[tuple[str, object]] = [
        (_escaped(key), value) for key, value in raw.items() if key != "iterations"
    ]
    while pending:
        path, value = pending.pop()
        if isinstance(value, Mapping):
            pending.extend((f"{path}.{_escaped(key)}", inner) for key, inner in value.items())
        elif isinstance(value, list | tuple):
            pending.extend((path, inner) for inner in value)
        elif isinstance(value, Decimal) and value.is_nan():
            yield path, float("nan")  # a signalling NaN cannot even be compared
        elif isinstance(value, int | float | Decimal) and not isinstance(value, bool):
            yield path, value


def _escaped(key: str) -> str:
    """Escape dots, so that a key cannot look like the path of a known field."""
    return key.replace(".", "\\.")


def _is_free(path: str, free_fields: Collection[str]) -> bool:
    return any(path == free or path.startswith(f"{free}.") for free in free_fields)


def cache_split_problem(raw: Mapping[str, object]) -> str | None:
    """Say that the split of cache writes by lifetime does not add up; None when it does."""
    whole, written_5m, written_1h = (_count(raw, path) for path in _CACHE_WRITES)
    is_split = written_5m is not None or written_1h is not None
    if whole is None or not is_split or whole == (written_5m or 0) + (written_1h or 0):
        return None
    return (
        "usage field 'cache_creation' does not add up to cache_creation_input_tokens; the larger "
        "number is priced, and the difference as written for 1 hour"
    )


def _cache_writes(raw: Mapping[str, object], cache_ttl: TTL) -> tuple[int, int]:
    """Return the tokens written for 5 minutes and for 1 hour.

    Of two numbers that disagree the larger one counts, and the difference at the higher rate.
    """
    whole, written_5m, written_1h = (_count(raw, path) for path in _CACHE_WRITES)
    if written_5m is None and written_1h is None:
        return (whole or 0, 0) if cache_ttl == "5m" else (0, whole or 0)
    short, long = written_5m or 0, written_1h or 0
    return short, long + max(0, (whole or 0) - short - long)


def _check_iterations(
    raw: Mapping[str, object], cache_ttl: TTL, free_fields: Collection[str]
) -> None:
    entries = raw.get("iterations")
    if entries is None:
        return
    if not isinstance(entries, list | tuple):
        raise UsageError("iterations", "must be a list")
    if len(entries) > 1:
        raise UnknownUsageError("iterations", "has several entries, which cannot be priced")
    for entry in entries:
        if not isinstance(entry, Mapping):
            raise UsageError("iterations", "must hold objects")
        if not _agrees(entry, {**raw, "iterations": None}, cache_ttl, free_fields):
            raise UnknownUsageError("iterations", "differs from the top level")


def _agrees(
    entry: Mapping[str, object],
    raw: Mapping[str, object],
    cache_ttl: TTL,
    free_fields: Collection[str],
) -> bool:
    """Whether an iteration equals the top level; it may leave fields out."""
    if "iterations" in entry:
        return False
    merged = {**raw, **{key: value for key, value in entry.items() if value is not None}}
    whole = parse_usage(raw, cache_ttl=cache_ttl, free_fields=free_fields)
    try:
        return parse_usage(merged, cache_ttl=cache_ttl, free_fields=free_fields) == whole
    except UnknownUsageError:
        raise
    except UsageError:
        return False


def _count(raw: Mapping[str, object], path: str) -> int | None:
    value: object = raw
    for key in PATHS[path]:
        if value is None:
            return None
        if not isinstance(value, _OBJECT):
            raise UsageError(path, "cannot be read: its parent is not an object")
        value = value.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise UsageError(path, "must be a whole number")
    if not 0 <= value <= MAX_COUNT:
        raise ImpossibleUsageError(path, "must be from 0 to 2^53")
    return value


def _required(raw: Mapping[str, object], path: str) -> int:
    value = _count(raw, path)
    if value is None:
        raise UsageError(path, "is missing")
    return value


def _word(raw: Mapping[str, object], path: str) -> str | None:
    value = raw.get(path)
    if value is not None and not isinstance(value, str):
        raise UsageError(path, "must be a string")
    return value


def _sum_of_reported(first: int | None, second: int | None) -> int | None:
    if first is None and second is None:
        return None
    return (first or 0) + (second or 0)


def _same_or_mixed(first: str | None, second: str | None) -> str | None:
    return first if first == second else MIXED
