"""The planning queries over several runs of a changing input, compared with a model."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sample_records import count, fingerprint_of, intent, opened, outcome, plan_row
from samples import examples
from seen_model import ALLOWANCE, ROW, RUNS, Item, Run, SeenModel

from batcher.core.plan_counts import PlanCounts
from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import (
    InputComparison,
    add_to_plan,
    begin_plan,
    finish_plan,
    items_to_send,
    mark_duplicate_ids,
    record_rows_seen,
)
from batcher.store.records import PlanRecord

EXAMPLES = settings(
    max_examples=examples(20),
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def plan(checkpoint: Checkpoint, model: SeenModel, run: Run, items: list[Item]) -> None:
    """Add the plan of a run to the checkpoint."""
    records: list[PlanRecord] = []
    for number, item in enumerate(items):
        changes = {
            "ordinal": number // model.samples,
            "sample": number % model.samples,
            "content": fingerprint_of(item.content),
            "id": run.rows[number // model.samples].id if model.has_ids else None,
        }
        records.append(plan_row(number, item.fingerprint, **changes))
    begin_plan(checkpoint)
    add_to_plan(checkpoint, records)
    mark_duplicate_ids(checkpoint, ["rows.jsonl"])


def comparison(model: SeenModel, run: Run) -> InputComparison:
    """Return how to compare the input of a run with the checkpoint."""
    keeps = run.consent == "keep"
    return InputComparison(
        ALLOWANCE, model.has_ids, fingerprint_of(run.coverage), keeps, run.is_part
    )


def check_counts(model: SeenModel, run: Run, items: list[Item], counts: PlanCounts) -> None:
    """Compare the counts of the planning line with the model."""
    firsts, sends = model.first_items(items), model.to_send(items)
    fresh = [item for item in sends if not model.attempts.get(item.requested)]
    changed = sum(model.is_changed(item) for item in fresh)
    redone = model.redone(run, items)
    assert counts.items == len(items)
    assert counts.already_answered == sum(item.requested in model.finals for item in firsts)
    assert counts.to_send == len(sends)
    assert counts.attempted_before == len(sends) - len(fresh)
    assert (counts.changed, counts.new) == (changed, len(fresh) - changed)
    unmatched = model.unmatched(run, items)
    assert counts.redone == unmatched + (0 if run.consent == "keep" else len(redone))
    assert counts.removed == (0 if run.is_part else len(model.removed(items)))


def send(checkpoint: Checkpoint, model: SeenModel, run: Run, items: list[Item]) -> None:
    """Send the items to send; their requests get the endings of the run."""
    groups = {"attempts": [], "outcomes": []}
    number = checkpoint.next_attempt_id()
    for item, ending in zip(model.to_send(items), run.endings, strict=False):
        if ending == "unsent":
            continue
        request = item.requested
        groups["attempts"].append(intent(number, request))
        model.attempts[request] = model.attempts.get(request, 0) + 1
        if ending == "open":
            model.unknown[request] = model.unknown.get(request, 0) + 1
        else:
            is_final = ending != "transient"
            status = "succeeded" if ending == "succeeded" else "errored"
            groups["outcomes"].append(outcome(number, request, is_final=is_final, status=status))
            model.finals |= {request} if is_final else set()
        number += 1
    checkpoint.commit(groups)


def planned(checkpoint: Checkpoint) -> list[bytes | None]:
    """Return the request of each item of the plan."""
    rows = checkpoint.rows("SELECT fingerprint FROM plan ORDER BY item")
    return [value and value.bytes for (value,) in rows]


def emptied(checkpoint: Checkpoint, model: SeenModel) -> SeenModel:
    """Empty a checkpoint, for a new model."""
    for table in ("attempts", "outcomes", "rows_seen"):
        checkpoint.execute(f"DELETE FROM {table}")
    return model


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples, which each example empties first."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as new:
        yield new


def check_runs(checkpoint: Checkpoint, model: SeenModel, runs: list[Run]) -> None:
    """Each run counts new, changed, removed and redone rows, sends them, and records them once."""
    for run in runs:
        items = model.items(run)
        if run.consent == "keep":
            for item in items:
                if model.is_made_differently(run, item):
                    item.requested = model.seen[item.key].fingerprint
        plan(checkpoint, model, run, items)
        compared = comparison(model, run)
        check_counts(model, run, items, finish_plan(checkpoint, compared))
        requests = [None if item.is_bad else fingerprint_of(item.requested) for item in items]
        assert planned(checkpoint) == requests
        sends = items_to_send(checkpoint, ALLOWANCE).column("item").to_pylist()
        assert sorted(sends) == [items.index(item) for item in model.to_send(items)]
        if run.consent == "refused" and model.redone(run, items):
            continue
        model.record(run, items)
        record_rows_seen(checkpoint, compared)
        assert count(checkpoint, "rows_seen") == model.recorded_rows
        plan(checkpoint, model, run, items)
        again = finish_plan(checkpoint, compared)
        assert (again.changed, again.removed, again.redone) == (0, 0, 0)
        record_rows_seen(checkpoint, compared)
        assert count(checkpoint, "rows_seen") == model.recorded_rows
        send(checkpoint, model, run, items)


@settings(EXAMPLES, max_examples=examples(15))
@given(st.booleans(), st.integers(1, 2), st.lists(RUNS, min_size=2, max_size=6))
def test_runs(checkpoint: Checkpoint, has_ids: bool, samples: int, runs: list[Run]) -> None:
    """The queries and the model agree on sequences of runs."""
    check_runs(checkpoint, emptied(checkpoint, SeenModel(has_ids, samples)), runs)


@pytest.mark.parametrize(
    "runs",
    [[([ROW], 1, True), ([], 1, False), ([ROW], 1, False)], [([ROW], n, True) for n in (1, 2, 1)]],
    ids=["removed while the prompt got another column", "answered with this prompt, too"],
)
def test_an_answer_that_is_kept(checkpoint: Checkpoint, runs: list[Any]) -> None:
    """The unedited row keeps its latest answer, and nothing is sent."""
    model = emptied(checkpoint, SeenModel(has_ids=True, samples=1))
    kept: list[Item] = []
    *earlier, last = [Run(*run, "redo", False, ["succeeded"]) for run in runs]
    for run in earlier:
        items = model.items(run)
        plan(checkpoint, model, run, items)
        finish_plan(checkpoint, comparison(model, run))
        record_rows_seen(checkpoint, comparison(model, run))
        send(checkpoint, model, run, items)
        kept = items or kept
    plan(checkpoint, model, last, model.items(last))
    counts = finish_plan(checkpoint, replace(comparison(model, last), keeps_answers=True))
    assert (counts.already_answered, counts.to_send) == (1, 0)
    assert planned(checkpoint) == [fingerprint_of(kept[0].requested)]
