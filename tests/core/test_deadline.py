"""Deadlines: a time of day is the next one in its time zone, also when the clocks change."""

from datetime import UTC, datetime, time, timedelta
from time import tzset
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.deadline import deadline_of
from batcher.errors import ConfigurationError

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    UTC,
    BERLIN,
    *map(ZoneInfo, ("America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia")),
]

START = datetime(2026, 1, 1, tzinfo=UTC)
STARTS = st.timedeltas(timedelta(0), timedelta(days=1500)).map(lambda later: START + later)


def at(text: str, zone: ZoneInfo = BERLIN, fold: int = 0) -> datetime:
    """Return an instant by the clocks of a place."""
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold).astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "started", "deadline"),
    [
        ("07:00", at("2026-11-30T23:10"), at("2026-12-01T07:00")),
        ("7:00", at("2026-11-30T06:59:59"), at("2026-11-30T07:00")),
        ("07:00", at("2026-11-30T07:00"), at("2026-12-01T07:00")),
        ("00:00", at("2026-12-31T23:59"), at("2027-01-01T00:00")),
        ("5h", at("2026-11-30T23:10"), at("2026-12-01T04:10")),
        ("1h30m", at("2026-11-30T23:10"), at("2026-12-01T00:40")),
        # In the night to 29 March 2026 the clocks go from 02:00 to 03:00: it is an hour shorter.
        ("07:00", at("2026-03-28T23:00"), at("2026-03-28T23:00") + timedelta(hours=7)),
        ("5h", at("2026-03-28T23:00"), at("2026-03-28T23:00") + timedelta(hours=5)),
        ("02:30", at("2026-03-28T23:00"), at("2026-03-29T03:30")),
        ("02:30", at("2026-03-29T03:10"), at("2026-03-29T03:30")),
        ("02:30", at("2026-03-29T03:30"), at("2026-03-30T02:30")),
        # In the night to 25 October 2026 the hour from 02:00 to 03:00 comes twice.
        ("07:00", at("2026-10-24T23:00"), at("2026-10-24T23:00") + timedelta(hours=9)),
        ("02:30", at("2026-10-24T23:00"), at("2026-10-25T02:30", fold=0)),
        ("02:30", at("2026-10-25T02:40", fold=0), at("2026-10-25T02:30", fold=1)),
        ("02:30", at("2026-10-25T02:40", fold=1), at("2026-10-26T02:30")),
    ],
)
def test_deadlines_in_berlin(text: str, started: datetime, deadline: datetime) -> None:
    """A time, a duration, midnight, and the nights in which the clocks change."""
    assert deadline_of(text, started, BERLIN) == deadline


@given(
    STARTS,
    st.times(),
    st.sampled_from(ZONES),
)
def test_a_time_of_day_is_the_first_instant_after_the_start_that_clocks_show_it(
    started: datetime, clock: time, zone: ZoneInfo
) -> None:
    """In every zone: after the start, not later than a day and a change, and none is earlier."""
    clock = clock.replace(second=0, microsecond=0)
    deadline = deadline_of(f"{clock:%H:%M}", started, zone)
    assert started < deadline <= started + timedelta(hours=26)
    shown = deadline.astimezone(zone)
    if shown.time() != clock:  # the clocks skip this time
        skipped = datetime.combine(shown.date(), clock, zone)
        assert skipped.astimezone(UTC).astimezone(zone).time() == shown.time() != clock
    minute = started.replace(second=0, microsecond=0) + timedelta(minutes=1)
    while minute < deadline:
        assert minute.astimezone(zone).time() != clock
        minute += timedelta(minutes=1)


@given(
    STARTS,
    st.integers(1, 999_999),
    st.sampled_from([*ZONES, None]),
)
def test_a_duration_counts_from_the_start_in_every_zone(
    started: datetime, seconds: int, zone: ZoneInfo | None
) -> None:
    """A change of the clocks makes it neither shorter nor longer."""
    deadline = deadline_of(f"{seconds}s", started, zone)
    assert deadline - started.astimezone(UTC) == timedelta(seconds=seconds)


def test_without_a_zone_the_clocks_of_this_machine_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a budget per day."""
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    tzset()
    try:
        assert deadline_of("07:00", at("2026-11-30T12:00"), None) == at(
            "2026-12-01T07:00", ZoneInfo("Asia/Kolkata")
        )
    finally:
        monkeypatch.undo()
        tzset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "24:00",
        "7",
        "7am",
        "07:60",
        "07:00:00",
        "-5h",
        "0h",
        "tomorrow",
        "5 h",
        "\u0660\u0667:00",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    """With what to write instead."""
    with pytest.raises(ConfigurationError) as caught:
        deadline_of(text, datetime(2026, 11, 30, tzinfo=UTC), UTC)
    assert (
        caught.value.hint == "write a time of day like 07:00, or a duration like 5h, 90m or 1h30m"
    )
