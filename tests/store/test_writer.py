"""The writer: done means on the disk, groups share a commit, a failure is for ever."""

import asyncio
import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from records_made import NOW, count, intent, opened, outcome

from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.writer import GROUP_RECORDS, Writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A writer on an empty checkpoint."""
    Checkpoint.create(tmp_path, version="0", now=NOW)
    writer = Writer(tmp_path)
    yield writer
    writer.close()


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """How many records of each table every commit had."""
    seen: list[dict[str, int]] = []
    commit = Checkpoint.commit

    def counted(self: Checkpoint, tables: Any) -> None:
        seen.append({table: len(records) for table, records in tables.items()})
        commit(self, tables)

    monkeypatch.setattr(Checkpoint, "commit", counted)
    return seen


def test_done_means_committed(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the commit has not returned no future is done, however long it takes."""
    begun, let_go = threading.Event(), threading.Event()
    commit = Checkpoint.commit

    def slow(self: Checkpoint, tables: Any) -> None:
        begun.set()
        assert let_go.wait(20)
        commit(self, tables)

    monkeypatch.setattr(Checkpoint, "commit", slow)

    async def add() -> None:
        done = writer.add("attempts", intent(1))
        await asyncio.to_thread(begun.wait, 20)
        await asyncio.sleep(0)
        assert not done.done()
        let_go.set()
        await done
        assert writer.call(lambda c: count(c, "attempts")) == 1

    asyncio.run(add())


def test_records_that_arrive_together_share_a_commit(
    writer: Writer, groups: list[dict[str, int]]
) -> None:
    """A thousand at once take few commits of at most 64, and every one is stored once."""

    async def add() -> None:
        await asyncio.gather(*(writer.add("attempts", intent(n)) for n in range(1000)))

    asyncio.run(add())
    assert sum(group["attempts"] for group in groups) == 1000
    assert max(group["attempts"] for group in groups) <= GROUP_RECORDS == 64
    assert len(groups) <= 2 * 1000 / GROUP_RECORDS
    rows = writer.call(
        lambda c: c.rows("SELECT count(*), count(DISTINCT attempt_id) FROM attempts")
    )
    assert rows == [(1000, 1000)]


def test_a_lonely_record_does_not_wait_long(writer: Writer) -> None:
    """A group is closed after 10 ms; the promise is at most 200."""

    async def add() -> float:
        await writer.add("attempts", intent(1))
        times = []
        for n in range(2, 12):
            began = time.perf_counter()
            await writer.add("attempts", intent(n))
            times.append(time.perf_counter() - began)
        return min(times)

    assert asyncio.run(add()) < 0.2


def test_intents_and_outcomes_share_a_group(writer: Writer, groups: list[dict[str, int]]) -> None:
    """Intents committed with outcomes cost no sync of their own."""

    async def add() -> None:
        await asyncio.gather(
            writer.add("attempts", intent(1)),
            writer.add("outcomes", outcome(1)),
            writer.add("attempts", intent(2)),
        )

    asyncio.run(add())
    assert groups[0] == {"attempts": 2, "outcomes": 1}


def test_a_call_sees_what_was_added_before_it(writer: Writer) -> None:
    """Calls and additions are done in the order they came."""

    async def add() -> None:
        for n in range(5):
            writer.add("attempts", intent(n))
        assert writer.call(lambda c: count(c, "attempts")) == 5

    asyncio.run(add())


def test_a_call_raises_where_it_was_made(writer: Writer) -> None:
    """An error in a call is its caller's, and the writer goes on."""
    with pytest.raises(ZeroDivisionError):
        writer.call(lambda _: 1 // 0)
    with pytest.raises(CheckpointError):
        writer.call(lambda c: c.rows("SELECT * FROM nowhere"))
    assert writer.call(lambda c: count(c, "attempts")) == 0


def test_close_writes_what_is_left(tmp_path: Path) -> None:
    """Nothing added before ``close`` is lost, awaited or not."""
    Checkpoint.create(tmp_path, version="0", now=NOW)
    writer = Writer(tmp_path)

    async def add() -> None:
        for n in range(200):
            writer.add("attempts", intent(n))

    asyncio.run(add())
    writer.close()
    with opened(tmp_path, is_read_only=True) as checkpoint:
        assert count(checkpoint, "attempts") == 200


def test_a_checkpoint_that_cannot_be_opened(tmp_path: Path) -> None:
    """The error comes out of the constructor."""
    (tmp_path / FILE_NAME).write_bytes(b"junk" * 1000)
    with pytest.raises(CheckpointError):
        Writer(tmp_path)


FAILING = {
    "a record": lambda _: [intent(7, model="\ud800")],
    "the commit": lambda monkeypatch: monkeypatch.setattr(
        Checkpoint, "append", lambda *_: (_ for _ in ()).throw(CheckpointError("disk full"))
    ),
    "the folder": lambda monkeypatch: monkeypatch.setattr(
        "batcher.store.checkpoint._sync_folder", lambda _: (_ for _ in ()).throw(OSError(5, "I/O"))
    ),
}


@pytest.mark.parametrize("what", FAILING)
def test_a_failure_is_for_ever(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Once a write has failed all later ones fail alike, and nothing hangs or is stored."""
    stop = pytest.MonkeyPatch()

    async def add() -> list[Any]:
        bad = FAILING[what](stop) or [intent(7)]
        first = await asyncio.gather(
            *(writer.add("attempts", r) for r in bad), return_exceptions=True
        )
        stop.undo()
        later = [writer.add("attempts", intent(n)) for n in itertools.chain([8], [9])]
        return [*first, *await asyncio.gather(*later, return_exceptions=True)]

    errors = asyncio.run(add())
    assert len(errors) == 3
    assert {type(error) for error in errors} == {CheckpointError}
    assert len({str(error) for error in errors}) == 1
    writer.close()
    with opened(tmp_path, is_read_only=True) as checkpoint:
        stored = {number for (number,) in checkpoint.rows("SELECT attempt_id FROM attempts")}
    assert stored <= {7}


def test_a_waiter_that_gave_up_harms_nobody(writer: Writer) -> None:
    """A cancelled future's record is stored all the same, and its neighbours' futures are done."""

    async def add() -> None:
        first, second = (writer.add("attempts", intent(n)) for n in (1, 2))
        first.cancel()
        await second

    asyncio.run(add())
    assert writer.call(lambda c: count(c, "attempts")) == 2
