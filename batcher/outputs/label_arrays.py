"""The label columns of an output: their Arrow types, and their arrays from the answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from batcher.core.labels.cell_values import cell
from batcher.core.labels.label_columns import ColumnType
from batcher.core.labels.labels import Labels
from batcher.core.quality.votes import vote, vote_of, voted_fields

_TYPES: Mapping[str, pa.DataType] = {
    "boolean": pa.bool_(),
    "int64": pa.int64(),
    "double": pa.float64(),
    "string": pa.string(),
    "enum": pa.dictionary(pa.int32(), pa.string()),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "json": pa.string(),
}


def arrow_type(column: ColumnType, *, is_inner: bool = False) -> pa.DataType:
    """Return the type of a column; an enum inside a list or struct is a plain string."""
    if column.kind == "list":
        assert column.item is not None  # noqa: S101 - every list has an item type
        return pa.list_(arrow_type(column.item, is_inner=True))
    if column.kind == "struct":
        fields = column.fields
        return pa.struct([(name, arrow_type(inner, is_inner=True)) for name, inner in fields])
    return pa.string() if is_inner and column.kind == "enum" else _TYPES[column.kind]


def label_fields(labels: Labels) -> list[pa.Field]:
    """Return the fields of a job's labels, in the order of its schema."""
    return [pa.field(name, arrow_type(column)) for name, column in labels.columns.items()]


def label_arrays(labels: Labels, values: Sequence[Mapping[str, Any] | None]) -> list[pa.Array]:
    """Return the label columns; a field that a value does not have is null."""
    return [
        _array([None if value is None else value.get(name) for value in values], column)
        for name, column in labels.columns.items()
    ]


def vote_fields(labels: Labels, prefix: str) -> list[pa.Field]:
    """Return the fields for votes of several answers: the majority's label and its share."""
    fields = []
    for name in voted_fields(labels.columns):
        kind = arrow_type(labels.columns[name])
        fields.append(pa.field(f"{prefix}majority_{name}", kind))
        fields.append(pa.field(f"{prefix}agreement_{name}", pa.float64()))
    return fields


def vote_arrays(
    labels: Labels, values: Sequence[Mapping[str, Any] | None], samples: int
) -> list[pa.Array]:
    """Return the vote columns, equal for all answers to a row; a tie has no majority."""
    arrays = []
    rows = [values[first : first + samples] for first in range(0, len(values), samples)]
    for name in voted_fields(labels.columns):
        labels_by_row = ([vote_of(value, name) for value in row] for row in rows)
        votes = [result for row in labels_by_row for result in [vote(row)] * samples]
        majority = [None if result is None else result.value for result in votes]
        shares = [None if result is None else result.agreement for result in votes]
        arrays += [_array(majority, labels.columns[name]), pa.array(shares, pa.float64())]
    return arrays


def _array(values: Sequence[Any], column: ColumnType) -> pa.Array:
    cells, kind = [cell(value, column) for value in values], arrow_type(column)
    if column.kind == "enum":
        return pa.array(cells, pa.string()).dictionary_encode().cast(kind)
    return pa.array(cells, kind)
