"""A night without work is no error: an input without rows, or of which none is selected."""

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commanding import Command

JOB = """
[input]
path = "{path}"
id = "id"
{more}
[request]
model = "claude-haiku-5-5"
max_tokens = 200
prompt = "Classify: {{{{ text }}}}"
[labels]
fields = "label: good|bad"
"""
ROWS = [{"id": f"r{n}", "text": f"text {n}"} for n in range(3)]


def write(folder: Path, path: str, more: str = "") -> Path:
    """Write inputs without rows of several kinds, one with rows, and a job."""
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    (folder / "rows.jsonl").write_text(lines)
    (folder / "none.jsonl").touch()
    (folder / "blank.jsonl").write_text("\n \n\n")
    (folder / "none.jsonl.gz").write_bytes(gzip.compress(b""))
    none = pa.table({"id": pa.array([], pa.string()), "text": pa.array([], pa.string())})
    pq.write_table(none, folder / "none.parquet")
    (folder / "job.toml").write_text(JOB.format(path=path, more=more))
    return folder / "job.toml"


EMPTY = pytest.mark.parametrize(
    ("path", "more"),
    [
        ("none.jsonl", ""),
        ("rows.jsonl", "where = \"text == 'other'\""),
        pytest.param("blank.jsonl", "", marks=pytest.mark.slow),
        pytest.param("none.jsonl.gz", "", marks=pytest.mark.slow),
        pytest.param("none.parquet", "", marks=pytest.mark.slow),
        pytest.param("none.*l", "", marks=pytest.mark.slow),
        pytest.param("rows.jsonl", "sample = 0.0001", marks=pytest.mark.slow),
    ],
)


@EMPTY
def test_nothing_to_do_is_no_error(tmp_path: Path, batcher: Command, path: str, more: str) -> None:
    """A run says so, exits 0, and writes an output without rows; other commands work."""
    job = write(tmp_path, path, more)
    result = batcher("run", job, "--simulate")
    assert result.code == 0
    assert "nothing to send: the input has no rows, or input.where selects none" in result.err
    table = pq.read_table(tmp_path / "job.out.simulated.parquet")
    assert len(table) == 0
    assert {"label", "_status"} <= set(table.column_names)
    for command in ("check", "estimate", "run", "failures", "retry", "export", "status"):
        assert batcher(command, job, "--simulate").code == 0, command


@EMPTY
def test_a_job_may_insist_on_rows(tmp_path: Path, batcher: Command, path: str, more: str) -> None:
    """``allow_empty = false``: every command says so before anything is sent."""
    job = write(tmp_path, path, f"{more}\nallow_empty = false")
    for command in ("check", "run", "estimate"):
        result = batcher(command, job, "--simulate")
        assert result.code == 2
        assert "the input has no rows, and input.allow_empty is false" in result.err


@pytest.mark.parametrize("path", ["missing.jsonl", "missing/*.jsonl", "missing", "folder"])
def test_files_must_exist(tmp_path: Path, batcher: Command, path: str) -> None:
    """A missing file, a glob without a match and an empty folder are mistakes."""
    (tmp_path / "folder").mkdir()
    result = batcher("run", write(tmp_path, path), "--simulate")
    assert result.code == 2


def test_an_empty_night_keeps_the_answers(tmp_path: Path, batcher: Command) -> None:
    """When the rows come back, nothing is sent again."""
    job = write(tmp_path, "rows.jsonl")
    assert batcher("run", job, "--simulate").code == 0
    content = (tmp_path / "rows.jsonl").read_bytes()
    (tmp_path / "rows.jsonl").write_bytes(b"")
    assert batcher("run", job, "--simulate").code == 0
    (tmp_path / "rows.jsonl").write_bytes(content)
    assert "3 already answered" in batcher("run", job, "--simulate").err
    assert len(pq.read_table(tmp_path / "job.out.simulated.parquet")) == 3


@pytest.mark.parametrize("on_empty", ["skip", "send"])
def test_null_is_an_empty_text(tmp_path: Path, batcher: Command, on_empty: str) -> None:
    """JSONL and Parquet; a null text is not a bad row."""
    rows = [{"id": "a", "text": None}, {"id": "b", "text": ""}, {"id": "c", "text": "hi"}]
    for name in ("rows.jsonl", "rows.parquet"):
        job = write(tmp_path, name, f'on_empty = "{on_empty}"')
        (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
        plan = batcher("estimate", job, "--simulate", "--json").json["plan"]
        skipped, shared = (2, 0) if on_empty == "skip" else (0, 1)
        assert (plan["bad"], plan["skipped"], plan["shared"]) == (0, skipped, shared)
