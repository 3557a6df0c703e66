"""A checkpoint that cannot open a file goes on with its spare ones, and nothing is lost."""

import asyncio
import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from sample_records import NOW, count, intent, opened, outcome

from batcher.errors import CheckpointError
from batcher.store.checkpoint import Checkpoint
from batcher.store.spare_files import SPARE_FILES, SpareFiles
from batcher.store.writer import Writer


def files_in_use() -> int:
    """Return how many files this process has open."""
    return len(list(Path("/dev/fd").iterdir()))


def open_until_refused(opened_files: list[int]) -> None:
    """Open files until the system refuses."""
    while True:
        opened_files.append(os.open(os.devnull, os.O_RDONLY))


@contextmanager
def no_file_left() -> Iterator[None]:
    """Open files until this process may open no more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    opened_files = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (opened_files[0] + 40, hard))
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EMFILE)):
            open_until_refused(opened_files)
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in opened_files:
            os.close(descriptor)


@pytest.mark.parametrize("groups_before", [0, 3], ids=["its first log", "a new log"])
def test_records_are_written_without_a_file_left(
    groups_before: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fold and the next log need a file; the run goes on, and no record is lost."""
    monkeypatch.setattr("batcher.store.checkpoint._WAL_BYTES", 0)
    writer = Writer(tmp_path, partial(Checkpoint.create, version="0", now=NOW))

    async def add(first: int, groups: int) -> None:
        for number in range(first, first + groups):
            await writer.add("attempts", intent(number, number))
            await writer.add("outcomes", outcome(number, number))

    asyncio.run(add(1, groups_before))

    async def add_without_files() -> None:
        with no_file_left():
            await add(1 + groups_before, 5)

    asyncio.run(add_without_files())
    asyncio.run(add(6 + groups_before, 2))
    assert writer.failure is None
    writer.close()
    with opened(tmp_path, is_read_only=True) as checkpoint:
        assert count(checkpoint, "attempts") == count(checkpoint, "outcomes") == groups_before + 7


def test_spare_files_are_taken_again_as_far_as_possible() -> None:
    """Releasing says whether there were any; without a file left none is taken."""
    spare = SpareFiles()
    assert not spare.release()
    spare.take()
    before = files_in_use()
    spare.take()
    assert files_in_use() == before
    assert spare.release()
    assert files_in_use() == before - SPARE_FILES
    with no_file_left():
        spare.take()
    assert not spare.release()


def test_the_hint_speaks_of_open_files(tmp_path: Path) -> None:
    """Not of the disk, which is not full."""
    Checkpoint.create(tmp_path, version="0", now=NOW)
    with no_file_left(), pytest.raises(CheckpointError) as caught:
        Checkpoint(tmp_path)
    assert "open files" in str(caught.value)
    assert "ulimit -n" in str(caught.value.hint)
