"""Where a job keeps its state and its output, and which places are refused."""

from pathlib import Path

import pytest

from batcher.errors import CheckpointError, ConfigurationError
from batcher.inputs.job_file.load import load_job
from batcher.runner.workspace import Workspace

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
