"""A table for a terminal: what does not fit is cut by cells, or left out by whole columns."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batcher.cli.cells import one_line, width_of

_GAP = 2
_SHORT = 24
_LONGEST = 200
_SMALLEST, _LARGEST = 1e-9, 1e15


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its width in cells; numbers stand on the right."""

    name: str
    width: int
    is_number: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a table that fit, and the names of those that are left out."""

    columns: tuple[Column, ...]
    left_out: tuple[str, ...]

    @property
    def header(self) -> str:
        """The line with the names of the columns."""
        return self._line(column.name for column in self.columns)

    def line(self, row: Mapping[str, Any]) -> str:
        """Write a row as one line."""
        return self._line(row[column.name] for column in self.columns)

    def _line(self, values: Iterable[Any]) -> str:
        cells = (_cell(value, column) for value, column in zip(values, self.columns, strict=True))
        return (" " * _GAP).join(cells).rstrip()


def layout(names: Sequence[str], rows: Sequence[Mapping[str, Any]], width: int) -> Layout:
    """Choose the columns for a terminal of ``width`` cells, the first ones first.

    ``rows`` are the first rows of the table: their values decide. A short value is never cut; long
    texts share the cells that are left.
    """
    wished = {name: _wished(name, rows) for name in names}
    left, chosen = width + _GAP, list[str]()
    for name in names:
        least = _least(name, wished[name])
        if not chosen or least + _GAP <= left:
            chosen.append(name)
            left -= min(least, left) + _GAP
    widths = {name: min(_least(name, wished[name]), width) for name in chosen}
    left = width - sum(widths.values()) - _GAP * (len(chosen) - 1)
    for at, name in enumerate(sorted(chosen, key=wished.__getitem__)):
        more = max(0, min(wished[name] - widths[name], left // (len(chosen) - at)))
        widths[name] += more
        left -= more
    numbers = {name for name in chosen if _is_number(name, rows)}
    columns = tuple(Column(name, widths[name], name in numbers) for name in chosen)
    return Layout(columns, tuple(name for name in names if name not in chosen))


def _wished(name: str, rows: Sequence[Mapping[str, Any]]) -> int:
    texts = (one_line(text_of(row[name]), _LONGEST) for row in rows)
    return max([width_of(one_line(name, _LONGEST)), *map(width_of, texts)])


def _least(name: str, wished: int) -> int:
    """Return the smallest width of a column: the whole of short values, and of its name."""
    return max(min(wished, _SHORT), width_of(one_line(name, _LONGEST)))


def _is_number(name: str, rows: Sequence[Mapping[str, Any]]) -> bool:
    values = [row[name] for row in rows if row[name] is not None]
    return bool(values) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in values
    )


def _cell(value: Any, column: Column) -> str:
    text = one_line(text_of(value), column.width)
    space = " " * (column.width - width_of(text))
    return space + text if column.is_number else text + space


def text_of(value: Any) -> str:
    """Write a value of a row in a table; null is empty."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, float) and _SMALLEST <= abs(value) < _LARGEST:
        return format(Decimal(repr(value)), "f")
    return json.dumps(value, ensure_ascii=False)
