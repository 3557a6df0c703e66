"""A run stops when limits.max_failed cannot be met any more, and not because of a few failures."""

from decimal import Decimal

import pytest

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict
from batcher.core.pace.failure_ceiling import FailureCeiling

GOOD = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)
INVALID = Outcome(Status.INVALID, Verdict.FINAL, Billing.BILLED)
FAILED = Outcome(Status.ERRORED, Verdict.FINAL, Billing.FREE)
LEFT = Outcome(Status.ERRORED, Verdict.RETRY, Billing.FREE)


def stops_at(share: str, each: int, *, rows: int = 1000, bad: int = 0) -> int | None:
    """Return after how many rows a run stops of which every ``each``-th fails."""
    ceiling = FailureCeiling(Decimal(share), rows, bad, rows - bad)
    for number in range(1, rows - bad + 1):
        if ceiling.check(GOOD if number % each else FAILED) is not None:
            return number
    return None


@pytest.mark.parametrize(("share", "each"), [("0.1", 11), ("0.02", 60), ("1", 1), ("0", 1)])
def test_a_share_that_is_met_stops_nothing(share: str, each: int) -> None:
    """0 is no ceiling, and 1 is never exceeded."""
    assert stops_at(share, each) is None


@pytest.mark.parametrize(
    ("share", "each", "most"), [("0.1", 2, 60), ("0.02", 4, 80), ("0.3", 1, 60)]
)
def test_it_stops_long_before_the_end(share: str, each: int, most: int) -> None:
    """But not before twenty rows have failed."""
    assert 20 * each <= (stops_at(share, each) or 0) <= most


@pytest.mark.parametrize(
    ("rows", "share", "each"), [(40, "0.1", 1), (100, "0.05", 2), (10, "0.2", 3)]
)
def test_it_stops_when_the_share_cannot_be_met(rows: int, share: str, each: int) -> None:
    """At the first failure too many, in a small input, too."""
    may_fail = int(Decimal(share) * rows)
    assert stops_at(share, each, rows=rows) == (may_fail + 1) * each


def test_bad_rows_count() -> None:
    """Half of what may fail has no request."""
    assert stops_at("0.1", 1, rows=100, bad=5) == 6


def test_what_is_not_counted() -> None:
    """Rows that are left for another run, and invalid answers that the job keeps."""
    ceiling = FailureCeiling(Decimal("0.1"), 100, 0, 100, accepts_invalid=True)
    assert all(ceiling.check(outcome) is None for outcome in [LEFT, INVALID] * 200)
    assert FailureCeiling(Decimal("0.1"), 5, 0, 5).check(INVALID) is not None
