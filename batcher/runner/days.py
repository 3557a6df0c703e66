"""The calendar day that a budget per day is for, in the time zone that the job states."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, available_timezones

from batcher.core.job.money_sections import BudgetSection
from batcher.core.nearest import nearest
from batcher.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Day:
    """A calendar day: its first instant, and the first one of the next day, in its time zone."""

    start: datetime
    end: datetime


def budget_day(section: BudgetSection, started: datetime) -> Day | None:
    """Return the day that a run which started at this time belongs to; None for per = "job"."""
    return day_of(started, zone_named(section.time_zone)) if section.per == "day" else None


def day_of(now: datetime, zone: tzinfo | None) -> Day:
    """Return the day of an instant in a time zone; None is the time zone of this machine.

    A day has 23 or 25 hours when the clocks change. When midnight is skipped, the day begins with
    the instant at which the clocks change.
    """
    date = now.astimezone(zone).date()
    start, end = (
        datetime(each.year, each.month, each.day, tzinfo=zone).astimezone(UTC).astimezone(zone)
        for each in (date, date + timedelta(days=1))
    )
    return Day(start, end)


def zone_named(name: str | None) -> tzinfo | None:
    """Return a time zone by its name; None, this machine's, without one.

    Raises ConfigurationError for an unknown name.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, LookupError):
        known = available_timezones()
        if not known:
            raise ConfigurationError(
                f"budget.time_zone: this machine has no data about the time zone {name!r}",
                hint="install the package tzdata",
            ) from None
        raise ConfigurationError(
            f"budget.time_zone: {name!r} is no time zone",
            hint=nearest(name, sorted(known)) or 'use a name such as "Europe/Berlin" or "UTC"',
        ) from None
