"""An input record and its position in the input."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Place:
    """The position of a row: its file as the user named it, and its line or row from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


class ShortFloat(float):
    """A 32-bit or 16-bit float as a double; ``short`` is the double with the shortest text.

    The 32-bit float 0.1 is the double 0.10000000149011612; its ``short`` is 0.1.
    """

    __slots__ = ("short",)
    short: float

    @classmethod
    def of(cls, value: float, short: float) -> float:
        """Return a plain float when it has the shortest text itself."""
        if value == short or value != value:  # noqa: PLR0124 (a NaN does not equal itself)
            return value
        number = cls(value)
        number.short = short
        return number


class WrittenFloat(float):
    """A float that the input writes in another way than Python: 1.10 or 1E2."""

    __slots__ = ("written",)
    written: str

    @classmethod
    def of(cls, value: float, written: str) -> "WrittenFloat":
        """Return the float with its text."""
        number = cls(value)
        number.written = written
        return number


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A value that cannot be read; ``reason`` quotes no value. It harms only who uses it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """One input record.

    ``ordinal`` counts the records of the whole input from 0, before any selection.
    ``values`` maps column names to Python values: str, int, float, bool, None, Decimal, bytes,
    date, datetime, time, timedelta, list and dict, or ``Unreadable``. Times and durations with
    nanoseconds, which Python does not have, are their text.
    """

    ordinal: int
    place: Place
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that cannot become a request; ``error_type`` starts with ``client.``.

    ``values`` are those that could be read, for the row's id and the kept columns.
    """

    ordinal: int
    place: Place
    reason: str
    error_type: str = "client.bad_row"
    values: Mapping[str, object] = field(default_factory=dict)
