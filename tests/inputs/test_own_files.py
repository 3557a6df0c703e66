"""What batcher writes, and what a job is made of, is never read as its input."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.errors import InputError
from batcher.inputs.files import covers, find_files
from batcher.inputs.own_files import OwnFiles

RUN_ID = "20261130T120000.000001Z-0a1b2c"
ROW = {"text": "hello"}
OUTPUT_ROW = {
    "_id": "a", "_row": 1, "_status": "succeeded", "_attempts": 1, "_cost_usd": 0.1,
    "_fingerprint": "00", "_run_id": RUN_ID,
}  # fmt: skip
PLAN = {
    "schema_version": 1, "job": "other", "row_count": 1, "rows": "", "requests": "", "form": {},
    "cap_usd": None,
}  # fmt: skip


def write(path: Path, *rows: object) -> Path:
    """Write lines of JSON, compressed when the name says so."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_output(path: Path, metadata: dict[str, object]) -> Path:
    """Write a Parquet file with batcher's metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"_id": ["a"]}, metadata={"batcher": json.dumps(metadata)})
    pq.write_table(table, path)
    return path


def found(path: str, folder: Path, **own: object) -> tuple[list[str], list[str]]:
    """Return the names of the input's files, and of those left out."""
    files = find_files(path, folder, OwnFiles(folder, **own))  # type: ignore[arg-type]
    return [file.name for file in files.files], list(files.left_out)


@pytest.mark.parametrize(
    "folder",
    ["runs/job", "runs/job.simulated", "other/state", "x.repaired", "runs/job/" + RUN_ID, RUN_ID],
)
@pytest.mark.parametrize("marks", [("checkpoint.duckdb",), ("watermark",), ("lock", "status.json")])
def test_state_folders_are_left_out(tmp_path: Path, folder: str, marks: tuple[str, ...]) -> None:
    """Those of this job and of others, of whatever version, also in the middle of a first run."""
    write(tmp_path / "data/a.jsonl", ROW)
    for mark in marks:
        write(tmp_path / folder / mark)
    write(tmp_path / folder / RUN_ID / "events.jsonl", {"event": "run_started"})
    write(tmp_path / folder / "journal.jsonl", {"event": "x"})
    assert found("**/*.jsonl", tmp_path) == (["data/a.jsonl"], [])


def test_the_folder_of_the_job_may_be_its_state(tmp_path: Path) -> None:
    """With job.state = "." the input lies in a state folder and is still read."""
    for name in ("checkpoint.duckdb", "watermark", "lock", "status.json"):
        write(tmp_path / name)
    write(tmp_path / "a.jsonl", ROW)
    write(tmp_path / RUN_ID / "events.jsonl", {"event": "run_started"})
    assert found("**/*.jsonl", tmp_path) == (["a.jsonl"], [])


def test_every_file_of_a_state_folder_is_left_out(tmp_path: Path) -> None:
    """Files without an ending, and the journal, are not rows when a glob takes everything."""
    for name in ("checkpoint.duckdb", "checkpoint.duckdb.journal", "watermark", "lock", "ballast"):
        write(tmp_path / name)
    write(tmp_path / "a.jsonl", ROW)
    assert found("*", tmp_path) == (["a.jsonl"], [])


@pytest.mark.parametrize("path", ["*", "."])
def test_outputs_are_left_out(tmp_path: Path, path: str) -> None:
    """Outputs, parts and exports, of this and other jobs; what is left out is named."""
    rows = write(tmp_path / "rows.jsonl.gz", ROW)
    write(tmp_path / "export.jsonl", OUTPUT_ROW)
    write(tmp_path / "prefixed.ndjson.gz", {f"my{key}": OUTPUT_ROW[key] for key in OUTPUT_ROW})
    write_output(tmp_path / "old.out.parquet", {"job": "other"})
    write_output(tmp_path / "part-00000.parquet", {})
    write(tmp_path / "out.results.jsonl", {"custom_id": "a", "result": {"type": "errored"}})
    write(tmp_path / "plan.json", PLAN)
    if path == ".":
        (tmp_path / "plan.json").unlink()
    kept, left_out = found(path, tmp_path)
    assert kept == [rows.name]
    assert left_out == [
        "export.jsonl", "old.out.parquet", "out.results.jsonl", "part-00000.parquet",
        "prefixed.ndjson.gz",
    ]  # fmt: skip


def test_nothing_but_outputs_of_another_job_is_an_input(tmp_path: Path) -> None:
    """A second job continues the work of a first; a file that is named is always read."""
    write_output(tmp_path / "first/part-00000.parquet", {})
    write_output(tmp_path / "first/part-00001.parquet", {"run_id": RUN_ID})
    assert found("first", tmp_path)[0] == ["first/part-00000.parquet", "first/part-00001.parquet"]
    assert len(found("first/*.parquet", tmp_path)[0]) == 2
    (tmp_path / "state" / RUN_ID).mkdir(parents=True)
    own = {"states": (tmp_path / "state",)}
    assert found("first/*1.parquet", tmp_path)[0] == ["first/part-00001.parquet"]
    with pytest.raises(InputError, match="except files of batcher"):
        found("first/*1.parquet", tmp_path, **own)
    assert found("first/part-00001.parquet", tmp_path, **own)[1] == []


def test_the_parts_of_the_job_are_left_out(tmp_path: Path) -> None:
    """A prompt in a folder of texts is not a text to ask about."""
    for name in ("a.txt", "prompt.txt", "system.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "link.txt").symlink_to("prompt.txt")
    parts = frozenset({tmp_path.resolve() / "prompt.txt", tmp_path.resolve() / "system.txt"})
    for path in (".", "*.txt", "**/*"):
        assert found(path, tmp_path, parts=parts) == (["a.txt"], [])


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    """To look into it would wait for a writer."""
    write(tmp_path / "a.jsonl", ROW)
    os.mkfifo(tmp_path / "b.jsonl")
    with pytest.raises(InputError, match="not a regular file"):
        found("*.jsonl", tmp_path)


@pytest.mark.parametrize(
    ("path", "file", "is_covered"),
    [
        ("data", "data/out.parquet", True),
        ("data", "data/sub/out.parquet", False),
        ("data/*.parquet", "data/out.parquet", True),
        ("data/*.jsonl", "data/out.parquet", False),
        ("data/**/*.parquet", "data/out.parquet", True),
        ("data/**/*.parquet", "data/a/b/out.parquet", True),
        ("**/*.parquet", "out.parquet", True),
        ("**/*.parquet", ".hidden/out.parquet", False),
        ("data/**", "data/x/out.parquet", True),
        ("link/*.parquet", "data/out.parquet", True),
        ("data/part-[0-9].parquet", "data/part-1.parquet", True),
        ("data/part-?.parquet", "data/part-12.parquet", False),
        ("data/a.jsonl", "data/a.jsonl", True),
        ("data/a.jsonl", "data/b.jsonl", False),
    ],
)
def test_an_output_in_the_glob_is_found_before_it_exists(
    tmp_path: Path, path: str, file: str, is_covered: bool
) -> None:
    """Folders, globs with and without ``**``, and links."""
    write(tmp_path / "data/a.jsonl", ROW)
    (tmp_path / "link").symlink_to("data")
    assert covers(path, tmp_path, tmp_path / file) is is_covered


PARTS = st.lists(st.sampled_from(["a", "b", "ab", ".a"]), min_size=1, max_size=4)
PATTERNS = st.lists(
    st.sampled_from(["a", "a*", "**", "?", "[ab]", ".*", "*"]), min_size=1, max_size=4
)


@given(PATTERNS, PARTS)
def test_covers_agrees_with_glob(
    tmp_path_factory: pytest.TempPathFactory, patterns: list[str], parts: list[str]
) -> None:
    """What the glob would find when the file is there is covered, and nothing else."""
    folder = tmp_path_factory.mktemp("glob")
    file = folder.joinpath(*parts[:-1], parts[-1] + ".jsonl")
    last = patterns[-1] if patterns[-1] == "**" else patterns[-1] + "*"
    path = "/".join([*patterns[:-1], last])
    is_covered = covers(path, folder, file)
    write(file, ROW)
    try:
        names = find_files(path, folder, OwnFiles(folder)).files
    except InputError:
        names = ()
    assert is_covered is any(stamp.path == file for stamp in names)
