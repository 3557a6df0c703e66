"""Guesses from the first rows of an input how a job could use its columns."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

_ID_NAMES = ("id", "_id", "custom_id", "uuid", "guid", "key", "name", "url", "path")
_TEXT_NAMES = (
    "text", "prompt", "content", "body", "message", "question", "description", "review", "comment",
    "title", "caption",
)  # fmt: skip
_LONGEST_ID = 100
_LONG_TEXT = 2_000
"""In characters: a text of this length that several rows share gets its own block."""
_IMAGE_NAME = re.compile(r"[^\s].*\.(jpe?g|png|gif|webp)", re.IGNORECASE)
_DOCUMENT_NAME = re.compile(r"[^\s].*\.pdf", re.IGNORECASE)

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class InputProfile:
    """A guess from the first rows; the rest of the input may differ.

    ``id`` is a column with distinct values. ``texts`` are columns with text for the prompt.
    ``request_columns`` maps a key of section [request] (images, documents, text_documents,
    messages) to its columns. ``gold`` is a column with labels of the job only. ``unused`` are the
    other columns. ``is_batch``: rows are ``{custom_id, params}``.
    """

    columns: tuple[str, ...]
    rows: int
    id: str | None = None
    texts: tuple[str, ...] = ()
    request_columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gold: str | None = None
    unused: tuple[str, ...] = ()
    is_batch: bool = False


def profile_rows(
    columns: Sequence[str],
    rows: Sequence[Values],
    labels: Sequence[str] = (),
    structs: Sequence[str] = (),
) -> InputProfile:
    """Guess from at least one row.

    ``labels`` are the labels of the job. ``structs`` are the columns whose values are structs of
    bytes and path, or lists of them, as Hugging Face datasets store images.
    """
    if set(columns) == {"custom_id", "params"} and not structs:
        return InputProfile(tuple(columns), len(rows), is_batch=True)
    gold = next((name for name in columns if _is_gold(_present_values(rows, name), labels)), None)
    request_columns = _request_columns(columns, rows, structs)
    taken = {gold, *(name for names in request_columns.values() for name in names)}
    free = [name for name in columns if name not in taken]
    row_id = _id(free, rows) or _file_id(request_columns, rows)
    others = [name for name in free if name != row_id]
    texts = _texts(others, rows, needs_known_name=bool(request_columns))
    used = {*texts, *taken, row_id}
    unused = tuple(name for name in columns if name not in used)
    return InputProfile(tuple(columns), len(rows), row_id, texts, request_columns, gold, unused)


def _present_values(rows: Sequence[Values], name: str) -> list[object]:
    return [value for row in rows if (value := row.get(name)) not in (None, "")]


def _request_columns(
    columns: Sequence[str], rows: Sequence[Values], structs: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in columns:
        key = "images" if name in structs else _key_of(_present_values(rows, name))
        if key == "messages" and key in found:
            continue
        if key is not None:
            found.setdefault(key, []).append(name)
    return {key: tuple(names) for key, names in found.items()}


def _key_of(values: Sequence[object]) -> str | None:
    """Return the [request] key that fits all values; None for short texts and numbers."""
    if not values:
        return None
    if all(_is_conversation(value) for value in values):
        return "messages"
    if all(_is_list_of_images(value) for value in values):
        return "images"
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        return None
    if all(_IMAGE_NAME.fullmatch(text) for text in texts):
        return "images"
    if all(_IMAGE_NAME.fullmatch(text) or _DOCUMENT_NAME.fullmatch(text) for text in texts):
        return "documents"
    is_long = sum(map(len, texts)) >= _LONG_TEXT * len(texts)
    return "text_documents" if is_long and len(set(texts)) * 2 <= len(texts) else None


def _is_list_of_images(value: object) -> bool:
    names = value if isinstance(value, list) else []
    return bool(names) and all(isinstance(n, str) and _IMAGE_NAME.fullmatch(n) for n in names)


def _is_conversation(value: object) -> bool:
    """Whether a value is a list of turns, or its JSON text."""
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return False
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return False
    return isinstance(value, list) and all(
        isinstance(turn, Mapping) and "role" in turn and "content" in turn for turn in value
    )


def _is_gold(values: Sequence[object], labels: Sequence[str]) -> bool:
    known = {label.strip().casefold() for label in labels}
    return bool(values) and all(str(value).strip().casefold() in known for value in values)


def _id(columns: Sequence[str], rows: Sequence[Values]) -> str | None:
    """Choose a column of distinct ids: by its name, else the first one with single words."""
    unique = [name for name in columns if _is_id([row.get(name) for row in rows])]
    with_id_name = [name for name in unique if _has_id_name(name)]
    if with_id_name:
        order = {name: place for place, name in enumerate(_ID_NAMES)}
        return min(with_id_name, key=lambda name: order.get(name.lower(), len(order)))
    others = [name for name in unique if name.lower() not in _TEXT_NAMES]
    names = (name for name in others if all(_is_word(row.get(name)) for row in rows))
    return next(names, None) if len(rows) > 1 else None


def _file_id(request_columns: Mapping[str, tuple[str, ...]], rows: Sequence[Values]) -> str | None:
    """Return a column of file names that differ in every row."""
    for name in (*request_columns.get("images", ()), *request_columns.get("documents", ())):
        if _is_id([row.get(name) for row in rows]):
            return name
    return None


def _has_id_name(name: str) -> bool:
    return name.lower() in _ID_NAMES or name.lower().endswith("_id")


def _is_id(values: Sequence[object]) -> bool:
    seen: set[object] = set()
    for value in values:
        if isinstance(value, bool) or not isinstance(value, str | int) or value in seen:
            return False
        if not 0 < len(str(value)) <= _LONGEST_ID:
            return False
        seen.add(value)
    return True


def _is_word(value: object) -> bool:
    return isinstance(value, str) and not any(char.isspace() for char in value)


def _texts(
    columns: Sequence[str], rows: Sequence[Values], *, needs_known_name: bool
) -> tuple[str, ...]:
    """Choose the column with a known name for text, else the one with the longest texts."""
    lengths = dict(_lengths(columns, rows))
    named = [name for wanted in _TEXT_NAMES for name in lengths if name.lower() == wanted]
    longest = [] if needs_known_name else sorted(lengths, key=lambda name: -lengths[name])
    return tuple((named or longest)[:1])


def _lengths(columns: Sequence[str], rows: Sequence[Values]) -> Iterator[tuple[str, int]]:
    for name in columns:
        texts = (value for row in rows if isinstance(value := row.get(name), str))
        length = sum(len(text) for text in texts)
        if length:
            yield name, length


def free_name(wanted: str, taken: Sequence[str]) -> str:
    """Return a name for a label that no column of the input has, in any letter case."""
    names = {name.casefold() for name in taken}
    name = wanted
    while name.casefold() in names:
        name = f"predicted_{name}"
    return name
