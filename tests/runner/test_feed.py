"""Errands come in input order, only those wanted, and a little ahead of need."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.item_index import ItemIndex
from batcher.core.money.bound import WorstCase
from batcher.core.request.build import Request, Unsendable
from batcher.core.row import BadRow, Place, Row
from batcher.errors import InputError
from batcher.runner.planning.shared_prefixes import Sharing
from batcher.runner.sending.feed import (
    GROUP_BYTES,
    GROUP_REQUESTS,
    Feed,
    PendingRequest,
    pending_requests,
)

CHUNK = 5


@dataclass
class FakeInput:
    """The context of a job over numbered rows; counts how many rows were read."""

    rows: int
    samples: int = 1
    body_bytes: int = 1
    broken: dict[int, Any] = field(default_factory=dict)
    read: int = 0
    prefixes: None = None

    @property
    def source(self) -> Any:
        """It is its own source, request maker and policy."""
        return self

    maker = policy = source

    @property
    def items(self) -> ItemIndex:
        """The items of its rows."""
        return ItemIndex(self.samples)

    def chunks(self, columns: frozenset[str] | None) -> Iterator[Any]:
        """Read rows, a few at a time."""
        assert columns == frozenset({"c"})
        for start in range(0, self.rows, CHUNK):
            stop = min(start + CHUNK, self.rows)
            self.read = stop
            yield SimpleNamespace(rows=[self.row(n) for n in range(start, stop)])

    def row(self, ordinal: int) -> Row | BadRow:
        """One row, bad when it is to be."""
        place = Place("f", ordinal + 1)
        if self.broken.get(ordinal) == "bad":
            return BadRow(ordinal, place, "why")
        return Row(ordinal, place, {"c": ordinal})

    def request_of(self, row: Row) -> Request | Unsendable:
        """Its request has a name for each sample."""
        if row.ordinal in self.broken:
            return Unsendable("client.bad_row", "why")
        names = tuple(bytes([row.ordinal % 256, sample]) for sample in range(self.samples))
        fields = {"model": "m", "max_tokens": 5}
        return Request(b"x" * self.body_bytes, fields, names, 0, b"c" * 16)

    def bound_of(self, _: Request, *, is_marked: bool) -> WorstCase:
        """The same for each; nothing of it is marked."""
        assert not is_marked
        return WorstCase(Decimal(2), 10)


def plan_of(wanted: bytes) -> Any:
    """A plan that wants these, and marks nothing for the prompt cache."""
    to_send = bytearray(wanted)
    return SimpleNamespace(
        to_send=to_send, repairs={0: 2}, names=None, columns=frozenset({"c"}), sharing=Sharing()
    )


def fed(made: FakeInput, wanted: bytes, takers: int = 1) -> list[PendingRequest]:
    """Take all requests, several takers at once."""

    async def main() -> list[PendingRequest]:
        feed = Feed(made, plan_of(wanted))
        found: list[PendingRequest] = []

        async def take() -> None:
            while (pending := await feed.get()) is not None:
                found.append(pending)
                await asyncio.sleep(0)

        try:
            await asyncio.gather(*(take() for _ in range(takers)))
            assert await feed.get() is None
        finally:
            feed.close()
        return found

    return asyncio.run(main())


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.lists(st.integers(0, 3), max_size=150), st.integers(1, 4))
def test_only_what_is_wanted_comes_and_in_order(
    samples: int, marks: list[int], takers: int
) -> None:
    """Each wanted item comes once, with its name and its earlier attempts, to any worker."""
    marks = marks[: len(marks) // samples * samples]
    made = FakeInput(len(marks) // samples + 20, samples)
    found = fed(made, bytes(marks), takers)
    wanted = [item for item, mark in enumerate(marks) if mark]
    assert [pending.item for pending in found] == wanted
    for pending in found:
        ordinal, sample = divmod(pending.item, samples)
        assert pending.fingerprint == bytes([ordinal, sample])
        assert pending.unknown_attempts == marks[pending.item] - 1
        assert pending.worst_case_usd == Decimal(2)


def test_reading_ends_with_the_last_wanted_row() -> None:
    """The rest of a long input is not read for nothing."""
    made = FakeInput(1000)
    assert len(fed(made, b"\1" + bytes(999))) == 1
    assert made.read <= 2 * CHUNK


@pytest.mark.parametrize(
    ("body_bytes", "group"), [(1, GROUP_REQUESTS), (GROUP_BYTES // 4, 4)], ids=["count", "bytes"]
)
def test_no_more_than_two_groups_are_held(body_bytes: int, group: int) -> None:
    """However large the input, and however slow the takers."""
    made = FakeInput(1000, body_bytes=body_bytes)

    async def main() -> None:
        feed = Feed(made, plan_of(b"\1" * 1000))
        try:
            assert await feed.get() is not None
            await asyncio.shield(feed._next)
            assert 2 * group <= made.read <= 2 * group + CHUNK
        finally:
            feed.close()

    asyncio.run(main())


@pytest.mark.parametrize("how", ["bad", "unsendable"])
def test_a_row_that_changed_meanwhile(how: str) -> None:
    """A row that was sendable when the run was planned, and is not now, ends the run."""
    with pytest.raises(InputError, match="changed"):
        fed(FakeInput(10, broken={7: how}), b"\1" * 10)


def test_a_bad_row_that_is_not_wanted_is_passed_over() -> None:
    """It was bad when the run was planned."""
    made = FakeInput(10, broken={7: "bad", 8: "unsendable"})
    assert [pending.item for pending in fed(made, b"\1" * 7 + b"\0\0\1")] == [*range(7), 9]


def test_a_stop_does_not_wait_for_rows_far_ahead() -> None:
    """Once the run is stopping the input is not read on."""
    made = FakeInput(100)
    assert list(pending_requests(made, plan_of(b"\1" * 100), lambda: True)) == []
    assert made.read == CHUNK
