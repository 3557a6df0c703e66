"""Opening an input: which files belong to it, and which error explains a wrong path."""

import gzip
import json
import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from batcher.core.job import InputSection
from batcher.core.row import Place
from batcher.errors import InputError
from batcher.inputs import files
from batcher.inputs.source import Source

ROW = b'{"a": 1}\n'


def write_files(folder: Path, *names: str) -> None:
    """Write files with one row, in the format of their endings."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".parquet"):
            pq.write_table(pa.table({"a": [1]}), path)
        else:
            path.write_bytes(ROW)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("data/b.jsonl", ["data/b.jsonl"]),
        ("data", ["data/a.ndjson", "data/b.jsonl"]),
        ("data/", ["data/a.ndjson", "data/b.jsonl"]),
        ("./data/../data/b.jsonl", ["data/b.jsonl"]),
        ("data/b*.jsonl", ["data/b.jsonl"]),
        ("data/**/[!_]*.jsonl", ["data/b.jsonl", "data/deep/d.jsonl", "data/deep/er/c.jsonl"]),
        ("p*", ["p1.parquet", "p10.parquet", "p2.parquet"]),
        ("odd[1].jsonl", ["odd[1].jsonl"]),
    ],
)
def test_files_are_found_in_order(tmp_path: Path, path: str, expected: list[str]) -> None:
    """The files of a path, a folder or a glob are sorted and named relative to the job file."""
    write_files(tmp_path, "data/b.jsonl", "data/a.ndjson", "data/.hidden.jsonl", "data/_part.jsonl")
    write_files(tmp_path, "data/README.md", "data/deep/er/c.jsonl", "data/deep/d.jsonl")
    write_files(tmp_path, "p2.parquet", "p10.parquet", "p1.parquet", "odd[1].jsonl", "odd1.jsonl")
    source = Source.open(InputSection(path=path), tmp_path)
    assert [stamp.name for stamp in source.files] == expected
    places = [row.place for chunk in source.chunks(None) for row in chunk.rows]
    assert places == [Place(name, 1) for name in expected]


def test_files_outside_the_folder_have_absolute_names(tmp_path: Path) -> None:
    """A file outside the job file's folder is shown with its whole path."""
    write_files(tmp_path, "data/a.jsonl", "job/x")
    for path in ("../data/a.jsonl", str(tmp_path / "data/a.jsonl"), str(tmp_path / "data/*.jsonl")):
        source = Source.open(InputSection(path=path), tmp_path / "job")
        assert [stamp.name for stamp in source.files] == [str(tmp_path / "data/a.jsonl")]


PROBLEMS = {
    "missing": ("data/row.jsonl", "data/row.jsonl does not exist", "data/rows.jsonl"),
    "missing folder": ("daat/rows.jsonl", "the input daat does not exist", "data"),
    "nothing like it": ("zzzzzz.jsonl", "zzzzzz.jsonl does not exist", "folder of the job file"),
    "below a file": ("data/rows.jsonl/x.jsonl", "data/rows.jsonl/x.jsonl", ""),
    "no match": ("data/*.parquet", "no file matches", "folder of the job file"),
    "empty folder": ("empty", "the input folder empty is empty", ".jsonl"),
    "no data in folder": ("docs", "docs has no file with a supported ending", ".jsonl"),
    "only folders": ("nested", "nested has no file with a supported ending", "nested/**/*.parquet"),
    "ending": ("docs/a.csv", "docs/a.csv has an unsupported ending", ".parquet"),
    "glob ending": ("docs/*", "docs/a.csv has an unsupported ending", ".parquet"),
    "mixed": ("mixed", "mixes JSONL and Parquet: mixed/a.jsonl and mixed/b.parquet", "glob"),
    "s3": ("s3://bucket/rows.jsonl", "s3://bucket/rows.jsonl is not a local path", "copy"),
    "pipe": ("pipe.jsonl", "pipe.jsonl is not a regular file", "several times"),
    "broken link": ("broken.jsonl", "broken.jsonl does not exist any more, or is a broken", ""),
    "long name": ("x" * 300 + ".jsonl", "cannot be read", ""),
    "NUL": ("a\0b.jsonl", "cannot be read", ""),
}


@pytest.mark.parametrize(("path", "message", "hint"), PROBLEMS.values(), ids=PROBLEMS.keys())
def test_problem_is_named_with_advice(tmp_path: Path, path: str, message: str, hint: str) -> None:
    """An input that cannot be opened raises an InputError with its name and a hint."""
    write_files(tmp_path, "data/rows.jsonl", "docs/a.csv", "docs/b.csv", "nested/in/a.parquet")
    write_files(tmp_path, "mixed/a.jsonl", "mixed/b.parquet")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "broken.jsonl").symlink_to("nowhere")
    with pytest.raises(InputError) as caught:
        Source.open(InputSection(path=path), tmp_path)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


def test_forbidden_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file without read permission is named when the input is opened."""
    write_files(tmp_path, "rows.jsonl")

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(files.Path, "open", refuse)
    with pytest.raises(InputError, match=r"no permission to read rows.jsonl") as caught:
        Source.open(InputSection(path="rows.jsonl"), tmp_path)
    assert "ls -l rows.jsonl" in (caught.value.hint or "")


def _append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(ROW)


def _touch(path: Path) -> None:
    os.utime(path, ns=(1, 1))


def _replace(path: Path) -> None:
    status = path.stat()
    copy = path.with_suffix(".new")
    copy.write_bytes(path.read_bytes())
    os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
    copy.replace(path)


@pytest.mark.parametrize(
    ("name", "change"),
    [
        *((name, change) for name in ("b.jsonl", "b.parquet") for change in (_touch, _replace)),
        ("b.parquet", _append),
        ("b.jsonl", Path.unlink),
        ("b.parquet", Path.unlink),
    ],
)
def test_a_changed_file_is_detected(tmp_path: Path, name: str, change: object) -> None:
    """A file that was touched, replaced or removed stops the reading; the error names it."""
    write_files(tmp_path, "a" + Path(name).suffix, name)
    source = Source.open(InputSection(path="*" + Path(name).suffix), tmp_path)
    source.check_unchanged()
    chunks = source.chunks(None)
    next(chunks)
    change(tmp_path / name)  # type: ignore[operator]
    with pytest.raises(InputError, match=name):
        source.check_unchanged()
    with pytest.raises(InputError, match=name):
        list(chunks)


@pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_a_file_that_grows_is_read_as_far_as_it_was(tmp_path: Path, ending: str) -> None:
    """Every pass has the rows of the time when the input was opened, across several blocks."""
    path = tmp_path / f"a{ending}"
    pack = {".gz": gzip.compress, ".zst": zstandard.compress}.get(path.suffix, bytes)
    content = b"".join(b'{"a": "%s"}\n' % os.urandom(500).hex().encode() for _ in range(3000))
    path.write_bytes(pack(content))
    source = Source.open(InputSection(path=path.name), tmp_path)
    for _ in range(3):
        with path.open("ab") as file:
            file.write(pack(ROW * 100))
        rows = [row for chunk in source.chunks(None) for row in chunk.rows]
        assert "".join(f"{json.dumps(row.values)}\n" for row in rows).encode() == content
        source.check_unchanged()
        assert source.grown == (path.name,)
    with path.open("r+b") as file:  # in the second block
        file.seek(2**20 + 5)
        file.write(b"changed")
    with pytest.raises(InputError, match="changed while it was being read"):
        list(source.chunks(None))


def test_a_line_that_is_still_being_written_is_an_error(tmp_path: Path) -> None:
    """Half a line would be a bad row; later passes have it as it was planned."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(ROW + ROW[:3])
    source = Source.open(InputSection(path=path.name), tmp_path)
    with path.open("ab") as file:
        file.write(ROW[3:])
    with pytest.raises(InputError, match="changed while it was being read"):
        list(source.chunks(None))
    source = Source.open(InputSection(path=path.name), tmp_path)
    assert len(next(source.chunks(None)).rows) == 2


def test_passes_are_equal(tmp_path: Path) -> None:
    """Each pass yields the same rows, numbered over all files, in chunks of the given size."""
    (tmp_path / "a.jsonl").write_bytes(ROW * 5)
    (tmp_path / "b.jsonl").write_bytes(b"bad\n" + ROW * 3)
    source = Source.open(InputSection(path="*.jsonl"), tmp_path)
    passes = [[chunk.rows for chunk in source.chunks(None, rows_per_chunk=2)] for _ in range(2)]
    assert passes[0] == passes[1]
    assert [len(rows) for rows in passes[0]] == [2, 2, 1, 2, 2]
    assert [row.ordinal for rows in passes[0] for row in rows] == list(range(9))
    assert [row.place.line for rows in passes[0] for row in rows] == [1, 2, 3, 4, 5, 1, 2, 3, 4]


def test_missing_columns_are_suggested(tmp_path: Path) -> None:
    """The error for a missing Parquet column has the nearest name and all columns."""
    pq.write_table(pa.table({"prompt": ["x"], "id": [1]}), tmp_path / "a.parquet")
    source = Source.open(InputSection(path="a.parquet"), tmp_path)
    source.require(["prompt", "id"])
    with pytest.raises(InputError, match="no column promt") as caught:
        source.require(["promt", "id"])
    assert caught.value.hint == "did you mean `prompt`? columns of the input: prompt, id"
    with pytest.raises(InputError, match="no column key"):
        Source.open(InputSection(path="a.parquet", id="key"), tmp_path)
    with pytest.raises(InputError, match="no column score"):
        Source.open(InputSection(path="a.parquet", where="score > 1"), tmp_path)


def test_jsonl_has_no_columns_to_require(tmp_path: Path) -> None:
    """The columns of JSONL are not known before it is read."""
    write_files(tmp_path, "a.jsonl")
    source = Source.open(InputSection(path="a.jsonl", id="nope"), tmp_path)
    source.require(["nope"])
    assert source.columns is None
    assert source.schema is None
