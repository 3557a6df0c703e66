"""The writer: done means on the disk, groups share a commit, a failure keeps what came back."""

import asyncio
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
        assert writer.call(count, "attempts") == 1

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
    rows = writer.call(Checkpoint.rows, "SELECT count(*), count(DISTINCT attempt_id) FROM attempts")
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
        assert writer.call(count, "attempts") == 5

    asyncio.run(add())


def test_a_call_raises_where_it_was_made(writer: Writer) -> None:
    """An error in a call is its caller's, and the writer goes on."""
    with pytest.raises(ZeroDivisionError):
        writer.call(lambda _: 1 // 0)
    with pytest.raises(CheckpointError):
        writer.call(Checkpoint.rows, "SELECT * FROM nowhere")
    assert writer.call(count, "attempts") == 0


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


def fails(where: Any, name: str, error: Exception) -> None:
    """Let one method raise from now on."""

    def fail(*_: Any) -> None:
        raise error

    where.setattr(name, fail)


FAILING = {
    "a record": lambda _: [intent(7, model="\ud800")],
    "the commit": lambda patch: fails(
        patch, "batcher.store.checkpoint.Checkpoint.append", CheckpointError("broken")
    ),
}


@pytest.mark.parametrize("what", FAILING)
def test_a_failure_is_for_ever(writer: Writer, tmp_path: Path, what: str) -> None:
    """Once a write has failed no attempt is recorded any more, and nothing hangs."""
    stop = pytest.MonkeyPatch()

    async def add() -> list[Any]:
        bad = FAILING[what](stop) or [intent(7)]
        first = await asyncio.gather(
            *(writer.add("attempts", r) for r in bad), return_exceptions=True
        )
        stop.undo()
        later = [writer.add("attempts", intent(n)) for n in (8, 9)]
        return [*first, *await asyncio.gather(*later, return_exceptions=True)]

    errors = asyncio.run(add())
    assert errors == [writer.failure] * 3
    assert isinstance(writer.failure, CheckpointError)
    writer.close()
    with opened(tmp_path, is_read_only=True) as checkpoint:
        assert count(checkpoint, "attempts") == 0


def fill_up(patch: pytest.MonkeyPatch, *, is_written: bool) -> None:
    """Let the next commit say that the disk is full, whether it has written or not."""
    commit = Checkpoint.commit

    def full(self: Checkpoint, tables: Any) -> None:
        patch.setattr(Checkpoint, "commit", commit)
        if is_written:
            commit(self, tables)
        raise CheckpointError("Could not write file: No space left on device")

    patch.setattr(Checkpoint, "commit", full)


@pytest.mark.parametrize("is_written", [False, True])
def test_what_came_back_is_kept_on_a_full_disk(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    """The ballast makes room: outcomes are written, once each; attempts are not, none leaves."""

    async def add() -> list[Any]:
        adding = [writer.add("attempts", intent(1)), writer.add("outcomes", outcome(2))]
        first = await asyncio.gather(*adding, return_exceptions=True)
        adding = [writer.add("outcomes", outcome(3)), writer.add("attempts", intent(4))]
        return [*first, *await asyncio.gather(*adding, return_exceptions=True)]

    with writer.ballast:
        assert (tmp_path / "ballast").stat().st_blocks * 512 >= 64 << 20
        fill_up(monkeypatch, is_written=is_written)
        endings = asyncio.run(add())
        assert not (tmp_path / "ballast").exists()
    failure = writer.failure
    assert "the disk is full" in str(failure)
    assert endings == [None if is_written else failure, None, None, failure]
    assert writer.records == writer.call(lambda c: c.records) == 2 + is_written
    assert writer.call(Checkpoint.rows, "SELECT attempt_id FROM outcomes ORDER BY ALL") == [
        (2,),
        (3,),
    ]


def test_one_answer_that_cannot_be_written_takes_no_other_along(writer: Writer) -> None:
    """Of a group that failed each record is tried by itself."""

    async def add() -> list[Any]:
        records = [outcome(1), outcome(2, error_message="\ud800"), outcome(3)]
        adding = [writer.add("outcomes", record) for record in records]
        return await asyncio.gather(*adding, return_exceptions=True)

    assert asyncio.run(add()) == [None, writer.failure, None]
    assert writer.call(count, "outcomes") == 2


def test_what_may_be_written_is_not_written_twice(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that cannot be made sure of is said to have failed, and left as it is."""
    execute = Checkpoint.execute

    def fail(self: Checkpoint, sql: str, **parameters: Any) -> None:
        if sql.startswith("CHECKPOINT"):
            raise CheckpointError("fsync failed")
        execute(self, sql, **parameters)

    async def add() -> Any:
        fill_up(monkeypatch, is_written=True)
        monkeypatch.setattr(Checkpoint, "execute", fail)
        return await writer.add("outcomes", outcome(1))

    with pytest.raises(CheckpointError) as caught:
        asyncio.run(add())
    assert caught.value is writer.failure
    assert writer.call(count, "outcomes") == 1


def test_a_folded_log_that_fails_loses_nothing(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commits before it stand, outcomes go on being written."""

    async def add() -> list[Any]:
        fails(monkeypatch, "batcher.store.checkpoint.Checkpoint.checkpoint_if_due", FULL)
        first = await asyncio.gather(writer.add("attempts", intent(1)))
        writer.call(lambda _: None)
        adding = [writer.add("outcomes", outcome(1)), writer.add("attempts", intent(2))]
        return [*first, *await asyncio.gather(*adding, return_exceptions=True)]

    assert asyncio.run(add()) == [None, None, writer.failure]
    assert writer.failure is not None
    assert writer.records == 2


FULL = CheckpointError("Could not write file: No space left on device")


def test_a_waiter_that_gave_up_harms_nobody(writer: Writer) -> None:
    """A cancelled future's record is stored all the same, and its neighbours' futures are done."""

    async def add() -> None:
        first, second = (writer.add("attempts", intent(n)) for n in (1, 2))
        first.cancel()
        await second

    asyncio.run(add())
    assert writer.call(count, "attempts") == 2
