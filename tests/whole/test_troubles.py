"""Nights of troubles: more than thirty kinds of faults come and go, and every row ends right."""

from collections import Counter
from contextlib import closing

import pytest
from fault_runs import Accounting
from troubles import night
from whole_runs import Job, Server, batcher

LONG = (pytest.mark.slow, pytest.mark.timeout(900))
NIGHT = (pytest.mark.crash, pytest.mark.timeout(3600))  # three to five minutes on two cores
MAX_STARTS = 12
"""A person starts the command again after each stop; more starts than these are not needed."""


@pytest.mark.parametrize(
    ("rows", "seed"),
    [
        (200, 1),
        *(pytest.param(2_000, seed, marks=LONG) for seed in (2, 3)),
        *(pytest.param(20_000, seed, marks=NIGHT) for seed in range(50)),
    ],
)
def test_every_row_ends_right(job: Job, rows: int, seed: int) -> None:
    """Each end says why, no run stops for one row, and the bill equals the ledger.

    Rows that had too many unknown attempts are on hold, and one retry finishes them. In the end
    only the rows fail that the server always refuses.
    """
    is_streamed = seed % 2 == 0
    troubles = night(seed, rows, is_streamed=is_streamed)
    faults = [word for fault in troubles.faults for word in ("--fault", fault)]
    with closing(Server("--keep-requests", "--seed", str(seed), *faults)) as job.server:
        _write(job, rows, is_streamed=is_streamed)
        codes = _run_until_the_end(job)
        on_hold = _failed(job) - troubles.lost
        if on_hold:
            assert _unknown_attempts(job) >= 3 * len(on_hold)
            batcher("retry", job.path, "--yes", key="test-key")
        _check_bill(Accounting(job))
    assert codes[-1] == 3
    assert _failed(job) == troubles.lost, codes
    assert job.table().num_rows == rows


def _write(job: Job, rows: int, *, is_streamed: bool) -> None:
    job.write(
        [{"text": f"row {number:06} ends"} for number in range(rows)],
        limits="concurrency = 32\ntimeout_s = 2",
        api=f"idle_timeout_s = 1\nstream = {str(is_streamed).lower()}",
        more="[retry]\nmax_wait_s = 0.05\npatience_s = 30\n",
    )


def _run_until_the_end(job: Job) -> list[int]:
    """Start the same command again after each stop, and return all exit codes."""
    codes: list[int] = []
    while not codes or codes[-1] not in (0, 3):
        assert len(codes) < MAX_STARTS, codes
        result = batcher("run", job.path, "--yes", key="test-key")
        codes.append(result.code)
        assert result.code in (0, 3, 4, 5), result.err
        assert "Traceback" not in result.err
        reasons = ("stop   ", "ended with rows left")
        assert result.code in (0, 3) or any(reason in result.err for reason in reasons)
        assert "next   " in result.err
    return codes


def _check_bill(accounting: Accounting) -> None:
    """Compare the bill with the ledger; only a reset after a response may lose a request."""
    faults = Counter(entry["outcome"] for entry in accounting.entries)
    unreceived = len(accounting.attempts) - len(accounting.entries)
    assert unreceived <= faults["reset_after"]
    unpriced = sum(count for kind, count in faults.items() if kind.startswith("usage_"))
    accounting.check(unreceived=unreceived, unpriced=unpriced)


def _failed(job: Job) -> set[int]:
    """Return the numbers of the rows that have not succeeded."""
    statuses = job.table()["_status"].to_pylist()
    return {row for row, status in enumerate(statuses) if status != "succeeded"}


def _unknown_attempts(job: Job) -> int:
    """Return the number of attempts whose billing status is unknown."""
    return sum(one["billing"] == "unknown" for one in Accounting(job).attempts)
