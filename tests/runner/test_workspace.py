"""Where a job keeps its state and its output, and which places are refused."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from batcher.errors import CheckpointError, ConfigurationError
from batcher.inputs.job_file.load import load_job
from batcher.outputs.atomic import write_json
from batcher.outputs.parquet_output import ParquetOutput
from batcher.runner import workspace as workspace_module
from batcher.runner.workspace import Workspace
from batcher.store.lock import Holder, Lock

JOB = """
[input]
path = "rows.jsonl"
[request]
model = "m"
max_tokens = 5
prompt = "{{ x }}"
"""


def workspace(folder: Path, *overrides: str, is_simulated: bool = False) -> Workspace:
    """Return the workspace of a job whose file is in a folder."""
    (folder / "job.toml").write_text(JOB)
    return Workspace.of(load_job(folder / "job.toml", overrides), is_simulated=is_simulated)


def test_a_check_of_good_places_leaves_nothing_behind(tmp_path: Path) -> None:
    """Folders that do not exist yet can be made later."""
    workspace(tmp_path, "job.state=a/b", "output.path=c/d/out.parquet").check()
    assert [path.name for path in tmp_path.iterdir()] == ["job.toml"]


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["job.state=job.toml"], "is not a writable folder"),
        (["job.state=job.toml/state"], "is not a writable folder"),
        (["output.path=job.toml/out"], "is not a writable folder"),
        (["job.state=s", "output.path=s"], "would replace the folder of the job's state"),
        (["output.path=runs"], "would replace the folder of the job's state"),
        (["output.path=runs/job"], "would replace the folder of the job's state"),
        (["output.path=link/job"], "would replace the folder of the job's state"),
        ([f"job.state={'/'.join(['x' * 200] * 30)}"], "File name too long"),
    ],
)
def test_places_that_cannot_be_used_are_refused(
    tmp_path: Path, overrides: list[str], words: str
) -> None:
    """The error says which key has to change."""
    (tmp_path / "link").symlink_to("runs")
    with pytest.raises(ConfigurationError, match=words) as caught:
        workspace(tmp_path, *overrides).check()
    assert "job.state" in str(caught.value.hint) or "output.path" in str(caught.value.hint)


def test_a_state_that_cannot_be_locked_is_refused(tmp_path: Path) -> None:
    """The lock of the state folder is opened as a run opens it."""
    (tmp_path / "runs" / "job" / "lock").mkdir(parents=True)
    with pytest.raises(CheckpointError, match="lock"):
        workspace(tmp_path).check()


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o772, 0o1777])
def test_a_state_that_others_can_write_to_is_refused(tmp_path: Path, mode: int) -> None:
    """They could replace what is recorded; the hint is the command that closes the folder."""
    state = tmp_path / "runs" / "job"
    state.mkdir(parents=True)
    state.chmod(mode)
    with pytest.raises(ConfigurationError, match="others can write") as caught:
        workspace(tmp_path).check()
    assert f"chmod go-w {state}" in str(caught.value.hint)
    assert list(state.iterdir()) == []
    state.chmod(0o755)
    workspace(tmp_path).check()


def test_a_file_system_without_modes_is_accepted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There every file looks writable by all, also one that was made for its owner."""
    state = tmp_path / "runs" / "job"
    state.mkdir(parents=True)
    state.chmod(0o777)
    monkeypatch.setattr(workspace_module, "probe_mode", lambda _: 0o100777)
    workspace(tmp_path).check()


@pytest.mark.parametrize(
    "name",
    [
        *("status.json", ".status.json.new", "lock", "checkpoint.duckdb", "checkpoint.duckdb.wal"),
        *("watermark", "ballast", "output.json", ".output.json.new", ".probe", "anything"),
    ],
)
@pytest.mark.parametrize("target", ["victim", "nowhere", "folder"])
def test_a_planted_link_in_the_state_is_refused(tmp_path: Path, name: str, target: str) -> None:
    """Nothing is written through it."""
    state = tmp_path / "runs" / "job"
    state.mkdir(parents=True)
    (tmp_path / "victim").write_text("precious")
    (tmp_path / "folder").mkdir()
    (state / name).symlink_to(tmp_path / target)
    with pytest.raises(ConfigurationError, match="is a link") as caught:
        workspace(tmp_path).check()
    assert name in caught.value.message
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_in_the_state_is_refused(tmp_path: Path) -> None:
    """To read it would wait for ever."""
    (tmp_path / "runs" / "job").mkdir(parents=True)
    os.mkfifo(tmp_path / "runs" / "job" / "watermark")
    with pytest.raises(ConfigurationError, match="is a link or a device"):
        workspace(tmp_path).check()


@pytest.mark.parametrize("name", [".out.parquet.probe", ".out.parquet.new", ".out.parquet.old"])
def test_a_planted_link_beside_the_output_is_not_followed(tmp_path: Path, name: str) -> None:
    """Temporary files are new files; a link in their place is removed."""
    (tmp_path / "victim").write_text("precious")
    (tmp_path / name).symlink_to("victim")
    workspace(tmp_path, "output.path=out.parquet").check()
    schema = pa.schema([("n", pa.int64())])
    with ParquetOutput(tmp_path / "out.parquet", schema, rows_per_file=None) as output:
        output.finish({})
    assert (tmp_path / "victim").read_text() == "precious"
    assert not (tmp_path / "out.parquet").is_symlink()
    assert not (tmp_path / name).is_symlink()


def test_locks_and_text_files_are_not_written_through_links(tmp_path: Path) -> None:
    """Commands that do not check the folder are safe, too."""
    (tmp_path / "victim").write_text("precious")
    for name in ("lock", ".status.json.new"):
        (tmp_path / name).symlink_to("victim")
    with pytest.raises(CheckpointError, match="symbolic links"):
        Lock(tmp_path, Holder.this_process(datetime.now(UTC)))
    write_json(tmp_path / "status.json", {})
    assert (tmp_path / "victim").read_text() == "precious"


def test_a_simulated_run_has_places_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are the same ones from wherever the command is typed."""
    overrides = ("job.state=.", "output.path=out")
    far = workspace(tmp_path, *overrides, is_simulated=True)
    monkeypatch.chdir(tmp_path)
    near = workspace(Path(), *overrides, is_simulated=True)
    assert far.state == tmp_path.with_name(f"{tmp_path.name}.simulated")
    assert near.state.absolute() == far.state
    assert near.output.absolute() == far.output == tmp_path / "out.simulated"
