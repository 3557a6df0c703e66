"""Runs are called so that their names sort by time, which resuming and drift go by."""

from datetime import UTC, datetime, timedelta

from batcher.runner.workspace import new_run_id


def test_names_sort_by_time() -> None:
    """Also a millisecond later, in the same second as the run before."""
    start = datetime(2026, 11, 26, 23, 59, 59, 998_000, tzinfo=UTC)
    names = [new_run_id(start + timedelta(milliseconds=n)) for n in range(6)]
    assert names == sorted(names)
    assert len(set(names)) == 6
