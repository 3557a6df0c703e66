"""The watermark: a checkpoint that lost records is always recognized."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_records import NOW, intent, opened, outcome

from batcher.errors import CheckpointError, DamageError
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.completeness import needs_watermark
from batcher.store.watermark import Mark, Watermark

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
        assert checkpoint.records == recorded(tmp_path) == 0
        checkpoint.commit({"attempts": [intent(1), intent(2)], "outcomes": [outcome(1)]})
        assert checkpoint.records == recorded(tmp_path) == 3
        checkpoint.add("INSERT INTO replacements VALUES (uuid(), uuid(), 'run')")
        assert checkpoint.records == recorded(tmp_path) == 4
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
    """A power cut may lose its last writes."""
    fill(tmp_path)
    mark = Watermark(tmp_path).read()
    assert mark is not None
    Watermark(tmp_path).write_durably(replace(mark, records=3))
    with opened(tmp_path) as checkpoint:
        assert checkpoint.records == recorded(tmp_path) == 10


def recorded(folder: Path) -> int:
    """Return the number of records by the watermark."""
    mark = Watermark(folder).read()
    assert mark is not None
    return mark.records


def unlink(path: Path) -> None:
    """Lose the watermark."""
    path.unlink()


def zero(path: Path) -> None:
    """Lose its content."""
    path.write_bytes(bytes(1024))


def flip(path: Path) -> None:
    """Damage both slots."""
    path.write_bytes(bytes(byte ^ 1 for byte in path.read_bytes()))


@pytest.mark.parametrize("lose", [unlink, zero, flip])
@pytest.mark.parametrize("has_log", [True, False])
def test_a_checkpoint_without_its_watermark_is_incomplete(
    lose: Callable[[Path], None], has_log: bool, tmp_path: Path
) -> None:
    """It is refused and left as it is, with records or without: all of them may be in the log."""
    fill(tmp_path)
    if not has_log:
        (tmp_path / WAL).unlink()
    lose(tmp_path / "watermark")
    for is_read_only in (True, False):
        with pytest.raises(DamageError, match="is incomplete") as caught:
            Checkpoint(tmp_path, is_read_only=is_read_only)
        assert "batcher doctor" in str(caught.value.hint)
    assert (tmp_path / WAL).exists() is has_log


def test_the_watermark_of_another_checkpoint_is_noticed(tmp_path: Path) -> None:
    """Also when that one had fewer records: the file may be another job's."""
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
        fill(tmp_path / name, groups=5 if name == "mine" else 1)
    shutil.copyfile(tmp_path / "other/watermark", tmp_path / "mine/watermark")
    with pytest.raises(DamageError, match="belong to different checkpoints"):
        Checkpoint(tmp_path / "mine")


@pytest.mark.parametrize(
    ("version", "records", "is_needed"),
    [(1, 9, False), (2, 0, False), (2, 9, True), (3, 0, False), (3, 9, True), (4, 0, True)],
)
def test_older_schemas_need_no_watermark_before_they_have_one(
    version: int, records: int, is_needed: bool
) -> None:
    """Version 0.1 wrote none, versions up to 0.6 with the first record, later ones at creation."""
    assert needs_watermark(version, records) is is_needed


@given(st.lists(st.integers(0, 10**15), min_size=2), st.integers(0, 80), st.binary(max_size=40))
def test_an_interrupted_write_never_claims_too_much(
    tmp_path_factory: pytest.TempPathFactory, numbers: list[int], kept: int, junk: bytes
) -> None:
    """After an interrupted write the number is the one before or after it."""
    watermark = Watermark(tmp_path_factory.mktemp("mark"))
    checkpoint = UUID(int=numbers[0])
    *before, last = sorted(numbers)
    for number in before:
        watermark.write(Mark(number, checkpoint))
    old = watermark.path.read_bytes().ljust(1024, b"\0")
    watermark.write(Mark(last, checkpoint))
    watermark.close()
    new = watermark.path.read_bytes().ljust(1024, b"\0")
    start = next((i for i, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), 0)
    torn = new[: start + kept] + old[start + kept :]
    watermark.path.write_bytes(torn)
    assert watermark.read() in (Mark(before[-1], checkpoint), Mark(last, checkpoint))
    watermark.path.write_bytes(junk)
    assert watermark.read() is None
