"""batcher doctor finds damage, writes a repaired copy, and changes nothing else."""

import errno
import os
import shutil
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest
from commanding import Command

from batcher.outputs.seal import Seal
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.watermark import Watermark

COMMANDS = (("run", "--yes"), ("failures",), ("show", "1"), ("export", "--partial"), ("check",))


@pytest.fixture
def job(done: Path, tmp_path: Path) -> Path:
    """Return a copy of a job that has had a simulated run."""
    shutil.copytree(done.parent, tmp_path / "job")
    return tmp_path / "job" / "job.toml"


@pytest.fixture
def state(job: Path) -> Path:
    """Return the state folder of the job."""
    return job.parent / "runs" / "job.simulated"


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder except the lock, which every command rewrites."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "lock"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def scramble(path: Path, start: int, size: int = 4096) -> None:
    """Overwrite a part of a file, as a bad disk would."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(bytes(range(1, 256)) * (size // 255))


def claim_records(state: Path, records: int) -> None:
    """Let the watermark say that there were more records."""
    mark = Watermark(state).read()
    assert mark is not None
    Watermark(state).write_durably(replace(mark, records=records))


def test_a_sound_checkpoint_is_reported_with_its_counts(
    job: Path, state: Path, batcher: Command
) -> None:
    """Nothing is written."""
    before = contents(job.parent)
    result = batcher("doctor", job, "--simulate")
    assert result.code == 0, result.err
    assert "sound" in result.out
    assert "attempts: 3 rows read" in result.out
    assert contents(job.parent) == before
    assert {path.name for path in state.parent.iterdir()} == {state.name}


@pytest.fixture
def read_only(job: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse every write below the folder of the job, as a read-only medium does."""
    real_open, real_mkdir = os.open, os.mkdir

    def refuse(path: object) -> None:
        if Path(os.path.abspath(str(path))).is_relative_to(job.parent):  # noqa: PTH100
            raise OSError(errno.EROFS, "Read-only file system", str(path))

    def opened(path: object, flags: int, *rest: object, **more: object) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY | os.O_CREAT):
            refuse(path)
        return real_open(path, flags, *rest, **more)  # type: ignore[arg-type]

    def made(path: object, *rest: object, **more: object) -> None:
        refuse(path)
        real_mkdir(path, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "mkdir", made)
    monkeypatch.setattr(os, "access", lambda _path, mode, **_: mode != os.W_OK)


@pytest.mark.parametrize("has_lock", [True, False])
@pytest.mark.usefixtures("read_only")
def test_a_read_only_medium_needs_only_another_folder(
    job: Path, state: Path, batcher: Command, tmp_path: Path, has_lock: bool
) -> None:
    """The hint names --out; the copy goes there, and the next command runs with it."""
    if not has_lock:
        (state / "lock").unlink()
    before = contents(state)
    result = batcher("doctor", job, "--simulate")
    assert result.code == 1
    assert "--out" in result.err
    out = tmp_path / "saved"
    assert batcher("doctor", job, "--simulate", "--out", out).code == 0
    assert not out.exists(), "a sound checkpoint needs no copy"
    assert contents(state) == before


def test_the_copy_can_go_to_another_folder(
    job: Path, state: Path, batcher: Command, tmp_path: Path
) -> None:
    """The last lines lead to a run with it; a folder that holds something is not replaced."""
    claim_records(state, 100)
    out = tmp_path / "other place"
    result = batcher("doctor", job, "--simulate", "--out", out)
    assert result.code == 1
    assert (out / FILE_NAME).exists()
    assert f"mv '{out}' '{out}.simulated'" in result.err
    assert batcher("doctor", job, "--simulate", "--out", out).code == 2
    out.rename(f"{out}.simulated")
    assert f"'job.state={out}'" in result.err
    assert batcher("run", job, "--simulate", "--set", f"job.state={out}").code == 3


def test_lost_records_are_counted_and_the_copy_can_be_used(
    job: Path, state: Path, batcher: Command
) -> None:
    """The original is unchanged; with the copy in its place, doctor and run have no complaint."""
    claim_records(state, 100)
    before = contents(state)
    result = batcher("doctor", job, "--simulate")
    assert result.code == 1
    assert "of 100 records" in result.out
    assert contents(state) == before
    repaired = state.with_name("job.simulated.repaired")
    assert stat.S_IMODE(repaired.stat().st_mode) == 0o700
    assert stat.S_IMODE((repaired / FILE_NAME).stat().st_mode) == 0o600
    assert f"mv {os.path.relpath(repaired)} {os.path.relpath(state)}" in result.err
    state.rename(state.with_name("damaged"))
    repaired.rename(state)
    assert batcher("doctor", job, "--simulate").code == 0
    assert batcher("run", job, "--simulate").code == 3
    assert list(state.glob("*/run.json"))


def test_json_has_the_findings(job: Path, state: Path, batcher: Command) -> None:
    """``--json`` prints one object."""
    claim_records(state, 100)
    found = batcher("doctor", job, "--simulate", "--json").json
    assert not found["is_sound"]
    assert [finding["kind"] for finding in found["findings"] if not finding["is_harmless"]] == [
        "records_missing"
    ]
    assert found["records"]["missing"] == 100 - found["records"]["read"]
    assert found["repaired"].endswith("job.simulated.repaired")
    assert found["open_attempts"]["attempts"] == 0


def test_a_missing_checkpoint_cannot_be_repaired(job: Path, state: Path, batcher: Command) -> None:
    """The message says how many records it had."""
    (state / FILE_NAME).unlink()
    result = batcher("doctor", job, "--simulate")
    assert result.code == 1
    assert "is missing; it had" in result.out
    assert not state.with_name("job.simulated.repaired").exists()


@pytest.mark.parametrize("content", [b"", b"not a database " * 1000])
def test_a_file_that_is_no_database_is_reported(
    content: bytes, job: Path, state: Path, batcher: Command
) -> None:
    """Its content is not shown."""
    (state / FILE_NAME).write_bytes(content)
    result = batcher("doctor", job, "--simulate")
    assert result.code == 1
    assert "cannot be opened" in result.out
    assert "not a database not" not in result.out + result.err


def test_the_log_of_another_checkpoint_is_left_out(
    job: Path, state: Path, batcher: Command, tmp_path: Path
) -> None:
    """The copy has all records of the database file."""
    other = tmp_path / "other"
    other.mkdir()
    Checkpoint.create(other, version="0", now=datetime.now(UTC))
    checkpoint = Checkpoint(other)
    checkpoint.execute("INSERT INTO replacements VALUES (uuid(), uuid(), 'run')")
    log = f"{FILE_NAME}.wal"
    shutil.copyfile(other / log, state / log)
    checkpoint.close()
    result = batcher("doctor", job, "--simulate")
    assert result.code == 1
    assert "belongs to another checkpoint" in result.out
    assert "0 lost" not in result.out


def test_a_checkpoint_of_a_newer_batcher_is_not_rewritten(
    job: Path, state: Path, batcher: Command
) -> None:
    """Its records are counted, and there is no copy."""
    with duckdb.connect(str(state / FILE_NAME)) as connection:
        connection.execute("UPDATE checkpoint SET schema_version = 99")
    result = batcher("doctor", job, "--simulate")
    assert result.code == 1
    assert "newer batcher" in result.out
    assert "lost" not in result.out
    records = batcher("doctor", job, "--simulate", "--json").json["records"]
    assert records["recorded"] > records["missing"] == 0
    assert not state.with_name("job.simulated.repaired").exists()


def test_an_older_schema_is_no_damage(job: Path, state: Path, batcher: Command) -> None:
    """The next run migrates it."""
    with duckdb.connect(str(state / FILE_NAME)) as connection:
        connection.execute("UPDATE checkpoint SET schema_version = 1")
        connection.execute("DROP TABLE rows_seen; DROP TABLE replacements")
    Watermark(state).path.unlink()
    result = batcher("doctor", job, "--simulate")
    assert result.code == 0
    assert "older batcher" in result.out


def test_a_lone_database_file_is_incomplete(job: Path, state: Path, batcher: Command) -> None:
    """Run refuses it and names doctor, which says what belongs together and writes a copy."""
    for path in state.iterdir():
        if path.is_file() and path.name != FILE_NAME:
            path.unlink()
    refused = batcher("run", job, "--simulate", "--yes")
    assert refused.code == 1
    assert "is incomplete: the file watermark is missing" in refused.err
    assert "or run batcher doctor JOB" in refused.err
    result = batcher("doctor", job, "--simulate")
    assert result.code == 1
    assert "put them here and run doctor again" in result.out
    replace_by_copy(state)
    assert batcher("doctor", job, "--simulate").code == 0
    assert "0 to send" in batcher("run", job, "--simulate", "--yes").err


def test_files_of_two_checkpoints_are_told_apart(
    job: Path, state: Path, batcher: Command, tmp_path: Path
) -> None:
    """The watermark of another job beside this database: refused, and doctor writes a copy."""
    other = tmp_path / "other"
    other.mkdir()
    Checkpoint.create(other, version="0", now=datetime.now(UTC))
    shutil.copyfile(other / "watermark", state / "watermark")
    assert "belong to different checkpoints" in batcher("run", job, "--simulate", "--yes").err
    assert "belong to different checkpoints" in batcher("doctor", job, "--simulate").out
    replace_by_copy(state)
    assert "0 to send" in batcher("run", job, "--simulate", "--yes").err


def replace_by_copy(state: Path) -> None:
    """Put the repaired copy in the place of the damaged folder, as doctor says."""
    state.rename(state.with_name("damaged"))
    state.with_name(f"{state.name}.repaired").rename(state)


def test_a_locked_job_is_not_examined(job: Path, state: Path, batcher: Command) -> None:
    """While a run holds the lock, doctor exits with 8."""
    with Lock(state, Holder.this_process(datetime.now(UTC))):
        assert batcher("doctor", job, "--simulate").code == 8


def test_an_earlier_copy_is_not_overwritten(job: Path, state: Path, batcher: Command) -> None:
    """The user may have continued with it."""
    repaired = state.with_name("job.simulated.repaired")
    repaired.mkdir()
    (repaired / FILE_NAME).write_bytes(b"precious")
    result = batcher("doctor", job, "--simulate")
    assert (result.code, (repaired / FILE_NAME).read_bytes()) == (2, b"precious")


def test_a_job_that_has_not_run_is_an_error(fresh: Path, batcher: Command) -> None:
    """No folder is made."""
    assert batcher("doctor", fresh).code == 2
    assert not (fresh.parent / "runs").exists()


def test_a_changed_output_is_found(job: Path, state: Path, batcher: Command) -> None:
    """Its seal shows it; the checkpoint is not repaired for it."""
    output = job.parent / "job.out.simulated.parquet"
    Seal.of(output, {}).write(state)
    assert "is unchanged since it was written: 6 rows" in batcher("doctor", job, "--simulate").out
    scramble(output, 100, 255)
    result = batcher("doctor", job, "--simulate")
    assert result.code == 1
    assert "changed since it was written: job.out.simulated.parquet" in result.out
    assert not state.with_name("job.simulated.repaired").exists()


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
@pytest.mark.parametrize("start", [0, 4096, 12288])
def test_every_command_names_doctor(
    start: int, words: tuple[str, ...], job: Path, state: Path, batcher: Command
) -> None:
    """A damaged checkpoint is one message with the next command, without a traceback."""
    for block in range(start, (state / FILE_NAME).stat().st_size if start == 12288 else 1, 262144):
        scramble(state / FILE_NAME, block + 512, 1024)
    scramble(state / FILE_NAME, start + 512, 1024)
    name, *more = words
    result = batcher(name, job, *more, "--simulate")
    assert result.code == 1, result
    assert result.err.endswith(f"next   batcher doctor {job} --simulate\n")
    assert result.err.count("error  ") == 1
    assert "Traceback" not in result.err
    assert "Stack Trace" not in result.err


def test_the_status_of_a_refused_run_names_doctor(job: Path, state: Path, batcher: Command) -> None:
    """It has the reason, also in ``--json``; a run that ended in order has none."""
    assert batcher("status", job, "--simulate", "--json").json["reason"] is None
    claim_records(state, 100)
    assert batcher("run", job, "--simulate", "--yes").code == 1
    result = batcher("status", job, "--simulate")
    assert "records, but it had 100" in result.out
    assert result.err == f"next   batcher doctor {job} --simulate\n"
    found = batcher("status", job, "--simulate", "--json").json
    assert (found["exit_code"], found["next"]) == (1, "doctor")
    assert found["reason"].startswith(str(state))


def test_the_status_of_a_run_that_could_not_start_has_the_reason(
    job: Path, batcher: Command
) -> None:
    """It counts the bad rows and does not quote them."""
    (job.parent / "rows.jsonl").write_text('{"id": "CANARY"}\n')
    assert batcher("run", job, "--simulate", "--yes").code == 2
    found = batcher("status", job, "--simulate", "--json").json
    assert found["reason"] == "1 of 1 row is bad; nothing was sent"
    assert found["next"] == "run"
