"""A failure that was recorded as open becomes final when it is settled, and only then."""

from pathlib import Path

import pytest
from sample_records import intent, opened, outcome

from batcher.store.records import Settled


@pytest.mark.parametrize(
    ("settled", "finals"),
    [((), [1]), ((2,), [1, 2]), ((2, 3), [1, 2])],
    ids=["none", "one", "lost"],
)
def test_settled_failures_are_final(
    settled: tuple[int, ...], finals: list[int], tmp_path: Path
) -> None:
    """A repair may have lost the answer of a settled one; its row is sent again."""
    with opened(tmp_path) as checkpoint:
        outcomes = [
            outcome(1, 1, is_final=True),
            outcome(2, 2, is_final=False, status="errored", error_type="x"),
            outcome(3, 3, is_final=False, status="errored", error_type="client.answer_lost"),
        ]
        records = [Settled(attempt_id, "run") for attempt_id in settled]
        checkpoint.commit(
            {
                "attempts": [intent(n, n) for n in (1, 2, 3)],
                "outcomes": outcomes,
                "settled": records,
            }
        )
        query = "SELECT attempt_id FROM verdicts WHERE is_final ORDER BY 1"
        assert [number for (number,) in checkpoint.rows(query)] == finals
        states = "SELECT attempt_id FROM attempt_states WHERE is_final ORDER BY 1"
        assert [number for (number,) in checkpoint.rows(states)] == finals
