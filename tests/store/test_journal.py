"""The journal: damage to the log costs nothing, damage to both costs what is damaged in both."""

import os
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_records import NOW, intent, opened, outcome, run

from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.journal import FILE_NAME as JOURNAL
from batcher.store.journal import Journal, JournalGroup, read_journal
from batcher.store.repair.examination import Examination, examine

LOG = f"{FILE_NAME}.wal"
CHECKPOINT = UUID(int=7)
GROUPS = 30
RECORDS = 1 + GROUPS * 4


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a killed run, whose records are all in the log."""
    working = tmp_path_factory.mktemp("working")
    folder = working.with_name("killed")
    with opened(working) as checkpoint:
        checkpoint.commit({"runs": [run()]})
        for first in range(0, GROUPS * 2, 2):
            numbers = (first + 1, first + 2)
            checkpoint.commit(
                {
                    "attempts": [intent(n, n) for n in numbers],
                    "outcomes": [outcome(n, n, body=b"%d" % n * 50) for n in numbers],
                }
            )
        shutil.copytree(working, folder)
    return folder


def flipped(path: Path, byte: int, bit: int = 4) -> None:
    """Flip one bit of a file."""
    content = bytearray(path.read_bytes())
    content[byte] ^= 1 << bit
    path.write_bytes(content)


def examined(folder: Path, tmp_path: Path) -> Examination:
    """Examine a checkpoint; the repaired one, if any, is in ``tmp_path / "repaired"``."""
    scratch, repaired = tmp_path / "scratch", tmp_path / "repaired"
    for path in (scratch, repaired):
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
    return examine(folder, scratch, repaired, NOW)


def contents(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    """Return the records of a checkpoint."""
    checkpoint = Checkpoint(folder)
    try:
        tables = ("runs", "attempts", "outcomes")
        return {name: checkpoint.rows(f"SELECT * FROM {name}") for name in tables}
    finally:
        checkpoint.close()


@pytest.mark.parametrize(
    "share", [0.02, 0.5, *(pytest.param(n / 20, marks=pytest.mark.slow) for n in range(20))]
)
def test_a_flipped_bit_in_the_log_costs_nothing(killed: Path, share: float, tmp_path: Path) -> None:
    """Wherever it is: the repaired checkpoint has every record, as it was."""
    folder = tmp_path / "damaged"
    shutil.copytree(killed, folder)
    flipped(folder / LOG, int((folder / LOG).stat().st_size * share))
    found = examined(folder, tmp_path)
    assert found.missing == 0
    assert found.read == found.recorded == RECORDS
    assert contents(tmp_path / "repaired") == contents(shutil.copytree(killed, tmp_path / "whole"))


def cut(path: Path) -> None:
    """Lose the second half of a file."""
    os.truncate(path, path.stat().st_size // 2)


def zero(path: Path) -> None:
    """Lose a sector in the middle, as a bad disk does."""
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 512] = bytes(512)
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [cut, zero, Path.unlink])
def test_worse_damage_to_the_log_costs_nothing_either(
    killed: Path, damage: Callable[[Path], None], tmp_path: Path
) -> None:
    """A truncated, zeroed or missing log is restored from the journal."""
    folder = tmp_path / "damaged"
    shutil.copytree(killed, folder)
    damage(folder / LOG)
    found = examined(folder, tmp_path)
    assert (found.missing, found.read) == (0, RECORDS)
    assert "journal_used" in {finding.kind for finding in found.findings}


def test_damage_to_both_costs_what_is_damaged_in_both(killed: Path, tmp_path: Path) -> None:
    """The end of the log is lost, and one group of the journal: two records of one table."""
    folder = tmp_path / "damaged"
    shutil.copytree(killed, folder)
    zero(folder / LOG)
    flipped(folder / JOURNAL, (folder / JOURNAL).stat().st_size * 9 // 10)
    found = examined(folder, tmp_path)
    assert found.missing == 2
    assert found.read == RECORDS - 2


def test_a_damaged_journal_alone_is_no_damage(killed: Path, tmp_path: Path) -> None:
    """The log has everything; the next fold empties the journal."""
    folder = tmp_path / "damaged"
    shutil.copytree(killed, folder)
    flipped(folder / JOURNAL, 300)
    found = examined(folder, tmp_path)
    assert found.findings == ()
    assert len(contents(folder)["attempts"]) == GROUPS * 2
    assert not (folder / JOURNAL).exists()


def test_the_journal_is_emptied_when_the_log_is_folded(tmp_path: Path) -> None:
    """It is never larger than the log needs."""
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"attempts": [intent(1)]})
        assert (tmp_path / JOURNAL).stat().st_size
        checkpoint.fold()
        assert (tmp_path / JOURNAL).stat().st_size == 0
        checkpoint.commit({"attempts": [intent(2)]})
        checkpoint.add("INSERT INTO replacements VALUES (uuid(), uuid(), 'run')")
        assert (tmp_path / JOURNAL).stat().st_size == 0  # many records at once go to the file
        assert not (tmp_path / LOG).exists()


def group(number: int) -> JournalGroup:
    """A group of one record."""
    return JournalGroup(number, "attempts", pa.table({"attempt_id": [number]}))


def numbers_in(path: Path) -> list[int]:
    """Return the groups that can be read."""
    groups = list(read_journal(path, CHECKPOINT))
    assert all(found.rows.equals(group(found.first).rows) for found in groups)
    return [found.first for found in groups]


def written(folder: Path, numbers: range, checkpoint: UUID = CHECKPOINT) -> list[int]:
    """Append groups; return where each one begins."""
    journal, starts = Journal(folder, checkpoint), []
    for number in numbers:
        starts.append((folder / JOURNAL).stat().st_size)
        journal.append([group(number)])
    journal.close(is_needed=True)
    return starts


@given(
    share=st.floats(0, 1, exclude_max=True),
    bit=st.integers(0, 7),
    size=st.integers(1, 700),
    is_cut=st.booleans(),
)
def test_damage_to_the_journal_costs_only_its_groups(
    share: float, bit: int, size: int, is_cut: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A flipped bit, a scrambled or lost part: all other groups are read, and none is invented."""
    folder = tmp_path_factory.mktemp("journal")
    starts = written(folder, range(8))
    path = folder / JOURNAL
    content = bytearray(path.read_bytes())
    start = int(share * len(content))
    end = min(start + (size if is_cut or size > 1 else 1), len(content))
    spans = enumerate(pairwise([*starts, len(content)]))
    damaged = {number for number, (first, last) in spans if first < end and start < last}
    if is_cut:
        del content[start:end]
    else:
        content[start:end] = bytes(byte ^ 1 << bit for byte in content[start:end])
    path.write_bytes(content)
    found = numbers_in(path)
    # Equal bytes may be in the place of lost ones; then a group is whole in spite of the damage.
    assert set(range(8)) - damaged <= set(found)
    assert found == sorted(set(found))


def test_an_interrupted_write_hides_no_later_group(tmp_path: Path) -> None:
    """A write that was cut short is followed by the next run's groups."""
    starts = written(tmp_path, range(3))
    os.truncate(tmp_path / JOURNAL, starts[2] + 60)
    written(tmp_path, range(2, 5))
    assert numbers_in(tmp_path / JOURNAL) == [0, 1, 2, 3, 4]


def test_groups_of_another_checkpoint_are_left_out(tmp_path: Path) -> None:
    """A file of another job in this place restores nothing."""
    written(tmp_path, range(3), UUID(int=8))
    written(tmp_path, range(3, 5))
    assert numbers_in(tmp_path / JOURNAL) == [3, 4]
    assert numbers_in(tmp_path / "nowhere") == []
