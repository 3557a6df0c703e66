"""The sums for a budget: exact, nothing counted twice, and unknown costs never counted as zero."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sample_records import NOW, intent, opened, outcome, run

from batcher.store.bill import Released, SpentMoney, release_unknown, spent_money
from batcher.store.checkpoint import Checkpoint

WORST = Decimal("0.300000000000000001")
COST = Decimal("0.000000000000000007")

# Endings of an attempt that costs at most WORST: its outcome, the money spent, the money reserved.
ENDINGS: dict[str, tuple[dict[str, Any] | None, Decimal, Decimal]] = {
    "no outcome": (None, Decimal(0), WORST),
    "unknown": ({"billing": "unknown", "cost_usd": None}, Decimal(0), WORST),
    "failed for free": ({"billing": "free", "cost_usd": Decimal(0)}, Decimal(0), Decimal(0)),
    "billed": ({"billing": "billed", "cost_usd": COST}, COST, Decimal(0)),
    "billed, not priced": ({"billing": "billed", "cost_usd": None}, Decimal(0), WORST),
}


def load(checkpoint: Checkpoint, *endings: str, **changes: Any) -> None:
    """Record an attempt with each of these endings."""
    first = checkpoint.next_attempt_id()
    for number, ending in enumerate(endings, first):
        attempt = {"attempts": [intent(number, number, **{"worst_case_usd": WORST} | changes)]}
        changed = ENDINGS[ending][0]
        checkpoint.commit(attempt)
        if changed is not None:
            checkpoint.commit({"outcomes": [outcome(number, number, **changed)]})


@pytest.mark.parametrize("ending", ENDINGS)
def test_each_attempt_is_spent_or_reserved_or_free(ending: str, tmp_path: Path) -> None:
    """The sums are exact; attempts without a bound are counted, not taken as zero USD."""
    _, spent, reserved = ENDINGS[ending]
    with opened(tmp_path) as checkpoint:
        assert spent_money(checkpoint) == SpentMoney(Decimal(0), Decimal(0), 0)
        load(checkpoint, ending)
        assert spent_money(checkpoint) == SpentMoney(spent, reserved, 0)
        load(checkpoint, ending, worst_case_usd=None)
        assert spent_money(checkpoint) == SpentMoney(spent * 2, reserved, int(reserved > 0))


def test_only_runs_that_started_since_count(tmp_path: Path) -> None:
    """The start of the run decides, not the time of sending; the exact time itself is included."""
    with opened(tmp_path) as checkpoint:
        for days in range(3):
            started = NOW - timedelta(days=days)
            checkpoint.commit({"runs": [replace(run(f"run {days}"), started_at=started)]})
            for hours in (0, 30):
                sent_at = started + timedelta(hours=hours)
                load(checkpoint, *ENDINGS, run_id=f"run {days}", sent_at=sent_at)
        for days in range(3):
            since = NOW - timedelta(days=days)
            counted = 2 * (days + 1)
            assert spent_money(checkpoint, since) == SpentMoney(
                COST * counted, WORST * 3 * counted, 0
            )
            later = since + timedelta(microseconds=1)
            assert spent_money(checkpoint, later).spent == COST * (counted - 2)


def test_without_its_run_an_attempt_counts_by_its_time(tmp_path: Path) -> None:
    """The start of a run may be lost through damage; the exact time itself is included."""
    with opened(tmp_path) as checkpoint:
        load(checkpoint, *ENDINGS)
        load(checkpoint, *ENDINGS, sent_at=NOW - timedelta(hours=24))
        load(checkpoint, *ENDINGS, sent_at=NOW - timedelta(hours=24, microseconds=1))
        sums = [spent_money(checkpoint, since) for since in (None, NOW - timedelta(hours=24), NOW)]
        assert sums == [SpentMoney(COST * n, WORST * 3 * n, 0) for n in (3, 2, 1)]
        assert spent_money(checkpoint, NOW + timedelta(microseconds=1)) == SpentMoney(
            Decimal(0), Decimal(0), 0
        )


def test_released_money_is_no_longer_reserved(tmp_path: Path) -> None:
    """Billed attempts with a price stay; each attempt is released once."""
    with opened(tmp_path) as checkpoint:
        load(checkpoint, *ENDINGS)
        assert release_unknown(checkpoint, NOW) == Released(2, 1, WORST * 3)
        assert spent_money(checkpoint) == SpentMoney(COST, Decimal(0), 0)
        assert release_unknown(checkpoint, NOW) == Released(0, 0, Decimal(0))
        load(checkpoint, "unknown")
        assert spent_money(checkpoint) == SpentMoney(COST, WORST, 0)
        assert release_unknown(checkpoint, NOW) == Released(1, 0, WORST)
