"""The ids of runs sort by time; resuming and drift rely on that."""

from datetime import UTC, datetime, timedelta

from batcher.runner.workspace import new_run_id


def test_run_ids_sort_by_time() -> None:
    """Ids made a millisecond apart differ and sort by time."""
    start = datetime(2026, 11, 26, 23, 59, 59, 998_000, tzinfo=UTC)
    run_ids = [new_run_id(start + timedelta(milliseconds=n)) for n in range(6)]
    assert run_ids == sorted(run_ids)
    assert len(set(run_ids)) == 6
