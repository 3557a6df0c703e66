"""An input that is written to during a run: what is added waits, other changes are errors."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_main_job import rows
from whole_runs import Job, batcher

from batcher.runner.pipeline import run as run_module

MORE = b'{"id": "new", "text": "one more"}\n'


def run_while(job: Job, change: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> str:
    """Run a job; change its input when every answer is paid for and no output is written."""
    send = run_module.send_plan

    def send_plan(*given: object) -> object:
        sent = send(*given)  # type: ignore[arg-type]
        change()
        return sent

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "send_plan", send_plan)
        result = batcher("run", job.path, "--yes", key="test-key")
    return f"{result.code}\n{result.err}"


def write(job: Job, name: str, number: int) -> Path:
    """Write rows to a file of the kind that its name says, and a job that reads it."""
    job.write([], input=f'path = "{name}"\nid = "id"\n')
    path = job.folder / name
    content = b"".join(json.dumps(row).encode() + b"\n" for row in rows(number))
    if name.endswith(".parquet"):
        pq.write_table(pa.Table.from_pylist(rows(number)), path)
    else:
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return path


def append(path: Path, content: bytes) -> None:
    """Add bytes to a file; a compressed file gets another member."""
    with path.open("ab") as file:
        file.write(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz"])
@pytest.mark.parametrize("more", [MORE, MORE[:9], b"\n", MORE * 20_000])
def test_what_was_planned_is_written(
    job: Job, name: str, more: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answers are paid for, so they are in the output; the next run sends what is new."""
    path = write(job, name, 5)
    printed = run_while(job, lambda: append(path, more), monkeypatch)
    assert printed.startswith("0\n"), printed
    assert f"{name} grew during this run; another run sends the new rows" in printed
    assert printed.strip().splitlines()[-1].startswith("next   batcher run ")
    assert job.table().column("_status").to_pylist() == ["succeeded"] * 5
    assert job.table().column("id").to_pylist() == [row["id"] for row in rows(5)]
    if more == MORE:
        assert "5 already answered, 1 new" in job.run()
        assert job.table().num_rows == 6


def test_a_file_without_a_last_line_end_may_grow(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is added to its last line belongs to the next run."""
    path = write(job, "rows.jsonl", 3)
    path.write_bytes(path.read_bytes().rstrip(b"\n"))
    printed = run_while(job, lambda: append(path, b"\n" + MORE), monkeypatch)
    assert printed.startswith("0\n"), printed
    assert job.table().num_rows == 3


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("data/*.jsonl", ["data/b.jsonl"]),
        ("data", ["data/b.jsonl", "data/c.jsonl"]),
        ("**/*.jsonl", ["x/y.jsonl"]),
        ("data/*.jsonl", ["out.parquet", "data/b.txt", "x.jsonl", "data/.b.jsonl"]),
        ("data/a.jsonl", ["data/b.jsonl"]),
    ],
)
def test_new_files_are_for_the_next_run(
    job: Job, path: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run says that they appeared, if another run reads them."""
    (job.folder / "data").mkdir()
    write(job, "data/a.jsonl", 3)
    job.write([], input=f'path = "{path}"\nid = "id"\n')
    (job.folder / "rows.jsonl").unlink()

    def add() -> None:
        for name in names:
            (job.folder / name).parent.mkdir(exist_ok=True)
            (job.folder / name).write_bytes(MORE.replace(b"new", name.encode()))

    if "out.parquet" in names:
        names.remove("out.parquet")  # it is written by the run, too
    printed = run_while(job, add, monkeypatch)
    assert printed.startswith("0\n"), printed
    is_read = path != "data/a.jsonl" and len(names) < 3
    assert ("appeared during this run; another run sends the new rows" in printed) is is_read
    assert job.table().num_rows == 3
    job.run()
    assert job.table().num_rows == 3 + len(names) * is_read


def overwrite(path: Path, start: int, content: bytes) -> None:
    """Change bytes in the middle of a file."""
    with path.open("r+b") as file:
        file.seek(start)
        file.write(content)


CHANGES: dict[str, Callable[[Path], object]] = {
    "shorter": lambda path: path.write_bytes(path.read_bytes()[:-3]),
    "other bytes": lambda path: overwrite(path, 8, b"x"),
    "other bytes and longer": lambda path: (overwrite(path, 8, b"x"), append(path, MORE)),
    "other last row and longer": lambda path: path.write_bytes(path.read_bytes()[:-4] + MORE * 2),
    "another file": lambda path: (path.unlink(), path.write_bytes(MORE * 5_000)),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("number", [3, pytest.param(5_000, marks=pytest.mark.slow)])
def test_other_changes_are_an_error(
    job: Job, change: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An output would join other rows with these answers; the answers are kept."""
    path = write(job, "rows.jsonl", number)
    printed = run_while(job, lambda: CHANGES[change](path), monkeypatch)
    assert printed.startswith("1\n"), printed
    assert "changed while it was being read" in printed or "does not exist any more" in printed
    assert not job.output.exists()
    write(job, "rows.jsonl", number)
    assert f"{number:,} already answered" in job.run()


def test_a_parquet_file_cannot_grow(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end says where its rows are, so a longer file is another file."""
    path = write(job, "rows.parquet", 3)
    printed = run_while(job, lambda: append(path, b"more"), monkeypatch)
    assert printed.startswith("1\n"), printed
