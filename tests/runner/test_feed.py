"""The feed gives the planned requests in input order, and reads only a little ahead."""

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
    """A job context over numbered rows; ``read`` is the number of rows read so far."""

    rows: int
    samples: int = 1
    body_bytes: int = 1
    broken: dict[int, Any] = field(default_factory=dict)
    read: int = 0
    prefixes: None = None

    @property
    def source(self) -> Any:
        """Return itself: it is also the request maker and the policy."""
        return self

    maker = policy = source

    @property
    def items(self) -> ItemIndex:
        """Return the index of its items."""
        return ItemIndex(self.samples)

    def chunks(self, columns: frozenset[str] | None) -> Iterator[Any]:
        """Yield the rows in chunks of five."""
        assert columns == frozenset({"c"})
        for start in range(0, self.rows, CHUNK):
            stop = min(start + CHUNK, self.rows)
            self.read = stop
            yield SimpleNamespace(rows=[self.row(n) for n in range(start, stop)])

    def row(self, ordinal: int) -> Row | BadRow:
        """Return one row, a bad one if ``broken`` says so."""
        place = Place("f", ordinal + 1)
        if self.broken.get(ordinal) == "bad":
            return BadRow(ordinal, place, "why")
        return Row(ordinal, place, {"c": ordinal})

    def request_of(self, row: Row) -> Request | Unsendable:
        """Return the request of a row, with a fingerprint for each sample."""
        if row.ordinal in self.broken:
            return Unsendable("client.bad_row", "why")
        fingerprints = tuple(bytes([row.ordinal % 256, sample]) for sample in range(self.samples))
        fields = {"model": "m", "max_tokens": 5}
        return Request(b"x" * self.body_bytes, fields, fingerprints, 0, b"c" * 16)

    def bound_of(self, _: Request, *, is_marked: bool, delivery: str) -> WorstCase:
        """Return the same bound for every request; no request is marked for the cache."""
        assert not is_marked
        assert delivery == "live"
        return WorstCase(Decimal(2), 10)


def plan_of(marks: bytes) -> Any:
    """Return a plan with these marks (0 is not sent), which marks no prefix for the cache."""
    to_send = bytearray(marks)
    return SimpleNamespace(
        to_send=to_send,
        repairs={0: 2},
        failed_before={},
        names=None,
        used=frozenset({"c"}),
        sharing=Sharing(),
    )


def requests_of(source: FakeInput, marks: bytes, takers: int = 1) -> list[PendingRequest]:
    """Take all requests from a feed, with several takers at once."""

    async def main() -> list[PendingRequest]:
        feed = Feed(source, plan_of(marks))
        taken: list[PendingRequest] = []

        async def take() -> None:
            while (pending := await feed.get()) is not None:
                taken.append(pending)
                await asyncio.sleep(0)

        try:
            await asyncio.gather(*(take() for _ in range(takers)))
            assert await feed.get() is None
        finally:
            feed.close()
        return taken

    return asyncio.run(main())


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.lists(st.integers(0, 3), max_size=150), st.integers(1, 4))
def test_only_planned_requests_come_and_in_order(
    samples: int, marks: list[int], takers: int
) -> None:
    """Each planned item comes once, with its fingerprint and its number of earlier attempts."""
    marks = marks[: len(marks) // samples * samples]
    source = FakeInput(len(marks) // samples + 20, samples)
    taken = requests_of(source, bytes(marks), takers)
    planned = [item for item, mark in enumerate(marks) if mark]
    assert [pending.item for pending in taken] == planned
    for pending in taken:
        ordinal, sample = divmod(pending.item, samples)
        assert pending.fingerprint == bytes([ordinal, sample])
        assert pending.unknown_attempts == marks[pending.item] - 1
        assert pending.worst_case_usd == Decimal(2)


def test_reading_ends_with_the_last_planned_row() -> None:
    """The rows after the last planned one are not read."""
    source = FakeInput(1000)
    assert len(requests_of(source, b"\1" + bytes(999))) == 1
    assert source.read <= 2 * CHUNK


@pytest.mark.parametrize(
    ("body_bytes", "group"), [(1, GROUP_REQUESTS), (GROUP_BYTES // 4, 4)], ids=["count", "bytes"]
)
def test_no_more_than_two_groups_are_in_memory(body_bytes: int, group: int) -> None:
    """After the first request is taken, two groups of rows have been read."""
    source = FakeInput(1000, body_bytes=body_bytes)

    async def main() -> None:
        feed = Feed(source, plan_of(b"\1" * 1000))
        try:
            assert await feed.get() is not None
            await asyncio.shield(feed._next)
            assert 2 * group <= source.read <= 2 * group + CHUNK
        finally:
            feed.close()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["bad", "unsendable"])
def test_a_row_that_changed_during_the_run_ends_it(kind: str) -> None:
    """A planned row that can no longer be sent raises InputError."""
    with pytest.raises(InputError, match="changed"):
        requests_of(FakeInput(10, broken={7: kind}), b"\1" * 10)


def test_a_bad_row_that_is_not_planned_is_skipped() -> None:
    """A row that was bad when the run was planned raises no error."""
    source = FakeInput(10, broken={7: "bad", 8: "unsendable"})
    taken = requests_of(source, b"\1" * 7 + b"\0\0\1")
    assert [pending.item for pending in taken] == [*range(7), 9]


def test_a_stop_does_not_wait_for_rows_far_ahead() -> None:
    """Once the run is stopping, no further chunk is read."""
    source = FakeInput(100)
    assert list(pending_requests(source, plan_of(b"\1" * 100), lambda: True)) == []
    assert source.read == CHUNK
