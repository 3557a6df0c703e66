"""The writer: done means on the disk, groups share a commit, outcomes survive a failed write."""

import asyncio
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sample_records import NOW, count, intent, opened, outcome

from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.gathering import GROUP_RECORDS
from batcher.store.writer import Writer


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Writer]:
    """A writer on an empty checkpoint."""
    Checkpoint.create(tmp_path, version="0", now=NOW)
    writer = Writer(tmp_path)
    yield writer
    writer.close()


@pytest.fixture
def groups(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, int]]:
    """The number of records of each table, for every commit."""
    commits: list[dict[str, int]] = []
    commit = Checkpoint.commit

    def counted(self: Checkpoint, tables: Any) -> None:
        commits.append({table: len(records) for table, records in tables.items()})
        commit(self, tables)

    monkeypatch.setattr(Checkpoint, "commit", counted)
    return commits


def test_done_means_committed(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    """No future is done before the commit has returned, however long it takes."""
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
    """3,000 records take three commits of at most 1,024 records; each record is stored once."""

    async def add() -> None:
        await asyncio.gather(*(writer.add("attempts", intent(n)) for n in range(3000)))

    asyncio.run(add())
    assert [group["attempts"] for group in groups] == [GROUP_RECORDS, GROUP_RECORDS, 952]
    rows = writer.call(Checkpoint.rows, "SELECT count(*), count(DISTINCT attempt_id) FROM attempts")
    assert rows == [(3000, 3000)]


def test_a_single_record_does_not_wait_long(writer: Writer) -> None:
    """Nothing is gained by waiting for others; at most 200 ms are promised."""

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
    """Attempts that are committed with outcomes need no separate sync."""

    async def add() -> None:
        await asyncio.gather(
            writer.add("attempts", intent(1)),
            writer.add("outcomes", outcome(1)),
            writer.add("attempts", intent(2)),
        )

    asyncio.run(add())
    assert groups[0] == {"attempts": 2, "outcomes": 1}


def test_a_call_sees_what_was_added_before_it(writer: Writer) -> None:
    """Calls and additions are processed in order."""

    async def add() -> None:
        for n in range(5):
            writer.add("attempts", intent(n))
        assert writer.call(count, "attempts") == 5

    asyncio.run(add())


def test_an_error_in_a_call_is_raised_to_its_caller(writer: Writer) -> None:
    """The caller gets the error, and the writer continues."""
    with pytest.raises(ZeroDivisionError):
        writer.call(lambda _: 1 // 0)
    with pytest.raises(CheckpointError):
        writer.call(Checkpoint.rows, "SELECT * FROM nowhere")
    assert writer.call(count, "attempts") == 0


def test_close_writes_what_is_left(tmp_path: Path) -> None:
    """No record added before ``close`` is lost, even if nobody waits for it."""
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
    """The constructor raises the error."""
    (tmp_path / FILE_NAME).write_bytes(b"junk" * 1000)
    with pytest.raises(CheckpointError):
        Writer(tmp_path)


def make_fail(target: Any, name: str, error: Exception) -> None:
    """Make a method raise an error from now on."""

    def fail(*_: Any) -> None:
        raise error

    target.setattr(name, fail)


FAILING = {
    "a record": lambda _: [intent(7, model="\ud800")],
    "the commit": lambda patch: make_fail(
        patch, "batcher.store.checkpoint.Checkpoint._insert", CheckpointError("broken")
    ),
}


@pytest.mark.parametrize("failing", FAILING)
def test_a_failure_is_permanent(writer: Writer, tmp_path: Path, failing: str) -> None:
    """After a failed write no attempt is recorded any more, and no future waits forever."""
    stop = pytest.MonkeyPatch()

    async def add() -> list[Any]:
        bad = FAILING[failing](stop) or [intent(7)]
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
    """Make the next commit report a full disk, whether it has written or not."""
    commit = Checkpoint.commit

    def full(self: Checkpoint, tables: Any) -> None:
        patch.setattr(Checkpoint, "commit", commit)
        if is_written:
            commit(self, tables)
        raise CheckpointError("Could not write file: No space left on device")

    patch.setattr(Checkpoint, "commit", full)


@pytest.mark.parametrize("is_written", [False, True])
def test_outcomes_are_written_on_a_full_disk(
    writer: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_written: bool
) -> None:
    """The ballast frees space: each outcome is written once; attempts are not written."""

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


def test_an_outcome_that_cannot_be_written_affects_no_other(writer: Writer) -> None:
    """Each record of a failed group is written separately."""

    async def add() -> list[Any]:
        records = [outcome(1), outcome(2, error_message="\ud800"), outcome(3)]
        adding = [writer.add("outcomes", record) for record in records]
        return await asyncio.gather(*adding, return_exceptions=True)

    assert asyncio.run(add()) == [None, writer.failure, None]
    assert writer.call(count, "outcomes") == 2


def test_a_doubtful_group_is_not_written_twice(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit with an uncertain result counts as failed, and is not repeated."""
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


def test_a_failed_fold_of_the_log_loses_nothing(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier commits remain, and outcomes are still written."""

    async def add() -> list[Any]:
        make_fail(monkeypatch, "batcher.store.checkpoint.Checkpoint.checkpoint_if_due", FULL)
        first = await asyncio.gather(writer.add("attempts", intent(1)))
        writer.call(lambda _: None)
        adding = [writer.add("outcomes", outcome(1)), writer.add("attempts", intent(2))]
        return [*first, *await asyncio.gather(*adding, return_exceptions=True)]

    assert asyncio.run(add()) == [None, None, writer.failure]
    assert writer.failure is not None
    assert writer.records == 2


FULL = CheckpointError("Could not write file: No space left on device")


def test_a_cancelled_future_affects_no_other(writer: Writer) -> None:
    """The record of a cancelled future is stored, and the other futures are done."""

    async def add() -> None:
        first, second = (writer.add("attempts", intent(n)) for n in (1, 2))
        first.cancel()
        await second

    asyncio.run(add())
    assert writer.call(count, "attempts") == 2
