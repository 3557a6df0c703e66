"""Finds the unit in which the INT96 timestamps of a file can be read without a change.

INT96 has nanoseconds and every year; Spark, Hive and Impala write it. Arrow reads it in
nanoseconds, where it turns the year 9999 into 1816, or in microseconds, where it drops nanoseconds.
Neither is an error there, so the columns are read in both units once.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from batcher.late import late_module

if TYPE_CHECKING:
    import pyarrow.compute as pc
else:
    pc = late_module("pyarrow.compute")

Unit = Literal["ns", "us"]

_FIRST, _LAST = -(2**63) // 1_000 + 1, (2**63 - 1) // 1_000
"""The microseconds that can be nanoseconds in 64 bits."""


class UnitError(ValueError):
    """A column has timestamps with nanoseconds and others that nanoseconds cannot reach."""


def int96_columns(parquet: pq.ParquetFile, names: Iterable[str]) -> list[str]:
    """Return the columns of a file that are INT96, or may have such values inside."""
    leaves = (parquet.schema.column(number) for number in range(len(parquet.schema)))
    paths = [leaf.path for leaf in leaves if leaf.physical_type == "INT96"]
    return [n for n in names if any(path == n or path.startswith(f"{n}.") for path in paths)]


def unit_of(pairs: Iterable[tuple[pa.Array, pa.Array]]) -> Unit:
    """Return the unit for columns, which are given in nanoseconds and in microseconds.

    Raises ``UnitError`` when no unit holds all values.
    """
    is_far = has_nanoseconds = False
    for nano, micro in pairs:
        for in_nano, in_micro in zip(_leaves(nano), _leaves(micro), strict=True):
            micros = in_micro.cast(pa.int64())
            # The difference wraps around as the nanoseconds do: it is right for every year.
            rest = pc.subtract(in_nano.cast(pa.int64()), pc.multiply(micros, 1_000))
            has_nanoseconds |= bool(pc.any(pc.not_equal(rest, 0)).as_py())
            ends = pc.min_max(micros).as_py()
            if ends["min"] is not None:
                is_far |= ends["min"] < _FIRST or ends["max"] > _LAST
    if is_far and has_nanoseconds:
        raise UnitError
    return "us" if is_far else "ns"


def _leaves(column: pa.Array) -> Iterator[pa.Array]:
    """Yield the timestamps of a column, at any depth."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        yield column
    elif pa.types.is_map(kind):
        yield from _leaves(column.keys)
        yield from _leaves(column.items)
    elif pa.types.is_struct(kind):
        for inner in column.flatten():
            yield from _leaves(inner)
    elif kind.num_fields:
        yield from _leaves(column.flatten())
