"""What a gold column says, read the way an answer is: a choice in the schema's spelling."""

from collections.abc import Callable
from typing import Any

from batcher.core.labelling.columns import ColumnType
from batcher.core.quality.names import name_of

_TRUE_OR_FALSE = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_NUMBERS = ("int64", "double")


def gold_value(value: object, column: ColumnType, spelt: Callable[[Any], Any]) -> object:
    """Read a gold label for a field with this column; None where there is none.

    People keep gold in files of all sorts, where nothing may be an empty text, numbers and truth
    values may be texts, and choices are written in other capitals. ``spelt`` spells a choice as the
    schema does, and gives back what is none.
    """
    name = name_of(value)
    if name is None or not name.strip():
        return None
    if column.kind == "boolean":
        return _TRUE_OR_FALSE.get(name.strip().casefold(), value)
    if column.kind in _NUMBERS and isinstance(value, str):
        return _number(value)
    return spelt(value)


def _number(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text
