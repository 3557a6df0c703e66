"""What a budget counts of a checkpoint: exact, nothing twice, and the unknown never as zero."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from records_made import NOW, intent, opened, outcome

from batcher.store.budget import SpentMoney, release_unknown, spent_money
from batcher.store.checkpoint import Checkpoint

WORST = Decimal("0.300000000000000001")
COST = Decimal("0.000000000000000007")

# What became of an attempt that costs WORST at most: its outcome, what is spent and what is held.
FATES: dict[str, tuple[dict[str, Any] | None, Decimal, Decimal]] = {
    "never came back": (None, Decimal(0), WORST),
    "unknown": ({"billing": "unknown", "cost_usd": None}, Decimal(0), WORST),
    "failed for free": ({"billing": "free", "cost_usd": Decimal(0)}, Decimal(0), Decimal(0)),
    "billed": ({"billing": "billed", "cost_usd": COST}, COST, Decimal(0)),
    "billed, not priced": ({"billing": "billed", "cost_usd": None}, Decimal(0), WORST),
}


def load(checkpoint: Checkpoint, *fates: str, **changes: Any) -> None:
    """Record an attempt with each of these fates."""
    first = checkpoint.next_attempt_id()
    for number, fate in enumerate(fates, first):
        attempt = {"attempts": [intent(number, number, **{"worst_case_usd": WORST} | changes)]}
        said = FATES[fate][0]
        checkpoint.commit(attempt)
        if said is not None:
            checkpoint.commit({"outcomes": [outcome(number, number, **said)]})


@pytest.mark.parametrize("fate", FATES)
def test_each_attempt_is_spent_or_held_or_free(fate: str, tmp_path: Path) -> None:
    """To the last digit; what nothing bounds is spent_money, and not as zero dollars."""
    _, spent, held = FATES[fate]
    with opened(tmp_path) as checkpoint:
        assert spent_money(checkpoint) == SpentMoney(Decimal(0), Decimal(0), 0)
        load(checkpoint, fate)
        assert spent_money(checkpoint) == SpentMoney(spent, held, 0)
        load(checkpoint, fate, worst_case_usd=None)
        assert spent_money(checkpoint) == SpentMoney(spent * 2, held, int(held > 0))


def test_only_what_was_sent_since_counts(tmp_path: Path) -> None:
    """By the time of sending, the very instant included."""
    with opened(tmp_path) as checkpoint:
        load(checkpoint, *FATES)
        load(checkpoint, *FATES, sent_at=NOW - timedelta(hours=24))
        load(checkpoint, *FATES, sent_at=NOW - timedelta(hours=24, microseconds=1))
        sums = [spent_money(checkpoint, since) for since in (None, NOW - timedelta(hours=24), NOW)]
        assert sums == [SpentMoney(COST * n, WORST * 3 * n, 0) for n in (3, 2, 1)]
        assert spent_money(checkpoint, NOW + timedelta(microseconds=1)) == SpentMoney(
            Decimal(0), Decimal(0), 0
        )


def test_what_was_released_is_held_no_more(tmp_path: Path) -> None:
    """What was billed stays, priced or not; the same attempts are released once."""
    with opened(tmp_path) as checkpoint:
        load(checkpoint, *FATES)
        assert release_unknown(checkpoint, NOW) == (2, WORST * 2)
        assert spent_money(checkpoint) == SpentMoney(COST, WORST, 0)
        assert release_unknown(checkpoint, NOW) == (0, Decimal(0))
        load(checkpoint, "unknown")
        assert spent_money(checkpoint) == SpentMoney(COST, WORST * 2, 0)
        assert release_unknown(checkpoint, NOW) == (1, WORST)
