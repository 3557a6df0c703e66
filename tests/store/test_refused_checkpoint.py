"""A refused checkpoint stays unchanged, byte for byte, so that the user can restore it."""

import os
import shutil
from pathlib import Path

import pytest
from sample_records import count, intent, opened, outcome

from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.migrations import SCHEMA_VERSION

LOG = f"{FILE_NAME}.wal"
RECORDS = 40


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """The folder of a killed run: some records are in the file, most are in the log."""
    working, folder = tmp_path / "working", tmp_path / "killed"
    working.mkdir()
    with opened(working) as checkpoint:
        checkpoint.commit({"attempts": [intent(0, 0)], "outcomes": [outcome(0, 0)]})
        checkpoint.execute("CHECKPOINT c")
        for n in range(1, RECORDS):
            checkpoint.commit({"attempts": [intent(n, n)], "outcomes": [outcome(n, n)]})
        shutil.copytree(working, folder)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def refuse(folder: Path, reason: str) -> None:
    """Open a checkpoint as a run does; it must be refused and stay unchanged."""
    before = contents(folder)
    with pytest.raises(CheckpointError, match=reason):
        Checkpoint(folder)
    assert contents(folder) == before


@pytest.mark.parametrize("version", [SCHEMA_VERSION, 1], ids=["today's", "older"])
def test_a_truncated_log_can_be_restored(killed: Path, version: int) -> None:
    """All records are there again; an older schema is migrated only after this check."""
    if version == 1:
        make_older(killed)
    whole = (killed / LOG).read_bytes()
    os.truncate(killed / LOG, len(whole) - 3000)
    refuse(killed, "is missing or truncated|was cut short")
    (killed / LOG).write_bytes(whole)
    with opened(killed) as checkpoint:
        assert count(checkpoint, "attempts") == count(checkpoint, "outcomes") == RECORDS


def make_older(folder: Path) -> None:
    """Remove the additions of schema version 2 from a checkpoint; keep a log."""
    working = folder.with_name("older")
    with opened(folder) as checkpoint:
        checkpoint.execute("DROP TABLE rows_seen; DROP TABLE replacements")
        checkpoint.execute("UPDATE checkpoint SET schema_version = 1; CHECKPOINT c")
        checkpoint.execute("DELETE FROM outcomes WHERE attempt_id >= 20")
        for n in range(20, RECORDS):
            checkpoint.append("outcomes", [outcome(n, n)])
        shutil.copytree(folder, working)
    shutil.rmtree(folder)
    working.rename(folder)


def test_a_newer_schema_stays_unchanged(killed: Path) -> None:
    """Its log is not folded into the file."""
    newer = killed.with_name("newer")
    with opened(killed) as checkpoint:
        version = SCHEMA_VERSION + 1
        checkpoint.execute("UPDATE checkpoint SET schema_version = $version", version=version)
        checkpoint.append("attempts", [intent(RECORDS, RECORDS)])
        shutil.copytree(killed, newer)
    assert (newer / LOG).stat().st_size
    refuse(newer, "newer batcher")


def test_an_accepted_log_is_folded_on_close(killed: Path) -> None:
    """The log does not remain after a normal end."""
    with opened(killed) as checkpoint:
        assert count(checkpoint, "outcomes") == RECORDS
    assert not (killed / LOG).exists()
