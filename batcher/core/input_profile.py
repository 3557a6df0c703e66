"""What the first rows of an input suggest for a job that asks about them."""

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
"""In characters: what several rows share of this length is worth a block of its own."""
_IMAGE_NAME = re.compile(r"[^\s].*\.(jpe?g|png|gif|webp)", re.IGNORECASE)
_DOCUMENT_NAME = re.compile(r"[^\s].*\.pdf", re.IGNORECASE)

Values = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class InputProfile:
    """What the first rows suggest; the rest of the input may disagree.

    ``id`` is a column whose values all differ. ``texts`` are the columns that look like something
    to read. ``asked`` has, by the key of section [request], the columns of images, documents,
    long shared texts and conversations. ``gold`` is a column that says nothing but labels of a job,
    ``left_out`` is what a draft makes no use of. ``is_batch``: rows are ``{custom_id, params}``.
    """

    columns: tuple[str, ...]
    rows: int
    id: str | None = None
    texts: tuple[str, ...] = ()
    asked: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    gold: str | None = None
    left_out: tuple[str, ...] = ()
    is_batch: bool = False


def profile_rows(
    columns: Sequence[str],
    rows: Sequence[Values],
    labels: Sequence[str] = (),
    structs: Sequence[str] = (),
) -> InputProfile:
    """Guess from rows, of which there is at least one.

    ``labels`` are those that the job is to choose from; ``structs`` columns are structs of bytes
    and path, as Hugging Face has them for images.
    """
    if set(columns) == {"custom_id", "params"} and not structs:
        return InputProfile(tuple(columns), len(rows), is_batch=True)
    gold = next((name for name in columns if _is_gold(_known(rows, name), labels)), None)
    asked = _asked(columns, rows, structs)
    taken = {gold, *(name for names in asked.values() for name in names)}
    free = [name for name in columns if name not in taken]
    row_id = _id(free, rows) or _file_id(asked, rows)
    texts = _texts([name for name in free if name != row_id], rows, has_asked=bool(asked))
    used = {*texts, *taken, row_id}
    left_out = tuple(name for name in columns if name not in used)
    return InputProfile(tuple(columns), len(rows), row_id, texts, asked, gold, left_out)


def _known(rows: Sequence[Values], name: str) -> list[object]:
    return [value for row in rows if (value := row.get(name)) not in (None, "")]


def _asked(
    columns: Sequence[str], rows: Sequence[Values], structs: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for name in columns:
        key = "images" if name in structs else _key_of(_known(rows, name))
        if key == "messages" and key in found:
            continue
        if key is not None:
            found.setdefault(key, []).append(name)
    return {key: tuple(names) for key, names in found.items()}


def _key_of(values: Sequence[object]) -> str | None:
    """What all values of a column are, besides short texts and numbers."""
    if not values:
        return None
    if all(_is_conversation(value) for value in values):
        return "messages"
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) < len(values):
        return None
    if all(_IMAGE_NAME.fullmatch(text) for text in texts):
        return "images"
    if all(_IMAGE_NAME.fullmatch(text) or _DOCUMENT_NAME.fullmatch(text) for text in texts):
        return "documents"
    is_long = sum(map(len, texts)) >= _LONG_TEXT * len(texts)
    return "text_documents" if is_long and len(set(texts)) * 2 <= len(texts) else None


def _is_conversation(value: object) -> bool:
    """Whether it is a list of turns, or the JSON text of one."""
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
    """Take a column that names every row: by its name, else the first that reads like names."""
    unique = [name for name in columns if _is_id([row.get(name) for row in rows])]
    called = [name for name in unique if _is_called_id(name)]
    if called:
        order = {name: place for place, name in enumerate(_ID_NAMES)}
        return min(called, key=lambda name: order.get(name.lower(), len(order)))
    others = [name for name in unique if name.lower() not in _TEXT_NAMES]
    names = (name for name in others if all(_is_word(row.get(name)) for row in rows))
    return next(names, None) if len(rows) > 1 else None


def _file_id(asked: Mapping[str, tuple[str, ...]], rows: Sequence[Values]) -> str | None:
    """The names of files, where each row has its own."""
    for name in (*asked.get("images", ()), *asked.get("documents", ())):
        if _is_id([row.get(name) for row in rows]):
            return name
    return None


def _is_called_id(name: str) -> bool:
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


def _texts(columns: Sequence[str], rows: Sequence[Values], *, has_asked: bool) -> tuple[str, ...]:
    """Take the column with a telling name, else the one with the longest texts.

    Beside images and the like only a telling name counts.
    """
    lengths = dict(_lengths(columns, rows))
    named = [name for wanted in _TEXT_NAMES for name in lengths if name.lower() == wanted]
    longest = [] if has_asked else sorted(lengths, key=lambda name: -lengths[name])
    return tuple((named or longest)[:1])


def _lengths(columns: Sequence[str], rows: Sequence[Values]) -> Iterator[tuple[str, int]]:
    for name in columns:
        texts = (value for row in rows if isinstance(value := row.get(name), str))
        length = sum(len(text) for text in texts)
        if length:
            yield name, length


def free_name(wanted: str, taken: Sequence[str]) -> str:
    """A name for a label that no column of the input has, whatever its capitals."""
    names = {name.casefold() for name in taken}
    name = wanted
    while name.casefold() in names:
        name = f"predicted_{name}"
    return name
