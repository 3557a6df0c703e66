"""The calendar day of a budget: its limits in every time zone, also when the clocks change."""

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.job.money_sections import BudgetSection
from batcher.errors import ConfigurationError
from batcher.runner.days import budget_day, day_of, zone_named

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"]
# In these two, midnight is skipped or comes twice when the clocks change.
ODD_ZONES = ["America/Sao_Paulo", "America/Havana"]
TIMES = st.integers(1_420_000_000, 2_050_000_000).map(lambda s: datetime.fromtimestamp(s, UTC))


@given(now=TIMES, name=st.sampled_from(ZONES + ODD_ZONES))
def test_each_instant_is_in_its_day(now: datetime, name: str) -> None:
    """A day contains the instant, follows the day before without a gap, and has its date."""
    zone = ZoneInfo(name)
    day = day_of(now, zone)
    assert day.start <= now < day.end
    assert day_of(day.start, zone) == day
    assert day_of(day.start - timedelta(microseconds=1), zone).end == day.start
    assert day.start.date() == now.astimezone(zone).date()


@given(first=TIMES, name=st.sampled_from(ZONES), days=st.integers(1, 400))
def test_a_job_at_the_same_local_time_has_a_day_of_its_own(
    first: datetime, name: str, days: int
) -> None:
    """Whatever the hour, and also when the clocks change in between."""
    zone = ZoneInfo(name)
    local = first.astimezone(zone)
    later = (local + timedelta(days=days)).astimezone(UTC)  # the same time on the clock
    assert day_of(later, zone).start >= day_of(first, zone).end


@pytest.mark.parametrize(
    ("date", "hours"), [((2026, 3, 29), 23), ((2026, 10, 25), 25), ((2026, 6, 1), 24)]
)
def test_a_day_is_shorter_or_longer_when_the_clocks_change(
    date: tuple[int, int, int], hours: int
) -> None:
    """The day ends at midnight, not after 24 hours."""
    day = day_of(datetime(*date, 12, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
    assert day.end.astimezone(UTC) - day.start.astimezone(UTC) == timedelta(hours=hours)


def test_without_a_name_the_zone_of_the_machine_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The days are those of the machine's zone, with its changes of the clock."""
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        for month in (1, 3, 7, 10):
            now = datetime(2026, month, 27, 23, 30, tzinfo=UTC)
            assert day_of(now, zone_named(None)) == day_of(now, ZoneInfo("Europe/Berlin"))
    finally:
        monkeypatch.undo()
        time.tzset()


def test_only_a_budget_per_day_has_a_day() -> None:
    """A budget for the whole job has none."""
    now = datetime(2026, 12, 1, 1, 15, tzinfo=UTC)
    assert budget_day(BudgetSection(), now) is None
    daily = budget_day(BudgetSection(per="day", time_zone="Asia/Tokyo"), now)
    assert daily == day_of(now, ZoneInfo("Asia/Tokyo"))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("Europe/Berln", "`Europe/Berlin`"),
        ("europe/berlin", "`Europe/Berlin`"),
        ("/etc/passwd", '"Europe/Berlin" or "UTC"'),
        ("Mars/Olympus\0", '"UTC"'),
        ("../UTC", ""),
    ],
)
def test_an_unknown_zone_is_an_error(name: str, hint: str) -> None:
    """The error names the key and suggests a similar name."""
    with pytest.raises(ConfigurationError, match=r"budget\.time_zone") as caught:
        zone_named(name)
    assert hint in str(caught.value.hint)
