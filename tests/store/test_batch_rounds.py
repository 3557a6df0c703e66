"""Plans, retries and records around batches: what waits is not sent, and the next round goes on."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from batch_model import LIVES, STATES, Batches, batches, event
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_model import CASES, COMPARISON, FILES, Case
from sample_records import NOW, fingerprint_of, intent, opened, outcome, plan_row, run

from batcher.store.batches import add_event, next_batch, stored_batches, waiting_items
from batcher.store.bill import spent_money
from batcher.store.checkpoint import FILE_NAME, Checkpoint
from batcher.store.plans import (
    add_to_plan,
    begin_plan,
    finish_plan,
    items_to_send,
    mark_duplicate_ids,
    record_rows_seen,
    refresh_plan,
)
from batcher.store.repair.examination import examine
from batcher.store.results import begin_results, failures, read_results, sum_up
from batcher.store.retries import find_retries, keep_variant, open_retries, record_replacements

TRUNCATED: dict[str, Any] = {"status": "truncated", "error_type": "max_tokens"}
EXPIRED: dict[str, Any] = {
    "status": "expired", "is_final": False, "billing": "free", "cost_usd": Decimal(0),
    "http_status": None, "latency_s": None,
}  # fmt: skip


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples, which each example empties first."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as new:
        yield new


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(CASES, st.booleans(), st.data())
def test_a_plan_is_refreshed_without_the_input(
    checkpoint: Checkpoint, case: Case, keeps_answers: bool, data: st.DataObject
) -> None:
    """After outcomes and events it is the plan that a new pass over the input would make."""
    comparison = replace(COMPARISON, keeps_answers=keeps_answers)
    ended = {one.attempt_id for one in case.outcomes}
    early = data.draw(st.sets(st.sampled_from(sorted(ended)))) if ended else set()
    early_case = replace(case, outcomes=[o for o in case.outcomes if o.attempt_id in early])
    early_case.load(checkpoint)
    mark_duplicate_ids(checkpoint, FILES)
    finish_plan(checkpoint, comparison)
    checkpoint.commit({"outcomes": [o for o in case.outcomes if o.attempt_id not in early]})
    data.draw(batches(sorted(case.batches.batch_of))).load(checkpoint)
    refreshed = refresh_plan(checkpoint, comparison)
    sent = items_to_send(checkpoint, comparison.allowance).sort_by("item")
    begin_plan(checkpoint)
    add_to_plan(checkpoint, case.plan)
    mark_duplicate_ids(checkpoint, FILES)
    assert finish_plan(checkpoint, comparison) == refreshed
    assert items_to_send(checkpoint, comparison.allowance).sort_by("item").equals(sent)


@pytest.mark.parametrize("is_answered", [False, True])
def test_a_changed_prompt_knows_what_waits(checkpoint: Checkpoint, is_answered: bool) -> None:
    """A kept row waits for its batch; without an answer it is sent as the job makes it now."""
    checkpoint.execute("DELETE FROM rows_seen")
    row = {"id": "x", "content": fingerprint_of(7)}
    Case([plan_row(0, 1, **row)], [intent(1, 1)], [], Batches({1: ("created",)}, {1: 1})).load(
        checkpoint
    )
    assert finish_plan(checkpoint, COMPARISON).pending == 1
    record_rows_seen(checkpoint, COMPARISON)
    begin_plan(checkpoint)
    add_to_plan(checkpoint, [plan_row(0, 2, worst_case_usd=Decimal(5), **row)])
    counts = finish_plan(checkpoint, COMPARISON)
    assert (counts.redone, counts.pending, counts.to_send) == (1, 0, 1), "it would be paid again"
    keeping = replace(COMPARISON, keeps_answers=True)
    counts = finish_plan(checkpoint, keeping)
    assert (counts.redone, counts.pending, counts.to_send) == (0, 1, 0)
    checkpoint.commit({"outcomes": [outcome(1, 1, **({} if is_answered else EXPIRED))]})
    counts = refresh_plan(checkpoint, keeping)
    sent = (counts.already_answered, counts.pending, counts.to_send, counts.worst_case_usd)
    assert sent == ((1, 0, 0, 0) if is_answered else (0, 0, 1, Decimal(10)))
    fingerprint = fingerprint_of(1 if is_answered else 2).hex()
    query = "SELECT replace(fingerprint::VARCHAR, '-', '') FROM plan"
    assert checkpoint.rows(query) == [(fingerprint,)]


def test_a_retry_does_not_send_what_waits(checkpoint: Checkpoint) -> None:
    """Neither the row that waits, nor another row with the same new request."""
    checkpoint.execute("DELETE FROM replacements")
    failed = [outcome(1, 1, **TRUNCATED), outcome(2, 2, **TRUNCATED), outcome(3, 3, **TRUNCATED)]
    rows = [plan_row(n, n + 1) for n in range(3)]
    Case(rows, [intent(n, n) for n in (1, 2, 3)], failed).load(checkpoint)

    def plan_retry(*variants: int) -> Any:
        begin_plan(checkpoint)
        add_to_plan(checkpoint, [plan_row(item, new) for item, new in enumerate(variants)])
        keep_variant(checkpoint)
        begin_plan(checkpoint)
        add_to_plan(checkpoint, rows)
        finish_plan(checkpoint, COMPARISON)
        return find_retries(checkpoint, ())

    assert plan_retry(9, 8, 7).to_send == 3
    checkpoint.execute("DELETE FROM retries WHERE item > 0")
    record_replacements(checkpoint, "retry")
    checkpoint.commit({"attempts": [intent(4, 9, run_id="retry")]})
    Batches({1: ("created",)}, {4: 1}).load(checkpoint)
    found = plan_retry(9, 9, 7)
    assert (found.pending, found.by_type) == (1, {"max_tokens": (2, 1)})
    assert list(found.items) == [2]
    assert open_retries(checkpoint, "retry") == [2]
    add_event(checkpoint, event(1, "ended"))
    checkpoint.commit({"outcomes": [outcome(4, 9, **EXPIRED)]})
    found = plan_retry(9, 8, 7)
    assert (found.pending, sorted(found.items)) == (0, [0, 1, 2])


def test_another_run_may_receive_the_results(tmp_path: Path) -> None:
    """The money belongs to the run that submitted; the record says who received the answer."""
    with opened(tmp_path) as checkpoint:
        later = NOW + timedelta(days=20)
        case = Case(
            [plan_row(0, 1), plan_row(1, 2), plan_row(2, 3)],
            [intent(1, 1, run_id="a"), intent(2, 2, run_id="a"), intent(3, 3, run_id="b")],
            [outcome(1, 1), outcome(2, 2, ended_at=later), outcome(3, 3, ended_at=later)],
            Batches({1: ("created", "ended", "fetched")}, {1: 1, 2: 1}),
        )
        checkpoint.commit({"runs": [run("a"), replace(run("b"), started_at=later)]})
        case.load(checkpoint)
        begin_results(checkpoint)
        rows = read_results(checkpoint, 0, 2).to_pylist()
        assert [row["run_id"] for row in rows] == ["a", "a", "b"]
        assert [row["received_by"] for row in rows] == ["a", "b", "b"]
        assert [row["delivery"] for row in rows] == ["batch", "batch", "live"]
        cost = Decimal("0.001")
        for run_id, attempts, collected in (("a", 2, 0), ("b", 1, 1)):
            sums = sum_up(checkpoint, run_id, 2)
            assert (sums.run["attempts"], sums.run["cost_usd"]) == (attempts, cost * attempts)
            usd = cost * collected
            assert sums.collected == {"attempts": collected, "billed": collected, "usd": usd}


def test_rows_that_wait_are_no_failures(checkpoint: Checkpoint) -> None:
    """An earlier error does not count while the request waits; failures name the group last."""
    error = outcome(1, 1, **EXPIRED | {"status": "errored", "error_type": "overloaded_error"})
    Case(
        [plan_row(0, 1), plan_row(1, 2), plan_row(2, 3)],
        [intent(1, 1), intent(2, 1), intent(3, 3)],
        [error, outcome(3, 3, **TRUNCATED)],
        Batches({1: ("created",)}, {2: 1}),
    ).load(checkpoint)
    begin_results(checkpoint)
    found = [(group["status"], group["error_type"]) for group in failures(checkpoint, 2)]
    assert found == [
        ("truncated", "max_tokens"), ("pending", "client.in_batch"), ("unsent", "client.not_sent"),
    ]  # fmt: skip
    assert [error["type"] for error in sum_up(checkpoint, "run", 2).errors] == ["max_tokens"]


def test_a_reader_of_an_older_checkpoint_finds_no_batches(tmp_path: Path) -> None:
    """It changes nothing; the next run adds the tables, and the numbers go on."""
    with opened(tmp_path) as checkpoint:
        checkpoint.commit({"attempts": [intent(1)]})
        for table in ("batches", "batch_items", "batch_events"):
            checkpoint.execute(f"DROP TABLE {table}")
        checkpoint.execute("UPDATE checkpoint SET schema_version = 5")
    for is_read_only in (True, True, False):
        with opened(tmp_path, is_read_only=is_read_only) as checkpoint:
            assert (stored_batches(checkpoint), next_batch(checkpoint)) == ([], 1)
            assert (checkpoint.records, checkpoint.next_attempt_id()) == (1, 2)
    with opened(tmp_path) as checkpoint:
        add_event(checkpoint, event(1, "created"))
        assert checkpoint.records == 2


def test_batches_survive_a_lost_log(tmp_path: Path) -> None:
    """They are in the journal, too; the repaired checkpoint goes on waiting for them."""
    working, killed = tmp_path / "working", tmp_path / "killed"
    working.mkdir()
    with opened(working) as checkpoint:
        batch = Batches({1: ("created",), 2: ()}, {1: 1, 2: 1, 3: 2})
        checkpoint.commit({"attempts": [intent(n, n) for n in (1, 2, 3)], **batch.groups()})
        checkpoint.commit({"outcomes": [outcome(1, 1)]})
        before = stored_batches(checkpoint)
        shutil.copytree(working, killed)
    (killed / f"{FILE_NAME}.wal").unlink()
    scratch, repaired = tmp_path / "scratch", tmp_path / "repaired"
    scratch.mkdir()
    repaired.mkdir()
    found = examine(killed, scratch, repaired, NOW)
    assert found.missing == 0
    assert found.open_attempts is not None
    assert found.open_attempts.attempts == 0, "they wait: nothing is unknown"
    with opened(repaired) as checkpoint:
        assert stored_batches(checkpoint) == before
        assert waiting_items(checkpoint, 1).column("attempt_id").to_pylist() == [2]


@pytest.mark.parametrize(("life", "state"), list(zip(LIVES, STATES, strict=True)))
def test_what_each_state_of_a_batch_means_for_a_request(
    checkpoint: Checkpoint, life: Any, state: str
) -> None:
    """It waits until its batch is done with; then it is sent again, as new or as unknown."""
    Case([plan_row(0, 1)], [intent(1, 1)], [], Batches({1: life}, {1: 1})).load(checkpoint)
    counts, spent = finish_plan(checkpoint, COMPARISON), spent_money(checkpoint)
    begin_results(checkpoint)
    (row,) = read_results(checkpoint, 0, 0).to_pylist()
    facts = (counts.pending, counts.to_send, counts.new, row["unknown_attempts"])
    money = (spent.reserved, spent.pending, spent.unknown)
    if state in ("unconfirmed", "created", "canceling", "ended"):
        assert (facts, money, row["status"]) == ((1, 0, 0, 0), (1, 1, 0), "pending")
    elif state == "absent":
        assert (facts, money, row["status"]) == ((0, 1, 1, 0), (0, 0, 0), "unsent")
    else:
        assert (facts, money, row["status"]) == ((0, 1, 0, 1), (0, 0, 1), "errored")
        assert row["error_type"] == "client.billing_unknown"
