"""The watermark: a checkpoint that lost records is always recognized."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_records import NOW, intent, opened, outcome

from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.watermark import Watermark

WAL = f"{FILE_NAME}.wal"


def fill(folder: Path, groups: int = 5) -> None:
    """Record attempts as a killed run leaves them: only in the log."""
    with opened(folder) as checkpoint:
        for number in range(1, groups + 1):
            checkpoint.commit({"attempts": [intent(number)], "outcomes": [outcome(number)]})
        log = (folder / WAL).read_bytes()
        database = (folder / FILE_NAME).read_bytes()
    (folder / FILE_NAME).write_bytes(database)
    (folder / WAL).write_bytes(log)


def test_each_commit_is_counted(tmp_path: Path) -> None:
    """The number is kept in memory and beside the file, also after reopening."""
    with opened(tmp_path) as checkpoint:
        assert checkpoint.records == Watermark(tmp_path).read() == 0
        checkpoint.commit({"attempts": [intent(1), intent(2)], "outcomes": [outcome(1)]})
        assert checkpoint.records == Watermark(tmp_path).read() == 3
        checkpoint.add("INSERT INTO replacements VALUES (uuid(), uuid(), 'run')")
        assert checkpoint.records == Watermark(tmp_path).read() == 4
    with opened(tmp_path, is_read_only=True) as checkpoint:
        assert checkpoint.records == 4


def test_a_missing_log_is_noticed(tmp_path: Path) -> None:
    """DuckDB itself opens the rest without an error."""
    fill(tmp_path)
    (tmp_path / WAL).unlink()
    for is_read_only in (False, True):
        with pytest.raises(CheckpointError, match="had 10") as caught:
            Checkpoint(tmp_path, is_read_only=is_read_only)
        assert "doctor" in str(caught.value.hint)


def test_a_truncated_log_is_noticed_at_any_length(tmp_path: Path) -> None:
    """One missing group is enough."""
    fill(tmp_path)
    log = (tmp_path / WAL).read_bytes()
    for size in range(0, len(log), max(1, len(log) // 40)):
        (tmp_path / WAL).write_bytes(log[:size])
        with pytest.raises(CheckpointError):
            Checkpoint(tmp_path, is_read_only=True)
    (tmp_path / WAL).write_bytes(log)
    Checkpoint(tmp_path).close()


def test_a_missing_checkpoint_is_not_created_again(tmp_path: Path) -> None:
    """Its responses were paid for; to pay again, the user must move the folder away."""
    fill(tmp_path)
    (tmp_path / FILE_NAME).unlink()
    with pytest.raises(CheckpointError, match="had 10 records"):
        Checkpoint.create(tmp_path, version="0", now=NOW)
    assert not (tmp_path / FILE_NAME).exists()


def test_an_outdated_watermark_is_updated(tmp_path: Path) -> None:
    """A power cut may lose its last writes; without a watermark nothing is compared."""
    fill(tmp_path)
    Watermark(tmp_path).path.unlink()
    with opened(tmp_path) as checkpoint:
        assert checkpoint.records == Watermark(tmp_path).read() == 10


@given(st.lists(st.integers(0, 10**15), min_size=2), st.integers(0, 40), st.binary(max_size=40))
def test_an_interrupted_write_never_claims_too_much(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], kept: int, junk: bytes
) -> None:
    """After an interrupted write the number is the one before or after it."""
    watermark = Watermark(tmp_path_factory.mktemp("mark"))
    *before, last = sorted(numbers)
    for number in before:
        watermark.write(number)
    old = watermark.path.read_bytes().ljust(1024, b"\0")
    watermark.write(last)
    new = watermark.path.read_bytes().ljust(1024, b"\0")
    start = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    torn = new[: start + kept] + old[start + kept :]
    watermark.path.write_bytes(torn)
    assert watermark.read() in (before[-1], last)
    watermark.path.write_bytes(junk)
    assert watermark.read() == 0
