"""Parquet output appears whole, is split into parts, and has checksums for flipped bits."""

from collections import deque
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batcher.outputs.parquet_output import ParquetOutput, read_metadata

ENOUGH_TO_FLUSH = {None: 20_000, 3: 20}
SCHEMA = pa.schema([("n", pa.int64()), ("text", pa.string())])


def numbered(start: int, stop: int) -> pa.Table:
    """Return rows with the numbers from ``start`` to ``stop``."""
    numbers = list(range(start, stop))
    return pa.table({"n": numbers, "text": [str(n) for n in numbers]}, schema=SCHEMA)


def written(path: Path, rows: int = 10, rows_per_file: int | None = None) -> Path:
    """Write an output."""
    with ParquetOutput(path, SCHEMA, rows_per_file=rows_per_file) as output:
        output.write(numbered(0, rows))
        output.finish({"rows": rows})
    return path


def parts(folder: Path) -> list[Path]:
    """Return the files of an output in order."""
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder for all examples."""
    return tmp_path_factory.mktemp("out")


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.integers(0, 12), max_size=6), st.integers(1, 9) | st.none())
def test_parts_together_are_the_input(
    folder: Path, sizes: list[int], rows_per_file: int | None
) -> None:
    """Rows are in order, complete and unique; only the last part may be smaller than the rest."""
    path = folder / ("parts" if rows_per_file else "file")
    with ParquetOutput(path, SCHEMA, rows_per_file=rows_per_file) as output:
        start = 0
        for size in sizes:
            output.write(numbered(start, start + size))
            start += size
        output.finish({"n": start})
    files = parts(path) if rows_per_file else [path]
    counts = [pq.read_metadata(file).num_rows for file in files]
    if rows_per_file:
        assert counts[:-1] == [rows_per_file] * (len(counts) - 1)
        assert counts[-1] <= rows_per_file
        assert counts[-1] > 0 or counts == [0]
        assert [file.name for file in files][:1] == ["part-00000.parquet"]
    all_rows = pa.concat_tables([pq.read_table(file, partitioning=None) for file in files])
    assert all_rows == numbered(0, start)
    for file in files:
        content = pq.read_metadata(file)
        groups = [content.row_group(n).num_rows for n in range(content.num_row_groups)]
        assert 0 not in groups
    assert read_metadata(path) == {"n": start}


def test_row_groups_stay_small(tmp_path: Path) -> None:
    """A row group ends by rows, and by bytes when rows are large, so that memory is bounded."""
    content = pq.read_metadata(written(tmp_path / "rows.parquet", 40_000))
    assert content.num_rows == 40_000
    with ParquetOutput(tmp_path / "big.parquet", SCHEMA, rows_per_file=None) as output:
        for n in range(20):
            large = pa.table({"n": [n], "text": ["x" * (2 << 20)]}, schema=SCHEMA)
            output.write(large)
        output.finish({})
    assert pq.read_metadata(tmp_path / "big.parquet").num_row_groups > 1


@pytest.mark.parametrize("rows_per_file", [None, 3], ids=["file", "folder"])
@pytest.mark.parametrize("is_long", [False, True], ids=["early", "late"])
def test_a_failure_leaves_the_old_output(
    tmp_path: Path, rows_per_file: int | None, is_long: bool
) -> None:
    """The old output is whole and readable, and nothing remains of the new one."""
    path = written(tmp_path / "out", 10, rows_per_file)
    rows = ENOUGH_TO_FLUSH[rows_per_file] if is_long else 2
    tables = iter([numbered(0, rows), "not a table"])
    with (
        pytest.raises(AttributeError),
        ParquetOutput(path, SCHEMA, rows_per_file=rows_per_file) as output,
    ):
        deque(map(output.write, tables))
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
    assert read_metadata(path) == {"rows": 10}
    assert pq.read_table(path)["n"].to_pylist() == list(range(10))


@pytest.mark.parametrize("rows_per_file", [None, 3], ids=["file", "folder"])
def test_the_output_appears_at_the_end(tmp_path: Path, rows_per_file: int | None) -> None:
    """The path exists only after ``finish``; without it no file remains."""
    path = tmp_path / "out"
    with ParquetOutput(path, SCHEMA, rows_per_file=rows_per_file) as output:
        output.write(numbered(0, ENOUGH_TO_FLUSH[rows_per_file]))
        assert not path.exists()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows_per_file", [None, 3], ids=["file", "folder"])
def test_leftovers_of_a_killed_run_are_replaced(tmp_path: Path, rows_per_file: int | None) -> None:
    """A temporary file or folder of an earlier run does not disturb the next one."""
    for leftover in (tmp_path / ".a.new", tmp_path / ".b.new"):
        leftover.mkdir() if leftover.name == ".a.new" else leftover.write_text("half")
        path = written(tmp_path / leftover.name[1], 10, rows_per_file)
        assert pq.read_table(path).num_rows == 10
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a", "b"]


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    """When there are fewer parts than before, no old part remains."""
    path = written(tmp_path / "out", 10, 2)
    assert len(parts(path)) == 5
    written(path, 10, 5)
    assert len(parts(path)) == 2
    assert pq.read_table(path)["n"].to_pylist() == list(range(10))


def test_a_flipped_bit_is_detected(tmp_path: Path) -> None:
    """A reader that verifies page checksums detects it in any column."""
    path = written(tmp_path / "out.parquet", 5000)
    whole = path.read_bytes()
    content = pq.read_metadata(path).row_group(0)
    assert pq.read_table(path, page_checksum_verification=True).num_rows == 5000
    for column in (0, 1):
        # The end of a column chunk is page data, not a header.
        chunk = content.column(column)
        start = min(filter(None, [chunk.dictionary_page_offset, chunk.data_page_offset]))
        damaged = bytearray(whole)
        damaged[start + chunk.total_compressed_size - 20] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(OSError, match="CRC"):
            pq.read_table(path, page_checksum_verification=True)


@pytest.mark.parametrize("content", [None, b"", b"junk" * 100], ids=["none", "empty", "junk"])
def test_a_file_of_another_program_has_no_metadata(tmp_path: Path, content: bytes | None) -> None:
    """The metadata is None, not an error: then the output is written again."""
    path = tmp_path / "out.parquet"
    if content is not None:
        path.write_bytes(content)
    assert read_metadata(path) is None
    pq.write_table(numbered(0, 3), path)
    assert read_metadata(path) is None
    (tmp_path / "folder").mkdir()
    assert read_metadata(tmp_path / "folder") is None
