"""Parquet inputs: exact types, several files, and damaged files."""

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batcher.core.row import BadRow, Place, Row
from batcher.errors import InputError
from batcher.inputs.formats import parquet
from batcher.inputs.source import Source

Opener = Callable[..., Source]
UTC = dt.UTC
NS = 1_700_000_000_123_456_789
AT = dt.datetime(2023, 11, 14, 22, 13, 20, 123456)  # noqa: DTZ001 (zoneless on purpose)
LIST_OF_INT = pa.list_(pa.field("element", pa.int64()))
LIST_OF_TEXT = pa.list_(pa.field("element", pa.string()))
UUID = uuid.UUID(int=7)

TYPES: dict[str, tuple[pa.Array, list[object]]] = {
    "bool": (pa.array([True, None]), [True, None]),
    "int8": (pa.array([-128, None], pa.int8()), [-128, None]),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, None]),
    "float16": (pa.array([1.5, None], pa.float16()), [1.5, None]),
    "float32": (pa.array([0.5, None], pa.float32()), [0.5, None]),
    "double": (pa.array([0.1, float("inf")]), [0.1, float("inf")]),
    "decimal": (pa.array([Decimal("1.10"), None]), [Decimal("1.10"), None]),
    "decimal256": (
        pa.array([Decimal("9" * 50), None], pa.decimal256(76, 0)),
        [Decimal("9" * 50), None],
    ),
    "string": (pa.array(["é", None]), ["é", None]),
    "large_string": (pa.array(["é", None], pa.large_string()), ["é", None]),
    "string_view": (pa.array(["é", None], pa.string_view()), ["é", None]),
    "binary": (pa.array([b"\xff", None]), [b"\xff", None]),
    "fixed_binary": (pa.array([b"ab", None], pa.binary(2)), [b"ab", None]),
    "date": (pa.array([dt.date(2026, 11, 22), None]), [dt.date(2026, 11, 22), None]),
    "time": (pa.array([dt.time(1, 2, 3, 4), None]), [dt.time(1, 2, 3, 4), None]),
    "time_ns": (pa.array([1_999, None], pa.time64("ns")), [dt.time(0, 0, 0, 1), None]),
    "timestamp_ms": (
        pa.array([NS // 10**6, None], pa.timestamp("ms")),
        [AT.replace(microsecond=123000), None],
    ),
    "timestamp_ns": (pa.array([NS, None], pa.timestamp("ns")), [AT, None]),
    "timestamp_utc": (
        pa.array([NS, None], pa.timestamp("ns", "UTC")),
        [AT.replace(tzinfo=UTC), None],
    ),
    "duration": (pa.array([1_999, None], pa.duration("ns")), [dt.timedelta(0, 0, 1), None]),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), ["a", None]),
    "list": (pa.array([[1, None], None]), [[1, None], None]),
    "list_ns": (pa.array([[NS], None], pa.list_(pa.timestamp("ns"))), [[AT], None]),
    "fixed_list": (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None]),
    "struct": (
        pa.array(
            [{"a": 1, "b": {"c": None}}, None],
            pa.struct({"a": pa.int8(), "b": pa.struct({"c": pa.string()})}),
        ),
        [{"a": 1, "b": {"c": None}}, None],
    ),
    "struct_ns": (
        pa.array([{"t": NS}, None], pa.struct({"t": pa.timestamp("ns")})),
        [{"t": AT}, None],
    ),
    "map": (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())), [{"k": 1}, None]),
    "uuid": (pa.array([UUID.bytes, None], pa.uuid()), [str(UUID), None]),
    "null": (pa.nulls(2), [None, None]),
    "a.b": (pa.array([1, None]), [1, None]),
    "a": (pa.array([{"b": 2}, None]), [{"b": 2}, None]),
}


@pytest.mark.parametrize("name", TYPES)
def test_type_passes_through(open_source: Opener, tmp_path: Path, name: str) -> None:
    """A column's values are plain Python; its Arrow column keeps type and values exactly."""
    array, values = TYPES[name]
    pq.write_table(pa.table({name: array, "other": [1, 2]}), tmp_path / "a.parquet")
    source = open_source("a.parquet")
    (chunk,) = source.chunks(frozenset({name}))
    assert [row.values for row in chunk.rows] == [{name: value} for value in values]
    assert [type(row.values[name]) for row in chunk.rows] == [type(value) for value in values]
    table = chunk.table([name])
    assert table.schema == pa.schema([pa.field(name, array.type)])
    assert table.column(name).combine_chunks().equals(array)


def test_all_types_at_once(open_source: Opener, tmp_path: Path) -> None:
    """All types are read together in the file's order; "a.b" and a struct do not conflict."""
    table = pa.table({name: array for name, (array, _) in TYPES.items()})
    pq.write_table(table, tmp_path / "a.parquet")
    source = open_source("a.parquet")
    assert source.columns == tuple(TYPES)
    (chunk,) = source.chunks(None)
    assert [list(row.values.items()) for row in chunk.rows] == [
        [(name, values[n]) for name, (_, values) in TYPES.items()] for n in range(2)
    ]
    (chosen,) = open_source("a.parquet", where="int8 == -128").chunks(None)
    assert chosen.table(list(TYPES)).equals(table.slice(0, 1))


UNREADABLE: dict[str, tuple[pa.Array, str]] = {
    "far": (
        pa.array([10**14, 0], pa.timestamp("s")).cast(pa.timestamp("ms")),
        "outside the range",
    ),
    "far_date": (pa.array([10**7, 0], pa.date32()), "outside the range"),
    "twice": (
        pa.array([[("k", 1), ("k", 2)], []], pa.map_(pa.string(), pa.int8())),
        "same key twice",
    ),
    "text": (
        pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"x"]).buffers()),
        "not valid UTF-8",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_value_beyond_python_is_a_bad_row(open_source: Opener, tmp_path: Path, name: str) -> None:
    """A value that Python cannot hold makes only its row bad; in Arrow that row is null."""
    array, reason = UNREADABLE[name]
    pq.write_table(pa.table({name: array, "n": [1, 2]}), tmp_path / "a.parquet")
    (chunk,) = open_source("a.parquet").chunks(None)
    bad, good = chunk.rows
    assert isinstance(bad, BadRow)
    assert bad.place == Place("a.parquet", 1)
    assert f"column '{name}'" in bad.reason
    assert reason in bad.reason
    assert isinstance(good, Row)
    assert chunk.table(["n"]).to_pylist() == [{"n": None}, {"n": 2}]


def test_the_schema_is_the_union_by_name(open_source: Opener, tmp_path: Path) -> None:
    """Files may differ in columns, order and narrower types; missing columns are null."""
    pq.write_table(
        pa.table({"a": pa.array([1], pa.int8()), "n": pa.nulls(1)}), tmp_path / "1.parquet"
    )
    pq.write_table(
        pa.table({"b": ["x"], "a": pa.array([2], pa.int64()), "n": ["y"]}), tmp_path / "2.parquet"
    )
    pq.write_table(pa.table({"b": pa.array(["z"], pa.large_string())}), tmp_path / "3.parquet")
    source = open_source("*.parquet")
    assert source.schema == pa.schema({"a": pa.int64(), "n": pa.string(), "b": pa.large_string()})
    chunks = list(source.chunks(None))
    assert [row.values for chunk in chunks for row in chunk.rows] == [
        {"a": 1, "n": None, "b": None},
        {"a": 2, "n": "y", "b": "x"},
        {"a": None, "n": None, "b": "z"},
    ]
    tables = [chunk.table(["b", "a"]) for chunk in chunks]
    assert all(
        table.schema == pa.schema({"b": pa.large_string(), "a": pa.int64()}) for table in tables
    )
    (only_b,) = open_source("1.parquet").chunks(frozenset({"zzz"}))
    assert only_b.rows[0].values == {}
    assert only_b.table(["zzz"]).to_pylist() == [{"zzz": None}]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.int64(), pa.string()),
        (pa.int64(), pa.float64()),
        (pa.int64(), pa.uint64()),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.decimal128(5, 2), pa.decimal128(5, 1)),
        (LIST_OF_INT, LIST_OF_TEXT),
    ],
    ids=str,
)
def test_type_conflict_names_both_files(
    open_source: Opener, tmp_path: Path, first: pa.DataType, second: pa.DataType
) -> None:
    """When no type holds both exactly, the error has both files and both types."""
    (tmp_path / "parts").mkdir()
    for n, kind in enumerate([first, first, second]):
        pq.write_table(pa.table({"id": pa.nulls(1, kind)}), tmp_path / f"parts/{n}.parquet")
    with pytest.raises(InputError) as caught:
        open_source("parts")
    for part in ("'id'", str(first), str(second), "parts/0.parquet", "parts/2.parquet"):
        assert part in caught.value.message


def _written(tmp_path: Path, **options: Any) -> bytes:
    pq.write_table(pa.table({"a": range(5000)}), tmp_path / "w.parquet", **options)
    return (tmp_path / "w.parquet").read_bytes()


def test_broken_files_have_different_errors(open_source: Opener, tmp_path: Path) -> None:
    """The error says whether a file is cut short, not Parquet, encrypted or damaged."""
    data = _written(tmp_path)
    footer = data[:-40] + bytes(b ^ 0xFF for b in data[-40:-8]) + data[-8:]
    for broken, message in [
        (data[:-3], "cut short"),
        (data[:4], "damaged"),
        (b"", "not a Parquet file"),
        (b"id,text\n1,x\n" * 9, "not a Parquet file"),
        (b"PARE" + data[4:-4] + b"PARE", "encrypted"),
        (footer, "damaged"),
    ]:
        with pytest.raises(InputError, match=message) as caught:
            open_source("a.parquet", data=broken)
        assert "a.parquet" in caught.value.message


def test_checksums_detect_a_flipped_bit(open_source: Opener, tmp_path: Path) -> None:
    """In a file with page checksums, one flipped bit in the data stops the reading."""
    data = bytearray(
        _written(tmp_path, write_page_checksum=True, use_dictionary=False, compression="none")
    )
    data[len(data) // 2] ^= 1
    source = open_source("a.parquet", data=bytes(data))
    with pytest.raises(InputError, match=r"a.parquet is damaged"):
        list(source.chunks(None))


def test_a_duplicate_column_is_refused(open_source: Opener, tmp_path: Path) -> None:
    """Two columns of the same name are an error."""
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two columns of the same name"):
        open_source("a.parquet")


def test_files_without_rows(open_source: Opener, tmp_path: Path) -> None:
    """Files without rows, or without row groups, have columns but no chunks."""
    pq.write_table(pa.table({"a": pa.array([], pa.int8())}), tmp_path / "1.parquet")
    pq.ParquetWriter(tmp_path / "2.parquet", pa.schema({"a": pa.int8()})).close()
    source = open_source("*.parquet")
    assert source.columns == ("a",)
    assert list(source.chunks(None)) == []


def test_places_and_chunks(
    open_source: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are numbered from 1 in each file across row groups; wide rows make small chunks."""
    for name in ("1", "2"):
        pq.write_table(pa.table({"a": range(10)}), tmp_path / f"{name}.parquet", row_group_size=4)
    source = open_source("*.parquet")
    rows = [row for chunk in source.chunks(None, 3) for row in chunk.rows]
    assert [row.values["a"] for row in rows] == [*range(10), *range(10)]
    assert [str(row.place) for row in rows[8:12]] == [
        "1.parquet:9",
        "1.parquet:10",
        "2.parquet:1",
        "2.parquet:2",
    ]
    assert [row.ordinal for row in rows] == list(range(20))
    assert max(len(chunk.rows) for chunk in source.chunks(None, 3)) <= 3
    monkeypatch.setattr(parquet, "_CHUNK_BYTES", 1)
    assert [len(chunk.rows) for chunk in source.chunks(None)] == [1] * 20
