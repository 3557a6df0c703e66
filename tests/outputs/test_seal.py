"""The seal of an output detects any changed byte and describes the output's files."""

import hashlib
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.outputs.parquet_output import ParquetOutput
from batcher.outputs.seal import FILE_NAME, Seal, read_seal

TABLE = pa.table({"x": list(range(1000))})


def write(path: Path, rows_per_file: int | None = None) -> Seal:
    """Write an output and seal it."""
    with ParquetOutput(path, TABLE.schema, rows_per_file=rows_per_file) as file:
        file.write(TABLE)
        file.finish({})
    return Seal.of(path, {"job": 1})


def test_a_seal_describes_each_file(tmp_path: Path) -> None:
    """It has rows, bytes and sha256 of each part, and is read back equal."""
    seal = write(tmp_path / "out", rows_per_file=400)
    assert [file.rows for file in seal.files] == [400, 400, 200]
    for file in seal.files:
        content = Path(file.path).read_bytes()
        assert (file.bytes, file.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    seal.write(tmp_path)
    assert read_seal(tmp_path) == seal
    assert seal.changed_files(tmp_path / "out") == []


@settings(deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_detected(
    tmp_path_factory: pytest.TempPathFactory, place: float, bit: int
) -> None:
    """A flipped bit at any place changes the file's checksum."""
    path = tmp_path_factory.mktemp("seal") / "out.parquet"
    seal = write(path)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)
    assert seal.changed_files(path) == ["out.parquet"]


def test_missing_and_added_parts_are_detected(tmp_path: Path) -> None:
    """A folder must have the written files and no others."""
    out = tmp_path / "out"
    seal = write(out, rows_per_file=400)
    (out / "part-00001.parquet").rename(out / "part-00003.parquet")
    assert seal.changed_files(out) == ["part-00001.parquet", "part-00003.parquet"]
    assert write(tmp_path / "x.parquet").changed_files(tmp_path / "y.parquet") == ["x.parquet"]


def test_the_source_of_an_output(tmp_path: Path) -> None:
    """An output with another source does not match the seal."""
    seal = write(tmp_path / "out.parquet")
    assert seal.is_of({"job": 1})
    assert not seal.is_of({"job": 2})


@pytest.mark.parametrize("content", [None, b"", b"[]", b"{}", b'{"files": [{}]}', b"\xff"])
def test_a_seal_that_cannot_be_read_is_none(content: bytes | None, tmp_path: Path) -> None:
    """Without a readable seal the output is written again."""
    if content is not None:
        (tmp_path / FILE_NAME).write_bytes(content)
    assert read_seal(tmp_path) is None
