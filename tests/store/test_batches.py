"""Message Batches in the checkpoint: their states, what waits in them, and what they hold."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from batch_model import LIVES, STATES, Batches, batch_record, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_model import CASES, Case, Model
from sample_records import NOW, fingerprint_of, intent, opened, outcome, run

from batcher.store.batches import (
    add_event,
    begin_batch,
    ended_durations,
    invalid_answers,
    next_batch,
    stored_batches,
    waiting_items,
)
from batcher.store.bill import Released, release_unknown, spent_money
from batcher.store.checkpoint import Checkpoint
from batcher.store.records import BatchEvent, BatchItem, Intent

EXAMPLES = settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples, which each example empties first."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as new:
        yield new


def submit(checkpoint: Checkpoint, batch: int, *intents: Intent, turns: int | None = None) -> None:
    """Record a batch with some attempts."""
    items = [BatchItem(one.attempt_id, batch, 100, turns) for one in intents]
    begin_batch(checkpoint, batch_record(batch, len(intents)), intents, items)


def test_a_batch_is_recorded_with_its_attempts(tmp_path: Path) -> None:
    """One transaction adds exactly the batch, its attempts and its items; they survive."""
    with opened(tmp_path) as checkpoint:
        before = checkpoint.records
        submit(checkpoint, 1, *(intent(n, n) for n in range(1, 4)), turns=2)
        assert checkpoint.records == before + 1 + 3 + 3
        add_event(checkpoint, event(1, "created", seconds=5))
    with opened(tmp_path) as checkpoint:
        (found,) = stored_batches(checkpoint)
        assert (found.record, found.id, found.state) == (
            batch_record(1, 3),
            "msgbatch_1",
            "created",
        )
        assert found.created_at == NOW + timedelta(seconds=5)
        assert (found.answered, found.pending, found.unknown) == (0, 3, 0)
        assert (found.worst_usd, found.usd) == (Decimal(3), Decimal(0))
        waiting = waiting_items(checkpoint, 1).to_pylist()
        assert waiting[0] == {
            "attempt_id": 1, "fingerprint": fingerprint_of(1), "run_id": "run", "model": "m",
            "worst_case_usd": Decimal(1), "max_tokens": 100, "turns": 2, "repairs": 0,
            "unknown_attempts": 0, "is_in_budget": True,
        }  # fmt: skip


@pytest.mark.parametrize("items", [[], [1], [2, 1], [1, 2, 3]])
def test_a_batch_has_one_item_for_each_attempt(items: list[int], tmp_path: Path) -> None:
    """Anything else is a mistake of the program, and nothing is recorded."""
    with opened(tmp_path) as checkpoint:
        records = [BatchItem(number, 1, 100, None) for number in items]
        with pytest.raises(ValueError, match="one attempt and one item"):
            begin_batch(checkpoint, batch_record(1, 2), [intent(1), intent(2)], records)
        assert checkpoint.records == 0


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    """Not even when damage has lost the record of a batch or of an attempt."""
    with opened(tmp_path) as checkpoint:
        assert (next_batch(checkpoint), checkpoint.next_attempt_id()) == (1, 1)
        submit(checkpoint, 1, intent(1), intent(2))
        checkpoint.execute("DELETE FROM batches")
        checkpoint.execute("DELETE FROM attempts")
        assert (next_batch(checkpoint), checkpoint.next_attempt_id()) == (2, 3)
        checkpoint.execute("DELETE FROM batch_items")
        add_event(checkpoint, event(1, "created"))
        assert next_batch(checkpoint) == 2


def test_every_life_of_a_batch_has_one_state(checkpoint: Checkpoint) -> None:
    """What is certain wins over what was concluded."""
    Batches(dict(enumerate(LIVES, 1))).load(checkpoint)
    assert [batch.state for batch in stored_batches(checkpoint)] == STATES


@EXAMPLES
@given(CASES)
def test_sums_of_batches(checkpoint: Checkpoint, case: Case) -> None:
    """Each batch counts its own attempts, and holds the worst cases of those that wait."""
    case.load(checkpoint)
    outcomes = {one.attempt_id: one for one in case.outcomes}
    pending = Model(case).pending()
    for batch in stored_batches(checkpoint):
        members = [
            a
            for a in case.attempts
            if case.batches.batch_of.get(a.attempt_id) == batch.record.batch
        ]
        ended = [outcomes[a.attempt_id] for a in members if a.attempt_id in outcomes]
        worst = [a.worst_case_usd for a in members if a.attempt_id in pending]
        assert (batch.answered, batch.pending) == (len(ended), len(worst))
        assert batch.usd == sum((o.cost_usd or Decimal(0) for o in ended), Decimal(0))
        assert batch.worst_usd == (None if None in worst else sum(worst, Decimal(0)))
        found = waiting_items(checkpoint, batch.record.batch).to_pylist()
        wanted = sorted(a.attempt_id for a in members if a.attempt_id not in outcomes)
        assert [row["attempt_id"] for row in found] == wanted


@EXAMPLES
@given(CASES, st.sampled_from([None, 0, 1, 2]))
def test_money_of_batches(checkpoint: Checkpoint, case: Case, days: int | None) -> None:
    """Money that waits is reserved: it is not unknown, and nobody can release it."""
    checkpoint.execute("DELETE FROM releases")
    checkpoint.execute("DELETE FROM runs")
    case.load(checkpoint)
    checkpoint.commit({"runs": [replace(run("a"), started_at=NOW - timedelta(days=1))]})
    since = None if days is None else NOW - timedelta(days=days)
    old = {a.attempt_id for a in case.attempts if days == 0 and a.run_id == "a"}
    pending = [a for a in case.attempts if a.attempt_id in Model(case).pending() - old]
    worst = [a.worst_case_usd for a in pending]
    spent = spent_money(checkpoint, since)
    assert spent.reserved == sum((usd for usd in worst if usd is not None), Decimal(0))
    assert (spent.pending, spent.reserved_unbounded) == (len(pending), worst.count(None))
    counted = [
        row["attempt_id"]
        for batch in stored_batches(checkpoint)
        if batch.pending
        for row in waiting_items(checkpoint, batch.record.batch, since).to_pylist()
        if row["is_in_budget"]
    ]
    assert sorted(counted) == [a.attempt_id for a in pending]
    release_unknown(checkpoint, NOW)
    after = spent_money(checkpoint, since)
    assert replace(after, unknown=spent.unknown, unbounded=spent.unbounded) == spent
    assert (after.unknown, after.unbounded) == (0, 0)


def test_a_batch_without_results_leaves_unknown_attempts(tmp_path: Path) -> None:
    """Once its results are lost its attempts are unknown like those of a killed run."""
    with opened(tmp_path) as checkpoint:
        submit(checkpoint, 1, intent(1, 1), intent(2, 2))
        checkpoint.commit({"outcomes": [outcome(1, 1)]})
        assert release_unknown(checkpoint, NOW) == Released(0, 0, Decimal(0))
        add_event(checkpoint, event(1, "lost"))
        (found,) = stored_batches(checkpoint)
        assert (found.state, found.answered, found.pending, found.unknown) == ("lost", 1, 0, 1)
        assert spent_money(checkpoint).unknown == Decimal(1)
        assert release_unknown(checkpoint, NOW) == Released(1, 0, Decimal(1))
        assert [row["attempt_id"] for row in waiting_items(checkpoint, 1).to_pylist()] == [2]


def test_a_repair_quotes_the_answers_since_the_last_final_one(tmp_path: Path) -> None:
    """They come oldest first, long ones too; a retry of a final row starts again."""
    bodies = {1: b"before", 2: b"final", 3: b"first", 4: b"x" * 5000}
    with opened(tmp_path) as checkpoint:
        outcomes = [
            outcome(n, 1, status="invalid", is_final=n == 2, body=body)
            for n, body in bodies.items()
        ]
        others = [outcome(5, 2, status="invalid", is_final=False, body=b"other"), outcome(6, 3)]
        attempts = [intent(n, 1) for n in bodies] + [intent(5, 2), intent(6, 3)]
        checkpoint.commit({"attempts": attempts, "outcomes": [*outcomes[::-1], *others]})
        submit(checkpoint, 1, intent(7, 1), intent(8, 3))
        names = [fingerprint_of(n) for n in (1, 3, 4)]
        assert invalid_answers(checkpoint, names) == {names[0]: [b"first", b"x" * 5000]}
        assert invalid_answers(checkpoint, []) == {}
        assert waiting_items(checkpoint, 1).column("repairs").to_pylist() == [2, 0]


def test_unknown_attempts_of_a_waiting_request(tmp_path: Path) -> None:
    """Killed and unclear attempts count, billed ones and those that wait do not."""
    with opened(tmp_path) as checkpoint:
        unclear = {"is_final": False, "status": "errored", "cost_usd": None}
        outcomes = [
            outcome(2, billing="unknown", **unclear),
            outcome(3, billing="billed", **unclear),
        ]
        checkpoint.commit({"attempts": [intent(n) for n in (1, 2, 3)], "outcomes": outcomes})
        submit(checkpoint, 1, intent(4))
        assert waiting_items(checkpoint, 1).column("unknown_attempts").to_pylist() == [2]


def test_durations_are_of_batches_that_ended_by_themselves(checkpoint: Checkpoint) -> None:
    """A cancelled batch, one that is lost, and one whose times cannot be, teach nothing."""
    Batches(dict.fromkeys(range(1, 6), ())).load(checkpoint)
    lives = {
        1: {"created": 0, "ended": 90.5, "fetched": 100},
        2: {"created": 0, "cancel": 10, "ended": 20},
        3: {"created": 0, "lost": 10},
        4: {"created": 10, "ended": 5},
        5: {"created": 1, "ended": 3601},
    }
    for number, life in lives.items():
        for name, seconds in life.items():
            add_event(checkpoint, event(number, name, seconds))
    found = ended_durations(checkpoint)
    assert found == [(0, 90.5), (0, 3600.0)]


def test_the_id_may_come_with_any_event(tmp_path: Path) -> None:
    """Damage may have lost the event that it was created."""
    with opened(tmp_path) as checkpoint:
        submit(checkpoint, 1, intent(1))
        add_event(checkpoint, BatchEvent(1, "ended", "msgbatch_1", NOW))
        (found,) = stored_batches(checkpoint)
        assert (found.id, found.state, found.created_at) == ("msgbatch_1", "ended", None)
        assert found.ended_at is not None
        assert found.ended_at.astimezone(UTC) == NOW
