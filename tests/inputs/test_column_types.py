"""The Arrow types of JSONL columns are exact and the same for the whole input."""

import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.row import BadRow, Place, Row
from batcher.errors import InputError
from batcher.inputs import column_types
from batcher.inputs.chunk import Chunk
from batcher.inputs.column_types import ColumnTypes
from batcher.inputs.source import Source

Opener = Callable[..., Source]
JSON_TEXT = "JSON text"
MISSING = object()
MANY_KEYS = [{f"key {n}": n} for n in range(3000)]

COLUMNS = {
    "bool": ([True, None, False], pa.bool_()),
    "int": ([1, None, -(2**63), 2**63 - 1], pa.int64()),
    "float": ([1.5, None], pa.float64()),
    "int and float": ([2**53, 0.5, -(2**53)], pa.float64()),
    "inexact int, then float": ([2**53 + 1, 0.5], JSON_TEXT),
    "float, then inexact int": ([0.5, -(2**53) - 1], JSON_TEXT),
    "big int": ([1, 2**63], JSON_TEXT),
    "small int": ([1, -(2**63) - 1], JSON_TEXT),
    "string": (["2026-11-22", "1", None], pa.string()),
    "nothing": ([None, MISSING], pa.string()),
    "bool and int": ([True, 1], JSON_TEXT),
    "string and int": (["a", 1, None], JSON_TEXT),
    "string and float": (["1.2.3", 1.5, "2"], JSON_TEXT),
    "string and bool": (["true", False], JSON_TEXT),
    "string and object": (["a", {"b": "c"}], JSON_TEXT),
    "string and list": (["a", ["a"]], JSON_TEXT),
    "list": ([[1], [], None, [None, 2]], pa.list_(pa.int64())),
    "empty list": ([[]], pa.list_(pa.string())),
    "mixed list": ([[1], ["a"]], JSON_TEXT),
    "list of lists": ([[[1.0]], [[2]]], pa.list_(pa.list_(pa.float64()))),
    "struct": ([{"a": 1}, {"b": "x"}, None], pa.struct({"a": pa.int64(), "b": pa.string()})),
    "struct in list": ([[{"a": True}], [{}]], pa.list_(pa.struct({"a": pa.bool_()}))),
    "empty struct": ([{}], JSON_TEXT),
    "inner empty struct": ([{"a": {}}], JSON_TEXT),
    "inner conflict": ([{"a": {"b": [1]}}, {"a": {"b": ["x"]}}], JSON_TEXT),
    "too many keys": (MANY_KEYS, JSON_TEXT),
}


def written(value: object) -> str:
    """Return a value as the input writes it, a string without quotes."""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def chunks(values: list[object], size: int) -> list[Chunk]:
    """Put the values of a column x into chunks; each chunk ends with a bad row."""
    rows: list[Chunk] = []
    for start in range(0, len(values), size):
        entries: list[Row | BadRow] = [
            Row(n, Place("f", n + 1), {} if value is MISSING else {"x": value})
            for n, value in enumerate(values[start : start + size], start)
        ]
        rows.append(Chunk((*entries, BadRow(0, Place("f", 1), "bad"))))
    return rows


def typed_table(parts: list[Chunk], names: list[str] | None) -> pa.Table:
    """Find the types of all chunks, then make one table of them."""
    types = ColumnTypes(names)
    for chunk in parts:
        types.add(chunk)
    schema = types.schema()
    return pa.concat_tables([chunk.table(schema.names, schema) for chunk in parts])


@pytest.mark.parametrize("size", [1, 2, 5000])
@pytest.mark.parametrize(("values", "kind"), COLUMNS.values(), ids=COLUMNS.keys())
def test_type_and_values(values: list[object], kind: pa.DataType | str, size: int) -> None:
    """A column has the type that can hold all its values, whatever the chunk size."""
    table = typed_table(chunks(values, size), ["x"])
    assert table.column("x").type == (pa.string() if kind == JSON_TEXT else kind)
    back = [value for value in table.column("x").to_pylist() if value is not None]
    given_values = [value for value in values if value is not None and value is not MISSING]
    if kind == JSON_TEXT:
        assert back == [written(value) for value in given_values]
    elif "struct" not in str(kind):
        assert back == given_values
    assert table.num_rows == len(values) + -(-len(values) // size)


def test_numbers_among_texts_are_as_written(open_source: Opener) -> None:
    """Numbers in a column of texts keep their spelling, at any depth; the rows are named."""
    lines = [
        '{"x": "left-pad"}',
        '{"x": 1.10}',
        '{"x": "true"}',
        '{"x": -0.50e3}',
        '{"x": true}',
        '{"x": [1.0, 1.20, "a"]}',
        '{"x": 0.12345678901234567890}',
        '{"x": null}',
    ]
    source = open_source(data="\n".join(lines).encode())
    types = ColumnTypes(None)
    (chunk,) = source.chunks(None, None)
    types.add(chunk)
    kept = chunk.table(["x"], types.schema()).column("x")
    assert kept.to_pylist() == [
        "left-pad",
        "1.10",
        "true",
        "-0.50e3",
        "true",
        '[1.0,1.20,"a"]',
        "0.12345678901234567890",
        None,
    ]
    (warning,) = types.warnings()
    assert "a number in 2 rows (rows.jsonl:2, rows.jsonl:4)" in warning.message
    assert "a list in 1 row (rows.jsonl:6)" in warning.message


def test_only_the_first_rows_are_named() -> None:
    """However many rows differ from the others, the warning stays short."""
    parts = chunks([*("text",) * 30, *range(20)], 7)
    types = ColumnTypes(["x"])
    for part in parts:
        types.add(part)
    (warning,) = types.warnings()
    assert warning.message == (
        "the column 'x' has text in most rows, but a whole number in 20 rows "
        "(f:31, f:32, f:33, f:34, f:35 and 15 more); it is kept as text"
    )


def test_unreadable_and_special_numbers_are_kept_if_possible(open_source: Opener) -> None:
    """NaN and infinities are doubles; what no column can hold is empty, and its rows are named."""
    source = open_source(
        data=b'{"n": NaN, "t": "a"}\n{"n": 1, "t": "\\ud800"}\n{"n": -Infinity, "t": "c"}\n'
    )
    types = ColumnTypes(None)
    (chunk,) = source.chunks(None, None)
    types.add(chunk)
    table = chunk.table(["n", "t"], types.schema())
    assert table.schema == pa.schema({"n": pa.float64(), "t": pa.string()})
    assert repr(table.column("n").to_pylist()) == "[nan, 1.0, -inf]"
    assert table.column("t").to_pylist() == ["a", None, "c"]
    (warning,) = types.warnings()
    assert warning.message == (
        "1 row has a value in 't' that is text with half a surrogate pair; "
        "it is empty in the output: rows.jsonl:2"
    )


def test_missing_struct_keys_are_null() -> None:
    """A key that is missing in an object is null in the struct."""
    table = typed_table(chunks([{"a": 1}, {"b": "x"}], 1), None)
    assert table.column("x").to_pylist()[::2] == [{"a": 1, "b": None}, {"a": None, "b": "x"}]


def test_all_columns_in_first_seen_order() -> None:
    """Without names the table has all columns, in first-seen order."""
    rows = [{"b": 1}, {"a": "x", "b": 2}]
    chunk = Chunk(tuple(Row(n, Place("f", n), row) for n, row in enumerate(rows)))
    assert typed_table([chunk], None).to_pylist() == [{"b": 1, "a": None}, {"b": 2, "a": "x"}]
    assert typed_table([chunk], ["a", "c"]).to_pylist() == [
        {"a": None, "c": None},
        {"a": "x", "c": None},
    ]


def test_too_many_columns_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error for too many columns names the key that selects some."""
    monkeypatch.setattr(column_types, "MAX_COLUMNS", 3)
    chunk = Chunk((Row(0, Place("f", 1), dict.fromkeys("abcd")),))
    ColumnTypes(["a", "b"]).add(chunk)
    with pytest.raises(InputError) as caught:
        ColumnTypes(None).add(chunk)
    assert "keep" in (caught.value.hint or "")


def test_value_outside_the_schema_is_an_error() -> None:
    """A value that does not fit the schema is an error, never a null."""
    (chunk,) = chunks(["text"], 1)
    with pytest.raises((pa.ArrowInvalid, pa.ArrowTypeError)):
        chunk.table(["x"], pa.schema({"x": pa.int64()}))


def test_parquet_types_are_the_files(open_source: Opener, tmp_path: object) -> None:
    """Parquet columns keep the types of the files, in the order of the names."""
    table = pa.table({"a": pa.array([1], pa.int8()), "b": pa.array(["x"]).dictionary_encode()})
    pq.write_table(table, f"{tmp_path}/a.parquet")
    for names, expected in [(None, ["a", "b"]), (["b"], ["b"]), (["b", "a"], ["b", "a"])]:
        types = ColumnTypes(names)
        (chunk,) = open_source("a.parquet").chunks(None, None)
        types.add(chunk)
        assert types.schema() == table.select(expected).schema
        assert chunk.table(expected, types.schema()).equals(table.select(expected))


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**65), 2**65)
    | st.text(st.characters(codec="utf-8"), max_size=3)
    | st.floats(allow_nan=False, allow_infinity=False)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(column=st.lists(values, min_size=1, max_size=6), size=st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_the_type_does_not_depend_on_the_chunks(column: list[object], size: int) -> None:
    """Any values get a type and can be written as Parquet; chunk borders do not matter."""
    table = typed_table(chunks(column, size), ["x"])
    whole = typed_table(chunks(column, len(column)), ["x"])
    assert table.schema == whole.schema
    good = [row for n, row in enumerate(table.column("x").to_pylist()) if n % (size + 1) != size]
    kept = good[: len(column)]
    if len(column) % size == 0:
        assert kept == whole.column("x").to_pylist()[: len(column)]
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    assert pq.read_table(pa.BufferReader(sink.getvalue())).num_rows == table.num_rows
