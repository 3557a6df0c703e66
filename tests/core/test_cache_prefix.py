"""Requests that share a beginning have it named alike, and only where caching it can pay."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import batcher
from batcher.core.cache.marks import Level
from batcher.core.cache.prefix import NO_PREFIXES, Namer, Prefixes
from batcher.core.job import PriceOverride
from batcher.core.money.prices import PriceTable
from batcher.core.request.build import Request
from batcher.core.request.canonical import canonical_json

TABLE = PriceTable.parse((Path(batcher.__file__).parent / "data" / "models.json").read_text())
MODEL = "claude-haiku-5-5"
LONG = "word " * 400  # 2,000 bytes; the model's minimum is 512 tokens


def named(ttl: Any = "5m", table: PriceTable = TABLE, **fields: Any) -> Prefixes:
    """The prefixes of a request about ``q``, with some fields set."""
    default = {"model": MODEL, "max_tokens": 5, "messages": [{"role": "user", "content": "q"}]}
    made = default | fields
    return Namer(table, ttl).of(Request(canonical_json(made), made, (b"",), 0, b""))


def about(document: str, question: str = "q") -> list[dict[str, Any]]:
    """Messages that ask something about a document."""
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
        {"nobody_knows_yet": 1},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_breaks_the_cache_is_part_of_the_name(changes: dict[str, Any]) -> None:
    """Requests that differ in it share neither prefix."""
    one = named(system=LONG, messages=about(LONG))
    other = named(**{"system": LONG, "messages": about(LONG), **changes})
    assert one.system is not None
    assert one.messages is not None
    assert other.system not in (None, one.system)
    assert other.messages not in (None, one.messages)


def test_what_the_cache_does_not_see_is_no_part_of_it() -> None:
    """Nor is the question itself; but the document is, at its level only."""
    one = named(system=LONG, messages=about(LONG))
    other = named(
        system=LONG,
        messages=about(LONG, "another"),
        max_tokens=9,
        metadata={"user_id": "u"},
        temperature=1,
        stop_sequences=["x"],
    )
    assert one == other
    elsewhere = named(system=LONG, messages=about(LONG + "."))
    assert elsewhere.system == one.system
    assert elsewhere.messages != one.messages


def test_one_namer_names_as_many_would() -> None:
    """What it remembers of the last request does not show in the next one's names."""
    namer = Namer(TABLE, "5m")
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
def test_nothing_is_named_that_cannot_be_cached_or_has_marks(fields: dict[str, Any]) -> None:
    """Too short for its model, of a model nobody knows, alone, or marked by its author."""
    assert named(**fields) == NO_PREFIXES


def test_a_short_system_prompt_counts_to_the_messages_after_it() -> None:
    """The minimum is that of the whole prefix."""
    half = "x" * 700
    assert named(system=half, messages=about(half)).levels == Level.MESSAGES
    assert named(messages=about(half)) == NO_PREFIXES


@pytest.mark.parametrize(
    ("ttl", "write", "read", "pays"),
    [
        ("5m", "1.25", "0.1", True),
        ("5m", "1.95", "0.1", False),
        ("1h", "2", "0.1", True),
        ("1h", "2", "0.5", False),
        ("5m", "0", "1", True),
        ("5m", "1", "1", False),
    ],
)
def test_only_what_pays_at_the_prices_in_force(ttl: str, write: str, read: str, pays: bool) -> None:
    """Two uses within five minutes, three within an hour, must cost less than plain input."""
    writes = {"cache_write_5m": Decimal(write), "cache_write_1h": Decimal(write)}
    override = PriceOverride(
        input=Decimal(1), output=Decimal(1), cache_read=Decimal(read), **writes
    )
    table = TABLE.with_overrides({MODEL: override})
    assert (named(ttl, table, system=LONG) != NO_PREFIXES) == pays


def test_levels_choose_among_the_prefixes() -> None:
    """The names come in the order of the prompt."""
    both = named(system=LONG, messages=about(LONG))
    assert both.names == (both.system, both.messages)
    assert both.at(Level.MESSAGES).names == (both.messages,)
    assert both.at(Level.NONE) == NO_PREFIXES
    assert both.levels == Level.SYSTEM | Level.MESSAGES
