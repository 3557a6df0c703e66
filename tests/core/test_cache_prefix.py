"""Requests that share a prefix have its name in common, where caching it can save money."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import batcher
from batcher.core.cache.marks import Level
from batcher.core.cache.prefix import NO_PREFIXES, Prefixes, PrefixNamer
from batcher.core.job import PriceOverride
from batcher.core.money.prices import PriceTable
from batcher.core.request.build import Request
from batcher.core.request.canonical import canonical_json

TABLE = PriceTable.parse((Path(batcher.__file__).parent / "data" / "models.json").read_text())
MODEL = "claude-haiku-5-5"
LONG = "word " * 400  # 2,000 bytes; the model's minimum is 512 tokens


def named(ttl: Any = "5m", table: PriceTable = TABLE, **fields: Any) -> Prefixes:
    """Return the prefixes of a request with the prompt ``q`` and some fields."""
    default = {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": "q"}]}
    request = default | fields
    return PrefixNamer(table, ttl).of(Request(canonical_json(request), request, (b"",), 0, b""))


def about(document: str, question: str = "q") -> list[dict[str, Any]]:
    """Return messages with a question about a document."""
    texts = [{"type": "text", "text": text} for text in (document, question)]
    return [{"role": "user", "content": texts}]


@pytest.mark.parametrize(
    "changes",
    [
        {"model": "claude-sonnet-5-5"},
        {"tools": [{"name": "t", "input_schema": {"type": "object"}}]},
        {"tool_choice": {"type": "none"}},
        {"thinking": {"type": "disabled"}},
        {"output_config": {"effort": "low"}},
        {"speed": "fast"},
        {"inference_geo": "us"},
        {"system": LONG + "."},
        {"from_the_future": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_breaks_the_cache_is_part_of_the_name(changes: dict[str, Any]) -> None:
    """Requests that differ in such a field share no prefix."""
    first = named(system=LONG, messages=about(LONG))
    second = named(**{"system": LONG, "messages": about(LONG), **changes})
    assert first.system is not None
    assert first.messages is not None
    assert second.system not in (None, first.system)
    assert second.messages not in (None, first.messages)


def test_what_the_cache_ignores_is_not_part_of_the_name() -> None:
    """The question is not part of it; the document is, at its level only."""
    first = named(system=LONG, messages=about(LONG))
    second = named(
        system=LONG,
        messages=about(LONG, "another"),
        max_tokens=9,
        metadata={"user_id": "u"},
        temperature=1,
        stop_sequences=["x"],
    )
    assert first == second
    third = named(system=LONG, messages=about(LONG + "."))
    assert third.system == first.system
    assert third.messages != first.messages


def test_one_namer_gives_the_same_names_as_many() -> None:
    """Its cache of the last request does not change the names of the next one."""
    namer = PrefixNamer(TABLE, "5m")
    for system in (LONG, LONG, LONG + ".", LONG):
        for document in (LONG, LONG + "."):
            fields = {
                "model": MODEL, "max_tokens": 5, "system": system, "messages": about(document),
            }  # fmt: skip
            request = Request(canonical_json(fields), fields, (b"",), 0, b"")
            assert namer.of(request) == named(system=system, messages=about(document))


@pytest.mark.parametrize(
    "fields",
    [
        {"system": "short"},
        {"system": "x" * 900},
        {"messages": [{"role": "user", "content": LONG}]},
        {"system": LONG, "model": "claude-unknown-9"},
        {"system": LONG, "model": "claude-haiku-4-5"},
        {"system": LONG, "cache_control": {"type": "ephemeral"}},
        {"system": [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]},
    ],
    ids=["short", "under", "one block", "unknown model", "larger minimum", "automatic", "by hand"],
)
def test_a_request_that_cannot_be_cached_or_has_marks_has_no_names(fields: dict[str, Any]) -> None:
    """It is too short, of an unknown model, a single block, or marked in the job file."""
    assert named(**fields) == NO_PREFIXES


def test_a_short_system_prompt_counts_to_the_messages_after_it() -> None:
    """The minimum applies to the whole prefix."""
    half = "x" * 700
    assert named(system=half, messages=about(half)).levels == Level.MESSAGES
    assert named(messages=about(half)) == NO_PREFIXES


@pytest.mark.parametrize(
    ("ttl", "write", "read", "saves"),
    [
        ("5m", "1.25", "0.1", True),
        ("5m", "1.95", "0.1", False),
        ("1h", "2", "0.1", True),
        ("1h", "2", "0.5", False),
        ("5m", "0", "1", True),
        ("5m", "1", "1", False),
    ],
)
def test_only_prefixes_that_save_money_are_named(
    ttl: str, write: str, read: str, saves: bool
) -> None:
    """Two uses within five minutes, three within an hour, must cost less than plain input."""
    writes = {"cache_write_5m": Decimal(write), "cache_write_1h": Decimal(write)}
    override = PriceOverride(
        input=Decimal(1), output=Decimal(1), cache_read=Decimal(read), **writes
    )
    table = TABLE.with_overrides({MODEL: override})
    assert (named(ttl, table, system=LONG) != NO_PREFIXES) == saves


def test_levels_choose_among_the_prefixes() -> None:
    """The names are in the order of the prompt."""
    both = named(system=LONG, messages=about(LONG))
    assert both.names == (both.system, both.messages)
    assert both.at(Level.MESSAGES).names == (both.messages,)
    assert both.at(Level.NONE) == NO_PREFIXES
    assert both.levels == Level.SYSTEM | Level.MESSAGES
