"""How many bytes one rendering may make; counted before a text is made.

One row of 120 kB can ask a filter for gigabytes: ``replace`` makes as much as the product of two
columns. What operators and loops make is limited by the engine's own steps.
"""

from contextvars import ContextVar
from dataclasses import dataclass

MAX_BYTES = 32 * 2**20
"""The longest rendered text in UTF-8; the API accepts no larger request."""

_MADE_BY_FILTERS = 4 * MAX_BYTES


class TooLongError(Exception):
    """A rendering would make more than it may."""


@dataclass(slots=True)
class _Allowance:
    output: int = MAX_BYTES
    filters: int = _MADE_BY_FILTERS


_CURRENT: ContextVar[_Allowance] = ContextVar("allowance")


def begin_rendering() -> None:
    """Allow the next rendering its bytes."""
    _CURRENT.set(_Allowance())


def count_output(text: str) -> None:
    """Count a text that is written; raise ``TooLongError`` when it is too much."""
    allowance = _CURRENT.get()
    allowance.output -= size_of(text)
    if allowance.output < 0:
        raise TooLongError


def count_made(size: int) -> None:
    """Count bytes that a filter is about to make; raise ``TooLongError`` when it is too much."""
    allowance = _CURRENT.get(None)
    if allowance is None:
        return
    allowance.filters -= size
    if allowance.filters < 0:
        raise TooLongError


def size_of(text: str) -> int:
    """Return the bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))
