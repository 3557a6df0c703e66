"""Converts the values of a row to text in a prompt. A change here changes every fingerprint.

    text            as it is                          null      an error
    whole number    its digits                        bytes     an error
    true, false     true, false                       NaN, inf  an error
    float           the shortest text of the same float: 0.1, 1.0, 1e+22; also of 32 and 16 bits
    decimal         as written: 1.10
    date, time      ISO 8601: 2026-11-22, 2026-11-22T10:00:00+00:00
    duration        ISO 8601: P1DT2H0.5S
    list, struct    compact JSON by the same rules, keys in their order; a null inside is null

The engine has only 64-bit floats and 128-bit integers. A number that these would change is passed
as an ``ExactNumber``, which can be written and tested for truth, but not compared. Where a template
compares or calculates, it gets native numbers, which are written in their shortest form: 1.10 as
1.1 and 2.0 as 2. There a number that would lose digits is an error.
"""

import json
import math
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, auto

from batcher.core.row import ShortFloat, Unreadable
from batcher.core.template.allowance import count_made

_BYTES_OF_A_VALUE = 8
_SMALLEST, _LARGEST = -(2**127), 2**128 - 1


class Numbers(Enum):
    """How numbers are passed to the engine if it would change them."""

    EXACT_TEXT = auto()
    """As their text: exact, but they cannot be compared."""
    NATIVE = auto()
    """As native numbers; an error if that loses digits."""
    ROUNDED = auto()
    """As native numbers, also with a loss of digits: for values that are never written."""


class UnusableValueError(Exception):
    """A value cannot be used in a template; the text never quotes the value."""

    def __init__(self, reason: str, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class ExactNumber:
    """A number with its exact text; it has no order, because the engine would invent one."""

    __slots__ = ("_is_true", "_text")

    def __init__(self, text: str, *, is_true: bool) -> None:
        self._text = text
        self._is_true = is_true

    def __str__(self) -> str:
        return self._text

    def __bool__(self) -> bool:
        return self._is_true


class RowView(Mapping[str, object]):
    """The variable ``row``: every column by its full name, converted when it is used."""

    __slots__ = ("_numbers", "_values")

    def __init__(self, values: Mapping[str, object], numbers: Numbers) -> None:
        self._values = values
        self._numbers = numbers

    def __getitem__(self, name: str) -> object:
        return for_engine(self._values[name], self._numbers)

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def for_engine(value: object, numbers: Numbers) -> object:
    """Convert a value for the engine: to a plain type, and to a copy if it is mutable.

    Raises ``UnusableValueError``.
    """
    if isinstance(value, str):
        return _unicode(value)
    if value is None or isinstance(value, bool | bytes):
        return value
    if isinstance(value, int | float | Decimal):
        return _number(value, numbers)
    if isinstance(value, list | tuple):
        return [for_engine(item, numbers) for item in value]
    if isinstance(value, Mapping):
        return _mapping(value, numbers)
    if isinstance(value, Unreadable):
        raise UnusableValueError(value.reason)
    return _date_or_duration(value)


def text_of(value: object) -> str:
    """Return the text of a value that was converted for the engine, or computed by it.

    Raises ``UnusableValueError``.
    """
    if isinstance(value, str):
        return value
    if value is None:
        raise UnusableValueError(
            "null",
            "write `| default('', true)` after it if an empty text is right, "
            "or put it in {% if ... is not none %}",
        )
    if isinstance(value, list | tuple | Mapping):
        return json_of(value)
    return _scalar(value)


def json_of(value: object) -> str:
    """Return compact JSON by the rules above; a null is null. Raises ``UnusableValueError``."""
    if value is None:
        return "null"
    count_made(_BYTES_OF_A_VALUE)
    if isinstance(value, str):
        count_made(len(value))
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(json_of, value)) + "]"
    if isinstance(value, Mapping):
        pairs = (f"{json_of(_key(key))}:{json_of(item)}" for key, item in value.items())
        return "{" + ",".join(pairs) + "}"
    return _scalar(value)


def _scalar(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | ExactNumber):
        return str(value)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise UnusableValueError("not a finite number")
        return repr(value)
    if isinstance(value, bytes):
        raise UnusableValueError(
            "bytes", "name an image column in request.images; other bytes cannot be used"
        )
    raise UnusableValueError("not of a type that a prompt can contain")


def _number(value: int | float | Decimal, numbers: Numbers) -> object:
    if isinstance(value, int):
        if _SMALLEST <= value <= _LARGEST:
            return value
        if numbers is not Numbers.EXACT_TEXT:
            raise UnusableValueError("too large a number to compare or calculate with")
        return ExactNumber(_digits(value), is_true=True)
    is_finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
    if not is_finite:
        return math.nan
    if isinstance(value, ShortFloat):
        value = value.short
    if numbers is Numbers.EXACT_TEXT:
        text = repr(value) if isinstance(value, float) else _decimal(value)
        return ExactNumber(text, is_true=bool(value))
    number = float(value)
    if numbers is Numbers.NATIVE and Decimal(repr(number)) != Decimal(str(value)):
        raise UnusableValueError("a number with too many digits to compare or calculate with")
    return number


def _digits(value: int) -> str:
    try:
        return str(value)
    except ValueError:
        raise UnusableValueError("a number with too many digits") from None


def _decimal(value: Decimal) -> str:
    text = str(value)
    exponent = value.as_tuple().exponent
    # str() writes 0.0000000000 as 0E-10; 76 is the largest scale of a Parquet decimal.
    if "E" in text and isinstance(exponent, int) and -76 <= exponent <= 0:
        return format(value, "f")
    return text


def _date_or_duration(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, timedelta):
        return _duration(value)
    raise UnusableValueError("not of a type that a prompt can contain")


def _duration(value: timedelta) -> str:
    return duration_text(value // timedelta(microseconds=1) * 1_000)


def duration_text(nanoseconds: int) -> str:
    """Return a duration as ISO 8601."""
    sign = "-" if nanoseconds < 0 else ""
    seconds, fraction = divmod(abs(nanoseconds), 10**9)
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    second = f"{seconds}.{fraction:09d}".rstrip("0").rstrip(".")
    clock = f"{hours}H" * (hours > 0) + f"{minutes}M" * (minutes > 0)
    clock += f"{second}S" * (second != "0")
    if not clock and not days:
        return "PT0S"
    return sign + "P" + f"{days}D" * (days > 0) + ("T" + clock if clock else "")


def _mapping(value: Mapping[object, object], numbers: Numbers) -> dict[str, object]:
    named = {_unicode(_key(key)): for_engine(item, numbers) for key, item in value.items()}
    if len(named) < len(value):
        raise UnusableValueError("a map with two keys of the same text")
    return named


def _unicode(value: str) -> str:
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise UnusableValueError("text that is not valid Unicode") from None
    return value


def _key(key: object) -> str:
    return key if isinstance(key, str) else text_of(for_engine(key, Numbers.EXACT_TEXT))
