"""What a job did not write is not replaced, unless --overwrite says so."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commanding import JOB, Command, write_job

from batcher.runner.pipeline import run as run_module

OUTPUT = "job.out.simulated.parquet"


def write_foreign(path: Path) -> bytes:
    """Write a Parquet file that batcher knows nothing of; return its content."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"precious": [1, 2, 3]}), path)
    return path.read_bytes()


@pytest.fixture
def ran(done: Path, tmp_path: Path) -> Path:
    """A job of its own that has run, for tests that change it."""
    shutil.copytree(done.parent, tmp_path / "ran")
    return tmp_path / "ran/job.toml"


@pytest.mark.parametrize(
    "write",
    [
        write_foreign,
        lambda path: path.write_text("id,text\n1,precious\n"),
        lambda path: path.write_bytes(b"PAR1 cut short"),
    ],
)
@pytest.mark.parametrize(
    "command", ["run", *(pytest.param(name, marks=pytest.mark.slow) for name in ("check", "retry"))]
)
def test_a_file_of_another_program_stays(
    fresh: Path, batcher: Command, command: str, write: object
) -> None:
    """Every command that would write there says so first, and sends nothing."""
    output = fresh.parent / OUTPUT
    write(output)  # type: ignore[operator]
    content = output.read_bytes()
    result = batcher(command, fresh, "--simulate")
    assert result.code == 2
    assert "batcher did not write" in result.err + result.out
    assert "--overwrite" in result.err + result.out
    assert output.read_bytes() == content
    assert not (fresh.parent / "runs").exists(), "nothing was sent"


def test_overwrite_replaces_it(fresh: Path, batcher: Command) -> None:
    """From then on it is the job's own output."""
    write_foreign(fresh.parent / OUTPUT)
    assert batcher("run", fresh, "--simulate", "--overwrite").code == 3
    assert "_status" in pq.read_schema(fresh.parent / OUTPUT).names
    assert batcher("run", fresh, "--simulate").code == 3


def test_a_file_that_appears_during_the_run_stays(
    fresh: Path, batcher: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are recorded; with another path, or --overwrite, the next run writes them."""
    output, send = fresh.parent / OUTPUT, run_module.send_plan

    def send_slowly(*given: object) -> object:
        sent = send(*given)  # type: ignore[arg-type]
        write_foreign(output)
        return sent

    monkeypatch.setattr(run_module, "send_plan", send_slowly)
    result = batcher("run", fresh, "--simulate")
    assert result.code == 1
    assert "batcher did not write" in result.err
    assert pq.read_schema(output).names == ["precious"]
    assert batcher("run", fresh, "--simulate").code == 2
    monkeypatch.setattr(run_module, "send_plan", send)
    assert batcher("run", fresh, "--simulate", "--overwrite").code == 3


def test_an_empty_file_holds_nothing(fresh: Path, batcher: Command) -> None:
    """Programs that reserve a name make an empty file first."""
    (fresh.parent / OUTPUT).touch()
    assert batcher("run", fresh, "--simulate").code == 3


def test_an_output_of_another_job_stays(ran: Path, batcher: Command, tmp_path: Path) -> None:
    """Also when the other job has the same name, in another folder."""
    output = ran.parent / OUTPUT
    content = output.read_bytes()
    for name in ("other/job.toml", "other/second.toml"):
        path = write_job(tmp_path / "other")
        path = path.rename(tmp_path / name)
        shared = f'[output]\npath = "{ran.parent / "job.out.parquet"}"\n'
        path.write_text(JOB + shared)
        result = batcher("run", path, "--simulate")
        assert result.code == 2
        assert "output of another job" in result.err
    assert output.read_bytes() == content


def test_a_job_replaces_its_own_output(ran: Path, batcher: Command) -> None:
    """In a folder that was moved, without its state, and as a version before 0.7 wrote it."""
    output = ran.parent / OUTPUT
    metadata = json.loads(pq.read_metadata(output).metadata[b"batcher"])
    moved = ran.parent.rename(ran.parent.with_name("moved")) / "job.toml"
    assert batcher("run", moved, "--simulate").code == 3
    shutil.rmtree(moved.parent / "runs")
    assert batcher("run", moved, "--simulate", "--overwrite").code == 3
    shutil.rmtree(moved.parent / "runs")
    assert batcher("run", moved, "--simulate").code == 3, "the same job file"
    del metadata["job_file"]
    table = pq.read_table(moved.parent / OUTPUT)
    old = table.replace_schema_metadata({"batcher": json.dumps(metadata)})
    pq.write_table(old, moved.parent / OUTPUT)
    shutil.rmtree(moved.parent / "runs")
    assert batcher("run", moved, "--simulate").code == 3


def test_a_truncated_output_is_written_again(ran: Path, batcher: Command) -> None:
    """The seal says that the damaged file was the job's."""
    output = ran.parent / OUTPUT
    output.write_bytes(output.read_bytes()[:-20])
    assert batcher("run", ran, "--simulate").code == 3
    assert len(pq.read_table(output)) == 6


FOLDER_JOB = JOB + '[output]\npath = "out"\n'


@pytest.mark.parametrize("name", ["part-00000-abc.snappy.parquet", "part-00007.parquet", "a.txt"])
def test_a_folder_with_other_files_stays(batcher: Command, tmp_path: Path, name: str) -> None:
    """Spark names its parts like ours; --overwrite replaces files, never folders."""
    job = write_job(tmp_path, FOLDER_JOB)
    foreign = tmp_path / "out.simulated" / name
    content = write_foreign(foreign)
    result = batcher("run", job, "--simulate")
    assert (result.code, foreign.read_bytes()) == (2, content)
    (foreign.parent / "folder").mkdir()
    assert batcher("run", job, "--simulate", "--overwrite").code == 2
    (foreign.parent / "folder").rmdir()
    assert batcher("run", job, "--simulate", "--overwrite").code == 3
    assert batcher("run", job, "--simulate").code == 3
    assert [path.name for path in foreign.parent.iterdir()] == ["part-00000.parquet"]


@pytest.mark.parametrize("kind", ["jsonl", "messages-batch"])
def test_an_export_replaces_only_exports_of_its_job(
    done: Path, batcher: Command, tmp_path: Path, kind: str
) -> None:
    """Lines are recognized by the runs and messages in them."""
    out = tmp_path / "x.jsonl"
    words = ("export", done, "--simulate", "--format", kind, "--out", out)
    assert batcher(*words).code == 0
    mine = out.read_bytes()
    assert batcher(*words).code == 0
    stranger = {"custom_id": "a-1", "result": {"type": "succeeded", "message": {"id": "msg_x"}}}
    others = mine.replace(b'"_run_id":"2', b'"_run_id":"1').replace(b'"msg_', b'"msg_x')
    for content in (b'{"id": 1}\n', b"a,b\n", json.dumps(stranger).encode(), others):
        out.write_bytes(content)
        result = batcher(*words)
        assert result.code == 2, content
        assert "--overwrite" in result.err
        assert out.read_bytes() == content
    assert batcher(*words, "--overwrite").code == 0
    assert out.read_bytes() == mine


def test_a_plan_replaces_only_plans_of_its_job(
    fresh: Path, batcher: Command, tmp_path: Path
) -> None:
    """A job file named by mistake is not lost."""
    plan, words = tmp_path / "plan.json", ("estimate", fresh, "--simulate", "--out")
    assert batcher(*words, plan).code == 0
    assert batcher(*words, plan).code == 0
    own = json.loads(plan.read_text())
    plan.write_text(json.dumps({**own, "job": "other"}))
    job = fresh.read_bytes()
    for path in (plan, fresh, fresh.parent / "rows.jsonl"):
        result = batcher(*words, path)
        assert result.code == 2
        assert "not a plan of this job" in result.err
    assert fresh.read_bytes() == job
    assert batcher(*words, plan, "--overwrite").code == 0
