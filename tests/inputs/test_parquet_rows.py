"""Parquet inputs: exact types, several files, and damaged files."""

import datetime as dt
import struct
import uuid
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.row import Unreadable
from batcher.core.template.template import Template
from batcher.errors import InputError, TemplateError
from batcher.inputs.formats import parquet
from batcher.inputs.formats.python_values import python_values
from batcher.inputs.source import Source

Opener = Callable[..., Source]
UTC = dt.UTC
NS = 1_700_000_000_123_456_789
AT = dt.datetime(2023, 11, 14, 22, 13, 20, 123456)  # noqa: DTZ001 (zoneless on purpose)
LIST_OF_INT = pa.list_(pa.field("element", pa.int64()))
LIST_OF_TEXT = pa.list_(pa.field("element", pa.string()))
LIST_OF_BYTES = pa.list_(pa.field("element", pa.binary()))
UUID = uuid.UUID(int=7)


def _extension(kind: pa.BaseExtensionType, storage: pa.Array) -> pa.Array:
    return pa.ExtensionArray.from_storage(kind, storage)


def _repeated_fields() -> pa.Array:
    return pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])


BIG = 2**53 + 1
TYPES: dict[str, tuple[pa.Array, list[object], str]] = {
    "bool": (pa.array([True, None]), [True, None], "true"),
    "int8": (pa.array([-128, None], pa.int8()), [-128, None], "-128"),
    "int64": (pa.array([BIG, None]), [BIG, None], str(BIG)),
    "uint64": (pa.array([2**64 - 1, None], pa.uint64()), [2**64 - 1, None], str(2**64 - 1)),
    "float16": (pa.array([0.1, None], pa.float16()), [0.0999755859375, None], "0.1"),
    "float32": (pa.array([0.1, None], pa.float32()), [0.10000000149011612, None], "0.1"),
    "float32_min": (pa.array([1e-45, None], pa.float32()), [2.0**-149, None], "1e-45"),
    "float32_zero": (pa.array([-0.0, None], pa.float32()), [-0.0, None], "-0.0"),
    "float32_big": (pa.array([2.0**24, None], pa.float32()), [2.0**24, None], "16777216.0"),
    "double": (pa.array([0.1, float("inf")]), [0.1, float("inf")], "0.1"),
    "double_zero": (pa.array([-0.0, None]), [-0.0, None], "-0.0"),
    "double_32": (pa.array([0.10000000149011612]), [0.10000000149011612], "0.10000000149011612"),
    "decimal": (pa.array([Decimal("1.10"), None]), [Decimal("1.10"), None], "1.10"),
    "decimal32": (
        pa.array([Decimal("1.10"), None], pa.decimal32(5, 2)),
        [Decimal("1.10"), None],
        "1.10",
    ),
    "decimal256": (
        pa.array([Decimal("9" * 50), None], pa.decimal256(76, 0)),
        [Decimal("9" * 50), None],
        "9" * 50,
    ),
    "string": (pa.array(["é", None]), ["é", None], "é"),
    "large_string": (pa.array(["é", None], pa.large_string()), ["é", None], "é"),
    "string_view": (pa.array(["é", None], pa.string_view()), ["é", None], "é"),
    "binary": (pa.array([b"\xff", None]), [b"\xff", None], ""),
    "fixed_binary": (pa.array([b"ab", None], pa.binary(2)), [b"ab", None], ""),
    "date": (
        pa.array([dt.date(2026, 11, 22), None]),
        [dt.date(2026, 11, 22), None],
        "2026-11-22",
    ),
    "time": (pa.array([dt.time(1, 2, 3, 4), None]), [dt.time(1, 2, 3, 4), None], "01:02:03.000004"),
    "time_us_in_ns": (
        pa.array([1_000, None], pa.time64("ns")),
        [dt.time(0, 0, 0, 1), None],
        "00:00:00.000001",
    ),
    "time_ns": (
        pa.array([1_999, None], pa.time64("ns")),
        ["00:00:00.000001999", None],
        "00:00:00.000001999",
    ),
    "timestamp_ms": (
        pa.array([NS // 10**6, None], pa.timestamp("ms")),
        [AT.replace(microsecond=123000), None],
        "2023-11-14T22:13:20.123000",
    ),
    "timestamp_ns": (
        pa.array([NS, None], pa.timestamp("ns")),
        ["2023-11-14T22:13:20.123456789", None],
        "2023-11-14T22:13:20.123456789",
    ),
    "timestamp_before_1970": (
        pa.array([-1, None], pa.timestamp("ns")),
        ["1969-12-31T23:59:59.999999999", None],
        "1969-12-31T23:59:59.999999999",
    ),
    "timestamp_utc": (
        pa.array([NS - 789, None], pa.timestamp("ns", "UTC")),
        [AT.replace(tzinfo=UTC), None],
        "2023-11-14T22:13:20.123456+00:00",
    ),
    "timestamp_zone": (
        pa.array([NS, None], pa.timestamp("ns", "Europe/Berlin")),
        ["2023-11-14T23:13:20.123456789+01:00", None],
        "2023-11-14T23:13:20.123456789+01:00",
    ),
    "timestamp_far": (
        pa.array([dt.datetime(9999, 12, 31), None], pa.timestamp("us")),  # noqa: DTZ001
        [dt.datetime(9999, 12, 31), None],  # noqa: DTZ001
        "9999-12-31T00:00:00",
    ),
    "duration": (
        pa.array([1_999, None], pa.duration("ns")),
        ["PT0.000001999S", None],
        "PT0.000001999S",
    ),
    "duration_minus": (
        pa.array([-1, None], pa.duration("ns")),
        ["-PT0.000000001S", None],
        "-PT0.000000001S",
    ),
    "duration_us": (
        pa.array([1, None], pa.duration("us")),
        [dt.timedelta(0, 0, 1), None],
        "PT0.000001S",
    ),
    "dictionary": (pa.array(["a", None]).dictionary_encode(), ["a", None], "a"),
    "list": (pa.array([[1, None], None]), [[1, None], None], "[1,null]"),
    "list_view": (
        pa.array([[1, None], None], pa.list_view(pa.int64())),
        [[1, None], None],
        "[1,null]",
    ),
    "list_float32": (
        pa.array([[0.1, None], None], pa.list_(pa.float32())),
        [[0.10000000149011612, None], None],
        "[0.1,null]",
    ),
    "list_ns": (
        pa.array([[NS], None], pa.list_(pa.timestamp("ns"))),
        [["2023-11-14T22:13:20.123456789"], None],
        '["2023-11-14T22:13:20.123456789"]',
    ),
    "fixed_list": (pa.array([[1, 2], None], pa.list_(pa.int8(), 2)), [[1, 2], None], "[1,2]"),
    "struct": (
        pa.array(
            [{"a": 1, "b": {"c": None}}, None],
            pa.struct({"a": pa.int8(), "b": pa.struct({"c": pa.string()})}),
        ),
        [{"a": 1, "b": {"c": None}}, None],
        '{"a":1,"b":{"c":null}}',
    ),
    "struct_float16": (
        pa.array([{"x": 0.1}, None], pa.struct({"x": pa.float16()})),
        [{"x": 0.0999755859375}, None],
        '{"x":0.1}',
    ),
    "map": (
        pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
        [{"k": 1}, None],
        '{"k":1}',
    ),
    "map_float32": (
        pa.array([[(0.1, [0.2])], None], pa.map_(pa.float32(), pa.list_(pa.float32()))),
        [{0.10000000149011612: [0.20000000298023224]}, None],
        '{"0.1":[0.2]}',
    ),
    "uuid": (
        _extension(pa.uuid(), pa.array([UUID.bytes, None], pa.binary(16))),
        [str(UUID), None],
        str(UUID),
    ),
    "bool8": (_extension(pa.bool8(), pa.array([1, None], pa.int8())), [True, None], "true"),
    "json": (_extension(pa.json_(), pa.array(['{"a": 1}', None])), ['{"a": 1}', None], '{"a": 1}'),
    "null": (pa.nulls(2), [None, None], ""),
    "a.b": (pa.array([1, None]), [1, None], "1"),
    "a": (pa.array([{"b": 2}, None]), [{"b": 2}, None], '{"b":2}'),
}


@pytest.mark.parametrize("name", TYPES)
def test_type_passes_through(open_source: Opener, tmp_path: Path, name: str) -> None:
    """A column's values, its text in a prompt and its kept column are those of the file."""
    array, values, text = TYPES[name]
    table = pa.table({name: array, "other": list(range(len(array)))})
    pq.write_table(table, tmp_path / "a.parquet")
    source = open_source("a.parquet")
    (chunk,) = source.chunks(frozenset({name}), frozenset({name}))
    assert [row.values for row in chunk.rows] == [{name: value} for value in values]
    for row, value in zip(chunk.rows, values, strict=True):
        assert isinstance(row.values[name], type(value))
    if text:
        prompt = Template(f"{{{{ row['{name}'] }}}}", "prompt")
        assert prompt.render(chunk.rows[0].values) == text
    kept = chunk.table([name])
    assert kept.schema == pa.schema([pa.field(name, array.type)])
    assert kept.column(name).combine_chunks().equals(array)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_has_the_shortest_text(number: float) -> None:
    """A 32-bit float is the shortest text that is read as the same 32-bit float."""
    (value,) = python_values(pa.array([number], pa.float32()))
    text = Template("{{ x }}", "prompt").render({"x": value})
    assert struct.pack("f", float(text)) == struct.pack("f", number)
    digits = len(text.split("e")[0].strip("-").replace(".", "").strip("0"))
    shorter = f"{number:.{max(digits - 2, 0)}e}"
    assert digits <= 1 or _rounded(float(shorter)) != number


def _rounded(number: float) -> float:
    return pa.array([number]).cast(pa.float32(), safe=False)[0].as_py()  # type: ignore[no-any-return]


def test_float16_has_the_shortest_text() -> None:
    """A 16-bit float is a text of at most five digits that is read as the same 16-bit float."""
    packed = [struct.pack("<H", bits) for bits in range(0, 0x7C00, 13)]
    numbers = [struct.unpack("<e", each)[0] for each in packed]
    prompt = Template("{{ x }}", "prompt")
    for each, value in zip(packed, python_values(pa.array(numbers, pa.float16())), strict=True):
        text = prompt.render({"x": value})
        assert struct.pack("<e", float(text)) == each
        assert len(text.split("e")[0].replace(".", "").strip("0")) <= 5


def test_all_types_at_once(open_source: Opener, tmp_path: Path) -> None:
    """All types are read together in the file's order; "a.b" and a struct do not conflict."""
    pairs = {name: kind for name, kind in TYPES.items() if len(kind[0]) == 2}
    table = pa.table({name: array for name, (array, *_) in pairs.items()})
    pq.write_table(table, tmp_path / "a.parquet")
    source = open_source("a.parquet")
    assert source.columns == tuple(pairs)
    (chunk,) = source.chunks(None)
    assert [list(row.values.items()) for row in chunk.rows] == [
        [(name, values[n]) for name, (_, values, _) in pairs.items()] for n in range(2)
    ]
    (chosen,) = open_source("a.parquet", where="int8 == -128").chunks(frozenset(), None)
    assert chosen.table(list(pairs)).equals(table.slice(0, 1))


UNREADABLE: dict[str, tuple[pa.Array, str]] = {
    "far": (
        pa.array([10**14, 0], pa.timestamp("s")).cast(pa.timestamp("ms")),
        "outside the range",
    ),
    "far_in_list": (pa.array([[10**17], []], pa.list_(pa.timestamp("ms"))), "outside the range"),
    "far_date": (pa.array([10**7, 0], pa.date32()), "outside the range"),
    "long": (pa.array([2**62, 0], pa.duration("ms")), "outside the range"),
    "twice": (
        pa.array([[("k", 1), ("k", 2)], []], pa.map_(pa.string(), pa.int8())),
        "same key twice",
    ),
    "twice_in_list": (
        pa.array([[[("k", 1), ("k", 2)]], []], pa.list_(pa.map_(pa.string(), pa.int8()))),
        "same key twice",
    ),
    "text": (
        pa.Array.from_buffers(pa.string(), 2, pa.array([b"\xff", b"x"]).buffers()),
        "not valid UTF-8",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_value_beyond_python_harms_only_who_uses_it(
    open_source: Opener, tmp_path: Path, name: str
) -> None:
    """A value that Python cannot hold is unreadable; other values and the Arrow column stay."""
    array, reason = UNREADABLE[name]
    pq.write_table(pa.table({name: array, "n": [1, 2]}), tmp_path / "a.parquet")
    (chunk,) = open_source("a.parquet").chunks(None, frozenset({name}))
    first, second = (row.values for row in chunk.rows)
    value = first[name]
    assert isinstance(value, Unreadable)
    assert reason in value.reason
    assert [first["n"], second["n"]] == [1, 2]
    assert not isinstance(second[name], Unreadable)
    if name == "text":
        assert chunk.table([name]).column(name).to_pylist() == [None, "x"]
        assert "not valid UTF-8" in chunk.lost[name][0]
    else:
        assert chunk.table([name]).column(name).combine_chunks().equals(array)
        assert not chunk.lost
    error = Template(f"{{{{ {name} }}}}", "prompt")
    with pytest.raises(TemplateError, match=reason):
        error.render(first)


def test_a_struct_with_a_field_twice_is_unreadable(open_source: Opener, tmp_path: Path) -> None:
    """No field of a struct hides another one of the same name."""
    pq.write_table(pa.table({"s": _repeated_fields()}), tmp_path / "a.parquet")
    (chunk,) = open_source("a.parquet").chunks(None)
    assert isinstance(chunk.rows[0].values["s"], Unreadable)


FAR = dt.datetime(9999, 12, 31)  # noqa: DTZ001
NEAR = dt.datetime(2024, 5, 1, 0, 0, 0, 1)  # noqa: DTZ001
OLD = dt.datetime(1, 1, 1)  # noqa: DTZ001


def _write_int96(path: Path, column: pa.Array) -> None:
    pq.write_table(pa.table({"t": column}), path, use_deprecated_int96_timestamps=True)


@pytest.mark.parametrize("values", [[NEAR, FAR, None], [OLD], [NEAR], [NEAR, OLD, FAR], [None]])
@pytest.mark.parametrize("form", ["plain", "list", "struct", "map"])
def test_int96_is_read_as_it_was_written(
    open_source: Opener, tmp_path: Path, values: list[Any], form: str
) -> None:
    """The timestamps of Spark have every year, at any depth, in rows and in kept columns."""
    wrap: dict[str, Callable[[Any], Any]] = {
        "plain": lambda value: value,
        "list": lambda value: [value],
        "struct": lambda value: {"a": value},
        "map": lambda value: {"k": value},
    }
    kind = pa.timestamp("us")
    kinds = {
        "plain": kind,
        "list": pa.list_(kind),
        "struct": pa.struct({"a": kind}),
        "map": pa.map_(pa.string(), kind),
    }
    wanted = [wrap[form](value) for value in values]
    _write_int96(tmp_path / "1.parquet", pa.array(wanted, kinds[form]))
    _write_int96(tmp_path / "2.parquet", pa.array([wrap[form](NEAR)], kinds[form]))
    names = frozenset({"t"})
    chunks = list(open_source("*.parquet").chunks(names, names))
    rows = [row.values["t"] for chunk in chunks for row in chunk.rows]
    assert rows == [*wanted, wrap[form](NEAR)]
    kept = pa.concat_tables([chunk.table(["t"]) for chunk in chunks])
    written = pa.chunked_array([pa.array([*wanted, wrap[form](NEAR)], kinds[form])])
    assert kept.column("t").cast(kinds[form]).to_pylist() == written.to_pylist()


def test_int96_with_nanoseconds_is_exact_or_refused(open_source: Opener, tmp_path: Path) -> None:
    """Nanoseconds stay; with a year beyond them no unit is exact, which is an error."""
    _write_int96(tmp_path / "1.parquet", pa.array([NS], pa.timestamp("ns")))
    names = frozenset({"t"})
    (chunk,) = open_source("1.parquet").chunks(names, names)
    assert chunk.rows[0].values["t"] == "2023-11-14T22:13:20.123456789"
    assert chunk.table(["t"]).column("t").cast(pa.int64()).to_pylist() == [NS]
    _write_int96(tmp_path / "2.parquet", pa.array([FAR], pa.timestamp("us")))
    with pytest.raises(InputError, match="'t' have nanoseconds"):
        list(open_source("*.parquet").chunks(names))
    assert len(list(open_source("*.parquet").chunks(frozenset()))) == 2


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
    chunks = list(source.chunks(None, None))
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


def _column(value: object, kind: pa.DataType) -> pa.Array:
    return pa.array([value]).cast(kind) if kind == TEXTS else pa.array([value], kind)


TEXTS = pa.dictionary(pa.int32(), pa.string())
SMALL, LARGE = pa.struct({"a": pa.int32()}), pa.struct({"b": pa.string(), "a": pa.int64()})
WIDENED: dict[str, tuple[object, pa.DataType, object, pa.DataType, pa.DataType]] = {
    "int to double": (2**53, pa.int64(), 0.5, pa.float64(), pa.float64()),
    "uint to double": (2**53, pa.uint64(), 0.5, pa.float64(), pa.float64()),
    "uint to int": (2**63 - 1, pa.uint64(), -1, pa.int64(), pa.int64()),
    "float": (0.1, pa.float32(), 0.1, pa.float64(), pa.float64()),
    "ms to us": (1, pa.timestamp("ms"), 1, pa.timestamp("us"), pa.timestamp("us")),
    "s to ns": (1, pa.timestamp("ms"), 1, pa.timestamp("ns"), pa.timestamp("ns")),
    "time": (1, pa.time32("ms"), 1, pa.time64("us"), pa.time64("us")),
    "duration": (1, pa.duration("ms"), 1, pa.duration("ns"), pa.duration("ns")),
    "dictionary": ("a", TEXTS, "b", pa.string(), pa.string()),
    "dictionaries": ("a", TEXTS, "b", pa.dictionary(pa.int8(), pa.string()), pa.string()),
    "view": ("a", pa.string_view(), "b", pa.string(), pa.large_string()),
    "decimals": (
        Decimal("1.25"),
        pa.decimal128(5, 2),
        Decimal("0.5"),
        pa.decimal128(5, 1),
        pa.decimal128(6, 2),
    ),
    "int to decimal": (
        7,
        pa.int32(),
        Decimal("0.50"),
        pa.decimal128(20, 2),
        pa.decimal128(20, 2),
    ),
    "gained a field": (
        {"a": 1},
        SMALL,
        {"b": "x", "a": 2},
        LARGE,
        pa.struct({"a": pa.int64(), "b": pa.string()}),
    ),
    "list of structs": (
        [{"a": 1}],
        pa.list_(SMALL),
        [{"b": "x", "a": 2}],
        pa.list_(LARGE),
        pa.list_(pa.struct({"a": pa.int64(), "b": pa.string()})),
    ),
    "fixed list": ([1, 2], pa.list_(pa.int8(), 2), [3], pa.list_(pa.int8()), pa.list_(pa.int8())),
}


@pytest.mark.parametrize("order", [1, -1], ids=["forward", "backward"])
@pytest.mark.parametrize("name", WIDENED)
def test_a_kept_column_is_widened(
    open_source: Opener, tmp_path: Path, name: str, order: int
) -> None:
    """Files may differ in types that one type holds exactly; rows keep their own file's values."""
    first, kind, second, other, wide = WIDENED[name]
    columns = [_column(first, kind), _column(second, other)][::order]
    for number, column in enumerate(columns):
        pq.write_table(pa.table({"x": column}), tmp_path / f"{number}.parquet")
    names = frozenset({"x"})
    chunks = list(open_source("*.parquet").chunks(names, names))
    tables = [chunk.table(["x"]) for chunk in chunks]
    assert tables[0].schema == tables[1].schema
    if order == 1:
        assert tables[0].schema.field("x").type == wide
    for column, chunk, table in zip(columns, chunks, tables, strict=True):
        assert [row.values["x"] for row in chunk.rows] == python_values(column)
        back = table.column("x").combine_chunks()
        assert back.equals(column.cast(back.type))


def test_an_inexact_widening_names_column_and_files(open_source: Opener, tmp_path: Path) -> None:
    """An integer that no double holds is not rounded: the error has the column and the files."""
    pq.write_table(pa.table({"x": [BIG], "y": ["a"]}), tmp_path / "1.parquet")
    pq.write_table(pa.table({"x": [0.5], "y": ["b"]}), tmp_path / "2.parquet")
    with pytest.raises(InputError) as caught:
        list(open_source("*.parquet").chunks(None, frozenset({"x"})))
    assert (
        "'x' is int64 in 1.parquet and double in 2.parquet, and double does not hold all values"
        in caught.value.message
    )
    (first, _) = open_source("*.parquet").chunks(frozenset({"x"}), frozenset({"y"}))
    assert first.rows[0].values == {"x": BIG}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (pa.int64(), pa.string()),
        (pa.bool_(), pa.int8()),
        (pa.string(), pa.binary()),
        (pa.float64(), pa.decimal128(5, 2)),
        (pa.timestamp("us"), pa.timestamp("us", "UTC")),
        (pa.date32(), pa.timestamp("us")),
        (LIST_OF_INT, LIST_OF_TEXT),
        (LIST_OF_TEXT, LIST_OF_BYTES),
        (pa.struct({"a": pa.float32()}), pa.struct({"a": pa.decimal128(5, 2)})),
    ],
    ids=str,
)
def test_type_conflict_names_both_files(
    open_source: Opener, tmp_path: Path, first: pa.DataType, second: pa.DataType
) -> None:
    """When no type holds both exactly, the error has both files and types; else nobody reads it."""
    (tmp_path / "parts").mkdir()
    for n, kind in enumerate([first, first, second]):
        table = pa.table({"id": pa.nulls(1, kind), "text": [str(n)]})
        pq.write_table(table, tmp_path / f"parts/{n}.parquet")
    source = open_source("parts")
    for needed in [(frozenset({"id"}),), (frozenset({"text"}), frozenset({"id"}))]:
        with pytest.raises(InputError) as caught:
            list(source.chunks(*needed))
        for part in ("'id'", str(first), str(second), "parts/0.parquet", "parts/2.parquet"):
            assert part in caught.value.message
    texts = frozenset({"text"})
    rows = [row for chunk in source.chunks(texts, texts) for row in chunk.rows]
    assert [row.values for row in rows] == [{"text": str(n)} for n in range(3)]


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
    rows = [row for chunk in source.chunks(None, rows_per_chunk=3) for row in chunk.rows]
    assert [row.values["a"] for row in rows] == [*range(10), *range(10)]
    assert [str(row.place) for row in rows[8:12]] == [
        "1.parquet:9",
        "1.parquet:10",
        "2.parquet:1",
        "2.parquet:2",
    ]
    assert [row.ordinal for row in rows] == list(range(20))
    assert max(len(chunk.rows) for chunk in source.chunks(None, rows_per_chunk=3)) <= 3
    monkeypatch.setattr(parquet, "_CHUNK_BYTES", 1)
    assert [len(chunk.rows) for chunk in source.chunks(None)] == [1] * 20


def test_columns_by_their_full_name_are_the_only_ones_read(
    open_source: Opener, tmp_path: Path
) -> None:
    """A template or where with row["name"] reads that column; another one may be of any type."""
    for number, kind in enumerate([pa.int8(), pa.string()]):
        table = pa.table({"my col": ["a"], "other": pa.nulls(1, kind)})
        pq.write_table(table, tmp_path / f"{number}.parquet")
    template = Template('{{ row["my col"] }}{{ row.x | default("-") }}', "prompt")
    assert template.columns == {"my col", "x"}
    source = open_source("*.parquet", where='row["my col"] == "a"')
    rows = [row for chunk in source.chunks(template.columns) for row in chunk.rows]
    assert [template.render(row.values) for row in rows] == ["a-", "a-"]
    assert Template("{% for name in row %}{{ name }}{% endfor %}", "prompt").columns is None
