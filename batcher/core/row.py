"""An input record and its position in the input."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a row: its file as the user named it, and its line or row from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Row:
    """One input record.

    ``ordinal`` counts the records of the whole input from 0, before any selection.
    ``values`` maps column names to Python values: str, int, float, bool, None, Decimal, bytes,
    date, datetime, time, timedelta, list and dict.
    """

    ordinal: int
    place: Place
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that cannot become a request; ``error_type`` starts with ``client.``."""

    ordinal: int
    place: Place
    reason: str
    error_type: str = "client.bad_row"
