"""The checkpoint's file: creation, versions, migrations, isolation, records and its log."""

import random
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_records import NOW, count, fingerprint_of, intent, opened, outcome, run

from batcher.errors import CheckpointError
from batcher.store import checkpoint as checkpoint_module
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.migrations import SCHEMA_VERSION, migrate
from batcher.store.stored_bodies import packed, unpacked
from batcher.store.watermark import Watermark


def test_create_leaves_only_a_complete_file(tmp_path: Path) -> None:
    """No temporary file remains, and the checkpoint has its schema and its creator."""
    Checkpoint.create(tmp_path, version="1.2.3", now=NOW)
    assert {path.name for path in tmp_path.iterdir()} == {FILE_NAME, "watermark"}
    mark = Watermark(tmp_path).read()
    assert mark is not None
    assert mark.records == 0
    with opened(tmp_path) as checkpoint:
        (row,) = checkpoint.table("SELECT * FROM checkpoint").to_pylist()
    wanted = {"schema_version": SCHEMA_VERSION, "created_at": NOW, "created_by": "1.2.3"}
    assert row == {**wanted, "id": str(mark.checkpoint)}


@pytest.mark.parametrize("content", [b"", b"DUCK half a file"], ids=["empty", "half"])
def test_an_interrupted_creation_is_repeated(tmp_path: Path, content: bytes) -> None:
    """Temporary files of a killed process are deleted."""
    (tmp_path / f"{FILE_NAME}.new").write_bytes(content)
    (tmp_path / f"{FILE_NAME}.new.wal").write_bytes(content)
    with opened(tmp_path) as checkpoint:
        assert count(checkpoint, "attempts") == 0
    assert {path.name for path in tmp_path.iterdir()} == {FILE_NAME, "watermark"}


def test_a_creation_that_fails_leaves_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file gets its name last, so a file with this name is complete."""
    monkeypatch.setattr(
        "batcher.store.creation.script", lambda _: "CREATE TABLE checkpoint (a INT);"
    )
    with pytest.raises(CheckpointError):
        Checkpoint.create(tmp_path, version="0", now=NOW)
    assert not (tmp_path / FILE_NAME).exists()


def test_create_changes_no_existing_checkpoint(tmp_path: Path) -> None:
    """Recorded attempts remain."""
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"attempts": [intent(1)]})
    before = (tmp_path / FILE_NAME).read_bytes()
    Checkpoint.create(tmp_path, version="9", now=NOW)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    """A quote in a path does not become SQL."""
    folder = tmp_path / "o'neil; DROP TABLE x; -- ü"
    folder.mkdir()
    with opened(folder) as checkpoint:
        assert count(checkpoint, "runs") == 0


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000], ids=["empty", "junk"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    """The error is a CheckpointError, and the file stays unchanged."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(CheckpointError, match="checkpoint"):
        Checkpoint(tmp_path)
    if content:
        assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_log_of_another_file_is_refused(tmp_path: Path) -> None:
    """A write-ahead log is never applied to a new file."""
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"attempts": [intent(1)]})
        log = (tmp_path / f"{FILE_NAME}.wal").read_bytes()
    (tmp_path / FILE_NAME).unlink()
    (tmp_path / "watermark").unlink()
    (tmp_path / f"{FILE_NAME}.wal").write_bytes(log)
    Checkpoint.create(tmp_path, version="0", now=NOW)
    with pytest.raises(CheckpointError, match="WAL does not match"):
        Checkpoint(tmp_path)


def set_version(folder: Path, version: int) -> None:
    """Change the schema version, as if another batcher had written the checkpoint."""
    with opened(folder) as checkpoint:
        checkpoint.execute("UPDATE checkpoint SET schema_version = $version", version=version)


@pytest.mark.parametrize("is_read_only", [False, True])
def test_a_newer_schema_is_refused(tmp_path: Path, is_read_only: bool) -> None:
    """An older batcher must not guess the records of a newer one; it leaves no lock."""
    set_version(tmp_path, SCHEMA_VERSION + 1)
    with pytest.raises(CheckpointError, match="newer batcher"):
        Checkpoint(tmp_path, is_read_only=is_read_only)
    with duckdb.connect(str(tmp_path / FILE_NAME)) as connection:
        assert connection.execute("SELECT count(*) FROM checkpoint").fetchall() == [(1,)]


STEPS = {
    7: "ALTER TABLE runs ADD COLUMN seven VARCHAR; UPDATE runs SET seven = 'x'",
    8: "ALTER TABLE runs ADD COLUMN eight VARCHAR; UPDATE runs SET eight = seven || 'y'",
    10: "DROP TABLE runs",
}


def test_migrations_are_applied_in_order(tmp_path: Path) -> None:
    """Each migration starts from the previous one; the last version has no migration."""
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"runs": [run()]})
        migrate(checkpoint.execute, 7, STEPS)
        assert checkpoint.rows("SELECT seven, eight FROM runs") == [("x", "xy")]
        assert checkpoint.rows("SELECT schema_version FROM checkpoint") == [(9,)]


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Earlier migrations remain; the failed one is undone completely."""
    monkeypatch.setattr("batcher.store.migrations.SCHEMA_VERSION", 10)
    broken = {**STEPS, 8: "UPDATE runs SET seven = 'lost'; SELECT * FROM nowhere"}
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"runs": [run()]})
        with pytest.raises(CheckpointError):
            migrate(checkpoint.execute, 7, broken)
    with opened(tmp_path) as checkpoint:
        assert checkpoint.rows("SELECT seven FROM runs") == [("x",)]
        assert checkpoint.rows("SELECT schema_version FROM checkpoint") == [(8,)]


def test_opening_for_writing_migrates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening for writing updates an old checkpoint; opening for reading is refused with a hint."""
    set_version(tmp_path, 0)
    step = {0: "ALTER TABLE runs ADD COLUMN zero VARCHAR"}
    monkeypatch.setattr(checkpoint_module, "MIGRATIONS", step)
    with pytest.raises(CheckpointError, match="older batcher") as caught:
        Checkpoint(tmp_path, is_read_only=True)
    assert "batcher run" in str(caught.value.hint)
    with opened(tmp_path) as checkpoint:
        assert checkpoint.rows("SELECT schema_version FROM checkpoint") == [(1,)]
        assert checkpoint.rows("SELECT zero FROM runs") == []


TO_THE_SECOND = """
DROP TABLE price_tables; DROP TABLE releases;
ALTER TABLE runs DROP COLUMN prices_digest; ALTER TABLE outcomes DROP COLUMN rates;
UPDATE checkpoint SET schema_version = 2;
"""
TO_THE_FIRST = f"""{TO_THE_SECOND}
DROP TABLE rows_seen; DROP TABLE replacements;
UPDATE checkpoint SET schema_version = 1;
"""


@pytest.mark.parametrize("back", [TO_THE_FIRST, TO_THE_SECOND], ids=["1", "2"])
def test_an_older_schema_is_updated(tmp_path: Path, back: str) -> None:
    """A checkpoint of an older batcher keeps its records and gets the new tables and columns."""
    with opened(tmp_path) as checkpoint:
        groups = {"runs": [run()], "attempts": [intent(1), intent(2)], "outcomes": [outcome(1)]}
        checkpoint.commit(groups)
        wanted = checkpoint.rows(_COLUMNS)
        checkpoint.execute(back)
    with opened(tmp_path) as checkpoint:
        assert checkpoint.rows("SELECT schema_version FROM checkpoint") == [(SCHEMA_VERSION,)]
        assert checkpoint.rows(_COLUMNS) == wanted
        assert checkpoint.records == 4
        assert checkpoint.rows("SELECT cost_usd, rates FROM outcomes") == [(Decimal("0.001"), None)]
        assert checkpoint.rows("SELECT run_id, prices_digest FROM runs") == [("run", None)]
        checkpoint.commit({"outcomes": [outcome(2, rates="standard")]})


_COLUMNS = (
    "SELECT table_name, column_name, data_type FROM duckdb_columns() "
    "WHERE database_name = 'c' ORDER BY ALL"
)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM '{file}'",
        "SELECT * FROM read_csv('{file}')",
        "COPY attempts TO '{new}'",
        "EXPORT DATABASE '{new}'",
        "ATTACH '{new}' AS other",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
    ],
)
def test_sql_can_access_only_the_checkpoint(tmp_path: Path, sql: str) -> None:
    """No statement can access a file, the network, an extension or a setting."""
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    with opened(tmp_path) as checkpoint, pytest.raises(CheckpointError):
        checkpoint.rows(sql.format(file=file, new=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_sql_sees_no_python_variables(tmp_path: Path) -> None:
    """A table name never refers to a Python variable."""
    with opened(tmp_path) as checkpoint:
        setting = "SELECT current_setting('python_enable_replacements')"
        assert checkpoint.rows(setting) == [(False,)]


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(intent(2, model="SECRET\ud800"), id="lone surrogate"),
        pytest.param(intent(2**70), id="integer too large"),
        pytest.param(intent(2, worst_case_usd=Decimal("1e-19")), id="too many decimals"),
        pytest.param(intent(2, worst_case_usd=Decimal("1e25")), id="too much money"),
    ],
)
def test_a_group_is_stored_completely_or_not_at_all(tmp_path: Path, bad: object) -> None:
    """A record that cannot be stored fails its group and no other; the error does not quote it."""
    with opened(tmp_path) as checkpoint:
        with pytest.raises(CheckpointError) as caught:
            checkpoint.commit({"runs": [run()], "attempts": [intent(1), bad]})
        assert "SECRET" not in str(caught.value)
        assert count(checkpoint, "runs") == count(checkpoint, "attempts") == 0
        checkpoint.commit({"runs": [run()], "attempts": [intent(3)]})
        assert count(checkpoint, "runs") == count(checkpoint, "attempts") == 1


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    """Microseconds, eighteen decimals, all bytes of a body, and nulls are kept."""
    body = bytes(range(256)) * 3
    cost = Decimal("12345678901234567890.123456789012345678")
    when = datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    row = outcome(7, 9, body=body, cost_usd=cost, ended_at=when, error_message="ü\u2028\0")
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"attempts": [intent(7, 9)], "outcomes": [row]})
    with opened(tmp_path, is_read_only=True) as checkpoint:
        (found,) = checkpoint.table("SELECT * FROM outcomes").to_pylist()
    assert found.pop("fingerprint") == str(UUID(bytes=fingerprint_of(9)))
    assert found["ended_at"] == when
    assert found.pop("body_bytes") == len(body)
    assert found == {key: getattr(row, key) for key in found}


@given(size=st.integers(0, 5000), times=st.integers(1, 400))
def test_a_packed_body_is_the_same_body(size: int, times: int) -> None:
    """Long bodies are compressed when written, and read byte for byte."""
    body = random.Random(size).randbytes(size) * times
    assert unpacked(packed(body), len(body)) == body


def test_attempt_ids_continue_after_reopening(tmp_path: Path) -> None:
    """An id is never used twice, with or without an outcome."""
    with opened(tmp_path) as checkpoint:
        assert checkpoint.next_attempt_id() == 1
        checkpoint.commit({"attempts": [intent(1), intent(41)]})
    with opened(tmp_path) as checkpoint:
        assert checkpoint.next_attempt_id() == 42


def test_origins_are_the_servers_of_final_outcomes(tmp_path: Path) -> None:
    """A server without a final outcome does not count."""
    with opened(tmp_path) as checkpoint:
        runs = [run("a", "A"), run("b", "B"), run("c", "C")]
        attempts = [intent(1, run_id="a"), intent(2, run_id="b"), intent(3, run_id="c")]
        outcomes = [outcome(1), outcome(2, is_final=False)]
        checkpoint.commit({"runs": runs, "attempts": attempts, "outcomes": outcomes})
        assert checkpoint.origins() == ["A"]


def test_a_large_log_is_folded_into_the_file(tmp_path: Path) -> None:
    """A small log stays, a large log is folded into the file, and no record is lost."""
    log = tmp_path / f"{FILE_NAME}.wal"
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"outcomes": [outcome(1)]})
        small = log.stat().st_size
        checkpoint.checkpoint_if_due()
        assert log.stat().st_size == small
        noise = random.Random(1).randbytes(2 << 20)
        for n in range(2, 13):
            checkpoint.commit({"outcomes": [outcome(n, body=noise)]})
        assert log.stat().st_size > 16 << 20
        checkpoint.checkpoint_if_due()
        assert not log.exists() or log.stat().st_size < 1 << 20
        assert count(checkpoint, "outcomes") == 12


def test_the_folder_is_synced_for_a_new_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is synced once for each new log, before its first commit counts."""
    with opened(tmp_path) as checkpoint:
        synced: list[Path] = []
        monkeypatch.setattr(checkpoint_module, "sync_folder", synced.append)
        monkeypatch.setattr(checkpoint_module, "_WAL_BYTES", 0)
        checkpoint.commit({"outcomes": [outcome(1)]})
        assert synced == [tmp_path]
        checkpoint.commit({"outcomes": [outcome(2)]})
        assert synced == [tmp_path]
        checkpoint.checkpoint_if_due()
        checkpoint.commit({"outcomes": [outcome(3)]})
        assert synced == [tmp_path, tmp_path]
