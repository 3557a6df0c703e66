"""A job whose input is a glob beside it never asks about its own files."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commanding import Command, write_job

JOB = """
[input]
path = "{path}"
[request]
model = "claude-haiku-5-5"
max_tokens = 20
prompt = "{{{{ text }}}}"
[output]
path = "{output}"
"""


def write_rows(folder: Path) -> Path:
    """Write a job in a folder with rows in JSONL and in Parquet below data."""
    path = write_job(folder, JOB.format(path="**/*.jsonl", output="out.parquet"))
    (folder / "rows.jsonl").unlink()
    (folder / "data").mkdir()
    (folder / "data/a.jsonl").write_text('{"text": "hello"}\n')
    return path


def to_send(batcher: Command, job: Path) -> tuple[int, int]:
    """Return how many rows a run would have, and how many of them it would send."""
    plan = batcher("estimate", job, "--simulate", "--json").json["plan"]
    return plan["rows"], plan["to_send"]


def test_later_runs_find_nothing_new(tmp_path: Path, batcher: Command) -> None:
    """After runs, an export and a second job in the same folder."""
    job = write_rows(tmp_path)
    assert to_send(batcher, job) == (1, 1)
    batcher("run", job, "--simulate")
    second = tmp_path / "second.toml"
    second.write_text(JOB.format(path="data/a.jsonl", output="data/second.parquet"))
    batcher("run", second, "--simulate")
    assert batcher("export", job, "--simulate", "--out", tmp_path / "data/x.jsonl").code == 0
    words = ("export", job, "--simulate", "--format", "messages-batch", "--out")
    assert batcher(*words, tmp_path / "data/y.jsonl").code == 0
    assert to_send(batcher, job) == (1, 0)
    result = batcher("check", job, "--simulate")
    assert (
        "leaves out 2 files that batcher wrote: data/x.jsonl, data/y.jsonl"
        in result.err + result.out
    )
    (tmp_path / "data/b.jsonl").write_text('{"text": "more"}\n')
    assert to_send(batcher, job) == (2, 1)


@pytest.mark.parametrize("command", ["run", "check"])
@pytest.mark.parametrize(
    ("path", "output"),
    [
        ("**/*.parquet", "out.parquet"),
        ("data/*.parquet", "data/out.parquet"),
        ("data/**/*.parquet", "data/parts"),
        ("data", "data/out.parquet"),
        ("link/*.parquet", "data/out.parquet"),
    ],
)
def test_an_output_inside_the_input_is_found_before_the_first_run(
    tmp_path: Path, batcher: Command, command: str, path: str, output: str
) -> None:
    """Not on the second run, when the first has been paid for."""
    job = write_rows(tmp_path)
    (tmp_path / "data/a.jsonl").unlink()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "data/a.parquet")
    (tmp_path / "link").symlink_to("data")
    job.write_text(JOB.format(path=path, output=output))
    result = batcher(command, job, "--simulate")
    assert result.code == 2
    assert "would be read as a part of the input" in result.err + result.out
    assert not (tmp_path / "runs").exists()


def test_a_second_job_continues_the_work_of_a_first(tmp_path: Path, batcher: Command) -> None:
    """A folder of outputs is an input, when there is nothing else in it."""
    job = write_rows(tmp_path)
    job.write_text(JOB.format(path="data/*.jsonl", output="first"))
    batcher("run", job, "--simulate")
    second = tmp_path / "second.toml"
    more = 'prefix = "second_"\n'
    second.write_text(JOB.format(path="first.simulated", output="out.parquet") + more)
    assert to_send(batcher, second) == (1, 1)
    second.write_text(JOB.format(path="first.simulated/*.parquet", output="out.parquet") + more)
    assert to_send(batcher, second) == (1, 1)


def test_a_prompt_among_texts_is_no_row(tmp_path: Path, batcher: Command) -> None:
    """The files that the job names are parts of it."""
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"text {name}")
    (tmp_path / "prompt.txt").write_text("Summarize this.")
    (tmp_path / "job.toml").write_text(
        '[input]\npath = "*.txt"\n[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 9\n'
        'prompt_file = "prompt.txt"\ndocuments = ["file"]\n'
    )
    assert to_send(batcher, tmp_path / "job.toml") == (2, 2)
    result = batcher("check", tmp_path / "job.toml", "--simulate", "--json")
    assert json.loads(result.out)["is_valid"]
