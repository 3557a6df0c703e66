"""Looks at an input to guess what a job for it would say."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

import pyarrow as pa

from batcher.core.job import Input
from batcher.core.row import Row
from batcher.errors import InputError
from batcher.inputs.formats.plain_files import COLUMN
from batcher.inputs.source import Source

ROWS_LOOKED_AT = 2_000
_ID_NAMES = ("id", "_id", "custom_id", "uuid", "guid", "key", "name", "url", "path")
_TEXT_NAMES = (
    "text", "prompt", "content", "body", "message", "question", "description", "review", "comment",
    "title",
)  # fmt: skip
_IMAGES = (".jpg", ".jpeg", ".png", ".gif", ".webp")
_LONGEST_ID = 100
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = frozenset(
    {
        "row",
        "self",
        "range",
        "loop",
        "true",
        "false",
        "none",
        "not",
        "and",
        "or",
        "in",
        "is",
        "if",
        "else",
    }
)


@dataclass(frozen=True, slots=True)
class Look:
    """What the first rows of an input suggest.

    ``id`` is a column whose values all differ there; the rest of the input may disagree. ``texts``
    are the columns that look like something to read, ``attached`` those of images and documents by
    the key of a job that names them. ``is_batch``: rows are ``{custom_id, params}``.
    """

    columns: tuple[str, ...]
    rows: int
    id: str | None
    texts: tuple[str, ...]
    is_batch: bool
    attached: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def look_at(path: Path) -> Look:
    """Read the first rows; raises InputError when there are none that can be read."""
    source = Source.open(Input(path=path.name), path.parent)
    entries = chain.from_iterable(chunk.rows for chunk in source.chunks(None))
    rows = [row.values for row in islice(entries, ROWS_LOOKED_AT) if isinstance(row, Row)]
    if not rows:
        raise InputError(f"{path} has no row that can be read", hint="put rows into it first")
    columns = source.columns or tuple(dict.fromkeys(name for row in rows for name in row))
    is_batch = set(columns) == {"custom_id", "params"} and source.columns is None
    row_id = _guess_id(columns, rows)
    attached = _guess_attached(source, rows)
    others = tuple(name for name in columns if name not in chain.from_iterable(attached.values()))
    texts = _guess_texts(others, rows, row_id)
    return Look(columns, len(rows), row_id, texts, is_batch, attached)


def placeholder(column: str) -> str:
    """Write a column as a template names it."""
    if _IDENTIFIER.fullmatch(column) and column not in _TAKEN:
        return f"{{{{ {column} }}}}"
    quoted = column.replace("\\", "\\\\").replace('"', '\\"')
    return f'{{{{ row["{quoted}"] }}}}'


def _guess_attached(
    source: Source, rows: Sequence[Mapping[str, object]]
) -> dict[str, tuple[str, ...]]:
    """Take columns like those of Hugging Face for images, and files that are rows themselves."""
    if source.columns == (COLUMN,):
        names = [str(row[COLUMN]).lower() for row in rows]
        return {"images" if all(n.endswith(_IMAGES) for n in names) else "documents": (COLUMN,)}
    structs = [
        column.name
        for column in source.schema or ()
        if pa.types.is_struct(column.type)
        and {inner.name for inner in column.type} == {"bytes", "path"}
    ]
    return {"images": tuple(structs)} if structs else {}


def _guess_id(columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> str | None:
    """Take a column that names every row: by its name, else the first that can."""
    unique = [name for name in columns if _is_id(row.get(name) for row in rows)]
    by_name = sorted(
        (name for name in unique if _is_called_id(name)),
        key=lambda name: _ID_NAMES.index(name.lower()) if name.lower() in _ID_NAMES else 99,
    )
    if by_name:
        return by_name[0]
    texts = [name for name in unique if isinstance(rows[0].get(name), str)]
    return texts[0] if texts and len(rows) > 1 else None


def _is_called_id(name: str) -> bool:
    return name.lower() in _ID_NAMES or name.lower().endswith("_id")


def _is_id(values: Iterable[object]) -> bool:
    seen = set()
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int) or value in seen:
            return False
        if len(str(value)) > _LONGEST_ID:
            return False
        seen.add(value)
    return True


def _guess_texts(
    columns: Sequence[str], rows: Sequence[Mapping[str, object]], row_id: str | None
) -> tuple[str, ...]:
    """Take the column with a telling name, else the one with the longest texts."""
    lengths = {
        name: sum(len(value) for row in rows if isinstance(value := row.get(name), str))
        for name in columns
        if name != row_id
    }
    texts = [name for name, length in lengths.items() if length]
    named = [name for wanted in _TEXT_NAMES for name in texts if name.lower() == wanted]
    longest = sorted(texts, key=lambda name: -lengths[name])
    return tuple((named or longest)[:1])
