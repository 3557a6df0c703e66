"""The view attempt_states: one state for each attempt, on every kind of connection."""

from pathlib import Path

from sample_records import NOW, intent, opened, outcome

from batcher.store.bill import release_unknown
from batcher.store.checkpoint import Checkpoint

BILLINGS = {1: "billed", 2: "free", 3: "unknown", 4: None, 5: "unknown", 6: None}
"""What the outcome of each attempt says; attempts with None have no outcome."""


def states(checkpoint: Checkpoint) -> list[str]:
    """The state of each attempt, by attempt id."""
    rows = checkpoint.rows("SELECT state FROM attempt_states ORDER BY attempt_id")
    return [state for (state,) in rows]


def record(checkpoint: Checkpoint, *attempt_ids: int) -> None:
    """Record attempts, with their outcomes."""
    outcomes = [outcome(n, n, billing=BILLINGS[n]) for n in attempt_ids if BILLINGS[n]]
    checkpoint.commit({"attempts": [intent(n, n) for n in attempt_ids], "outcomes": outcomes})


def test_every_attempt_has_one_state(tmp_path: Path) -> None:
    """A release counts for the attempts before it that were open or unknown, and for no others."""
    with opened(tmp_path) as checkpoint:
        record(checkpoint, 1, 2, 3, 4)
        assert states(checkpoint) == ["billed", "free", "unknown", "open"]
        release_unknown(checkpoint, NOW)
        record(checkpoint, 5, 6)
        after = ["billed", "free", "released", "released", "unknown", "open"]
        assert states(checkpoint) == after
    with opened(tmp_path, is_read_only=True) as checkpoint:
        assert states(checkpoint) == after
