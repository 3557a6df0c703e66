"""Finds the Arrow type that holds the values of two types without a loss."""

import pyarrow as pa
from pyarrow import types

_LOSSY = ({"text", "bytes"}, {"float", "decimal"})
"""Kinds of values that Arrow would merge, although that changes the values."""


def merged_type(first: pa.DataType, second: pa.DataType) -> pa.DataType | None:
    """Return the type that columns of both types can be cast to, or None.

    A checked cast to it is exact or fails: an integer beyond 2**53 does not fit into a double.
    """
    if first == second or types.is_null(second):
        return first
    if types.is_null(first):
        return second
    first, second = _plain(first), _plain(second)
    if first == second:
        return first
    if not _may_merge(first, second):
        return None
    schemas = [pa.schema([pa.field("x", kind)]) for kind in (first, second)]
    try:
        return pa.unify_schemas(schemas, promote_options="permissive").field(0).type
    except pa.ArrowTypeError:
        return None


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return a type without dictionaries and views, which Arrow merges with no other type."""
    if types.is_dictionary(kind):
        return _plain(kind.value_type)
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_list(kind) or types.is_list_view(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    if types.is_large_list(kind) or types.is_large_list_view(kind):
        return pa.large_list(kind.value_field.with_type(_plain(kind.value_type)))
    if types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    return kind


def _may_merge(first: pa.DataType, second: pa.DataType) -> bool:
    if types.is_struct(first) and types.is_struct(second):
        shared = {field.name for field in first} & {field.name for field in second}
        return all(_may_merge(first.field(name).type, second.field(name).type) for name in shared)
    if types.is_map(first) and types.is_map(second):
        return _may_merge(first.key_type, second.key_type) and _may_merge(
            first.item_type, second.item_type
        )
    if types.is_nested(first) and types.is_nested(second) and first.num_fields == 1:
        return second.num_fields == 1 and _may_merge(first.field(0).type, second.field(0).type)
    return {_kind(first), _kind(second)} not in _LOSSY


def _kind(leaf: pa.DataType) -> str:
    if types.is_string(leaf) or types.is_large_string(leaf):
        return "text"
    if types.is_binary(leaf) or types.is_large_binary(leaf) or types.is_fixed_size_binary(leaf):
        return "bytes"
    if types.is_floating(leaf):
        return "float"
    return "decimal" if types.is_decimal(leaf) else "other"
