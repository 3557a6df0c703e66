"""Reads a deadline as people write it: a time of day such as ``07:00``, or a duration."""

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from batcher.core.duration_text import seconds_of
from batcher.errors import ConfigurationError

_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAYS = (-1, 0, 1, 2)
"""The days, from the day of the start, on which the next time of day may be: clocks change."""


def deadline_of(text: str, started: datetime, zone: tzinfo | None) -> datetime:
    """Return the instant of a deadline, in UTC; ConfigurationError for anything else.

    A time of day is the next one after the start in a time zone; None is that of this machine. A
    time that the clocks show twice may be either, and one that they skip is as late as if they had
    not been changed. A duration counts from the start.
    """
    match = _TIME.fullmatch(text)
    if match:
        return _next(time(int(match[1]), int(match[2])), started.astimezone(UTC), zone)
    try:
        return started.astimezone(UTC) + timedelta(seconds=seconds_of(text))
    except (ConfigurationError, OverflowError):
        raise ConfigurationError(
            f"not a deadline: {text!r}",
            hint="write a time of day like 07:00, or a duration like 5h, 90m or 1h30m",
        ) from None


def _next(clock: time, started: datetime, zone: tzinfo | None) -> datetime:
    day = started.astimezone(zone).date()
    instants = (
        instant
        for days in _DAYS
        for instant in _instants(datetime.combine(day + timedelta(days), clock, zone))
    )
    return min(instant for instant in instants if instant > started)


def _instants(shown: datetime) -> tuple[datetime, ...]:
    """Return the instants at which clocks show a time: one, two, or the one that stands for none.

    Of a skipped time, the second reading is earlier than the first, and is dropped.
    """
    first, second = (shown.replace(fold=fold).astimezone(UTC) for fold in (0, 1))
    return (first, second) if second > first else (first,)
