"""The history of a job is read from the run.json files of its state folder."""

import json
from pathlib import Path

import pytest
from run_summaries import run_summary

from batcher.runner.run_history import RunHistory


def write(state: Path, run_id: str, content: str | None = None) -> None:
    """Write the run.json of one run."""
    (state / run_id).mkdir()
    text = json.dumps(run_summary(run_id=run_id).to_json()) if content is None else content
    (state / run_id / "run.json").write_text(text)


def test_the_last_run_comes_first(tmp_path: Path) -> None:
    """Runs are ordered by their ids; a folder without run.json is no run."""
    for run_id in ("R2", "R1", "R3"):
        write(tmp_path, run_id)
    (tmp_path / "R4").mkdir()
    history = RunHistory(tmp_path)
    assert history.run_ids == ["R3", "R2", "R1"]
    assert [summary.run_id for summary in history.summaries()] == ["R3", "R2", "R1"]
    assert [summary.run_id for summary in history.summaries(before="R3")] == ["R2", "R1"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"schema_version": 1}',
        '{"schema_version": 2}',
        '{"schema_version": 9}',
    ],
)
def test_a_damaged_file_is_skipped(tmp_path: Path, content: str) -> None:
    """The older runs are still read."""
    write(tmp_path, "R1")
    write(tmp_path, "R2", content)
    history = RunHistory(tmp_path)
    assert history.summary("R2") is None
    assert [summary.run_id for summary in history.summaries()] == ["R1"]


def test_a_new_job_has_no_history(tmp_path: Path) -> None:
    """Its state folder need not exist."""
    history = RunHistory(tmp_path / "none")
    assert (history.run_ids, list(history.summaries()), history.summary("R1")) == ([], [], None)
