"""The checkpoint's file: made whole, opened by those who know it, closed to everything else."""

import random
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st
from records_made import NOW, count, intent, name, opened, outcome, run

from batcher.errors import CheckpointError
from batcher.store import checkpoint as checkpoint_module
from batcher.store.checkpoint import FILE_NAME, Checkpoint, migrate
from batcher.store.migrations import SCHEMA_VERSION
from batcher.store.records import packed, unpacked


def test_create_leaves_only_a_whole_file(tmp_path: Path) -> None:
    """No temporary file stays, and the new checkpoint says its schema and maker."""
    Checkpoint.create(tmp_path, version="1.2.3", now=NOW)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    with opened(tmp_path) as checkpoint:
        (row,) = checkpoint.table("SELECT * FROM checkpoint").to_pylist()
    wanted = {"schema_version": SCHEMA_VERSION, "created_at": NOW, "created_by": "1.2.3"}
    assert row == wanted


@pytest.mark.parametrize("content", [b"", b"DUCK half a file"], ids=["empty", "half"])
def test_a_creation_that_was_killed_is_begun_again(tmp_path: Path, content: bytes) -> None:
    """Whatever a kill left under the temporary names is thrown away."""
    (tmp_path / f"{FILE_NAME}.new").write_bytes(content)
    (tmp_path / f"{FILE_NAME}.new.wal").write_bytes(content)
    with opened(tmp_path) as checkpoint:
        assert count(checkpoint, "attempts") == 0
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_creation_that_fails_leaves_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file gets its name last: what is there under it is complete."""
    monkeypatch.setattr(checkpoint_module, "script", lambda _: "CREATE TABLE checkpoint (a INT);")
    with pytest.raises(CheckpointError):
        Checkpoint.create(tmp_path, version="0", now=NOW)
    assert not (tmp_path / FILE_NAME).exists()


def test_create_leaves_what_is_there_alone(tmp_path: Path) -> None:
    """Recorded answers survive."""
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"attempts": [intent(1)]})
    before = (tmp_path / FILE_NAME).read_bytes()
    Checkpoint.create(tmp_path, version="9", now=NOW)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_a_folder_may_be_called_anything(tmp_path: Path) -> None:
    """A quote in a path is no SQL."""
    folder = tmp_path / "o'neil; DROP TABLE x; -- ü"
    folder.mkdir()
    with opened(folder) as checkpoint:
        assert count(checkpoint, "runs") == 0


@pytest.mark.parametrize("content", [b"", b"not a database" * 1000], ids=["empty", "junk"])
def test_another_kind_of_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """It is a CheckpointError, and the file stays as it was."""
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(CheckpointError, match="checkpoint"):
        Checkpoint(tmp_path)
    if content:
        assert (tmp_path / FILE_NAME).read_bytes() == content


def test_a_log_of_another_file_is_refused(tmp_path: Path) -> None:
    """A write-ahead log without its file is never played into a new one."""
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
    """Pretend that another batcher wrote a checkpoint."""
    with opened(folder) as checkpoint:
        checkpoint.execute("UPDATE checkpoint SET schema_version = $version", version=version)


@pytest.mark.parametrize("is_read_only", [False, True])
def test_a_newer_schema_is_refused(tmp_path: Path, is_read_only: bool) -> None:
    """An older batcher must not guess what a newer one wrote; it leaves no lock behind either."""
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
    """Each builds on the one before, and the chain ends where there is no next step."""
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"runs": [run()]})
        migrate(checkpoint, 7, STEPS)
        assert checkpoint.rows("SELECT seven, eight FROM runs") == [("x", "xy")]
        assert checkpoint.rows("SELECT schema_version FROM checkpoint") == [(9,)]


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps before it stay; its own step is undone whole."""
    monkeypatch.setattr(checkpoint_module, "SCHEMA_VERSION", 10)
    broken = {**STEPS, 8: "UPDATE runs SET seven = 'lost'; SELECT * FROM nowhere"}
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"runs": [run()]})
        with pytest.raises(CheckpointError):
            migrate(checkpoint, 7, broken)
    with opened(tmp_path) as checkpoint:
        assert checkpoint.rows("SELECT seven FROM runs") == [("x",)]
        assert checkpoint.rows("SELECT schema_version FROM checkpoint") == [(8,)]


def test_opening_migrates_unless_it_only_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first write access brings an old checkpoint up to date; a reader is told so."""
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
def test_an_older_schema_becomes_todays(tmp_path: Path, back: str) -> None:
    """A checkpoint as an older batcher left it keeps all that it holds, and gets what is new."""
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
def test_sql_reaches_nothing_but_the_checkpoint(tmp_path: Path, sql: str) -> None:
    """No file, network, extension or setting, whatever a statement says."""
    file = tmp_path / "secret.csv"
    file.write_text("a\n1\n")
    with opened(tmp_path) as checkpoint, pytest.raises(CheckpointError):
        checkpoint.rows(sql.format(file=file, new=tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_sql_sees_no_python_variables(tmp_path: Path) -> None:
    """A table's name is never that of whatever happens to be in scope."""
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
def test_a_group_is_stored_whole_or_not_at_all(tmp_path: Path, bad: object) -> None:
    """One record that cannot be stored takes its group with it, and only that; it is not quoted."""
    with opened(tmp_path) as checkpoint:
        with pytest.raises(CheckpointError) as caught:
            checkpoint.commit({"runs": [run()], "attempts": [intent(1), bad]})
        assert "SECRET" not in str(caught.value)
        assert count(checkpoint, "runs") == count(checkpoint, "attempts") == 0
        checkpoint.commit({"runs": [run()], "attempts": [intent(3)]})
        assert count(checkpoint, "runs") == count(checkpoint, "attempts") == 1


def test_records_come_back_as_they_went_in(tmp_path: Path) -> None:
    """Microseconds, eighteen decimals, all bytes of a body, and nulls."""
    body = bytes(range(256)) * 3
    cost = Decimal("12345678901234567890.123456789012345678")
    when = datetime(2026, 11, 22, 12, 0, 0, 1, tzinfo=timezone(timedelta(hours=2)))
    row = outcome(7, 9, body=body, cost_usd=cost, ended_at=when, error_message="ü\u2028\0")
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"attempts": [intent(7, 9)], "outcomes": [row]})
    with opened(tmp_path, is_read_only=True) as checkpoint:
        (found,) = checkpoint.table("SELECT * FROM outcomes").to_pylist()
    assert found.pop("fingerprint") == str(UUID(bytes=name(9)))
    assert found["ended_at"] == when
    assert found.pop("body_bytes") == len(body)
    assert found == {key: getattr(row, key) for key in found}


@given(size=st.integers(0, 5000), times=st.integers(1, 400))
def test_a_packed_body_is_the_same_body(size: int, times: int) -> None:
    """Long answers are compressed on their way in and come out byte for byte."""
    body = random.Random(size).randbytes(size) * times
    assert unpacked(packed(body), len(body)) == body


def test_attempt_ids_go_on_where_they_stopped(tmp_path: Path) -> None:
    """An id is never used twice, outcome or not."""
    with opened(tmp_path) as checkpoint:
        assert checkpoint.next_attempt_id() == 1
        checkpoint.commit({"attempts": [intent(1), intent(41)]})
    with opened(tmp_path) as checkpoint:
        assert checkpoint.next_attempt_id() == 42


def test_origins_are_those_that_gave_final_answers(tmp_path: Path) -> None:
    """A server that was only tried, or only failed, mixed nothing in."""
    with opened(tmp_path) as checkpoint:
        runs = [run("a", "A"), run("b", "B"), run("c", "C")]
        attempts = [intent(1, run_id="a"), intent(2, run_id="b"), intent(3, run_id="c")]
        outcomes = [outcome(1), outcome(2, is_final=False)]
        checkpoint.commit({"runs": runs, "attempts": attempts, "outcomes": outcomes})
        assert checkpoint.origins() == ["A"]


def test_a_checkpoint_shrinks_the_log(tmp_path: Path) -> None:
    """A small log is left alone, a large one is folded into the file, and nothing is lost."""
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


def test_a_new_log_is_made_durable_by_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is synced for each new log before its first commit counts, and only then."""
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
