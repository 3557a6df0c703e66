"""The planning and result queries, against a model in plain Python."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_model import ALLOWANCE, CASES, COMPARISON, FILES, TOKENS, Case, Model
from sample_records import fingerprint_of, intent, opened, outcome, plan_row
from samples import examples

from batcher.store import results
from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import (
    bad_rows,
    find_items,
    finish_plan,
    items_to_send,
    mark_duplicate_ids,
    refresh_plan,
)
from batcher.store.results import (
    OpenItems,
    attempts_of,
    begin_results,
    count_open,
    count_requests,
    count_statuses,
    failure_messages,
    failures,
    output_totals,
    read_results,
    results_digest,
    totals,
)

EXAMPLES = settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples, which each example empties first."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as new:
        yield new


@EXAMPLES
@given(CASES)
def test_planning(checkpoint: Checkpoint, case: Case) -> None:
    """All counts of the planning line are those of the model, and add up to the items."""
    model = Model(case)
    model.mark_duplicates()
    case.load(checkpoint)
    mark_duplicate_ids(checkpoint, FILES)
    counts = finish_plan(checkpoint, COMPARISON)
    firsts, still_open, sends = model.first_items(), model.open(), model.to_send()
    assert counts.rows == len({record.ordinal for record in case.plan})
    assert counts.items == len(case.plan)
    assert counts.already_answered == len(firsts) - len(still_open)
    assert counts.to_send == len(sends)
    assert counts.pending == len(model.waiting())
    assert counts.on_hold == len(still_open) - len(sends) - counts.pending
    assert counts.shared == sum(r.fingerprint is not None for r in model.plan) - len(firsts)
    assert counts.bad == sum(record.status == "errored" for record in model.plan)
    assert counts.skipped == sum(record.status == "skipped" for record in model.plan)
    assert counts.attempted_before == sum(
        bool(model.recorded(r.fingerprint).attempts) for r in sends
    )
    worst = [record.worst_case_usd for record in sends]
    times = [ALLOWANCE - model.recorded(record.fingerprint).unknown for record in sends]
    if None in worst:
        assert (counts.worst_case_usd, counts.min_worst_case_usd) == (None, None)
    else:
        most = sum((usd * n for usd, n in zip(worst, times, strict=True)), Decimal(0))
        assert counts.worst_case_usd == most
        assert counts.min_worst_case_usd == min(worst, default=None)
    parts = (
        counts.already_answered,
        counts.to_send,
        counts.shared,
        counts.bad,
        counts.skipped,
        counts.on_hold,
        counts.pending,
    )
    assert refresh_plan(checkpoint, COMPARISON) == counts, "nothing has changed"
    assert sum(parts) == counts.items
    wanted = [(record.item, model.recorded(record.fingerprint).unknown) for record in sends]
    found = items_to_send(checkpoint, ALLOWANCE).to_pylist()
    assert sorted((row["item"], row["unknown_attempts"]) for row in found) == wanted
    bad = [r for r in model.plan if r.status == "errored" and r.sample == 0]
    reasons = Counter((r.error_type, r.reason) for r in bad)
    firsts = {(r.error_type, r.reason): r for r in reversed(bad)}
    shown = [(firsts[key].file, firsts[key].line, key[1], rows) for key, rows in reasons.items()]
    assert bad_rows(checkpoint, 3) == shown[:3]
    assert bad_rows(checkpoint, 1000) == shown


@EXAMPLES
@given(CASES, st.integers(0, 15), st.integers(0, 15))
def test_results(checkpoint: Checkpoint, case: Case, first: int, last: int) -> None:
    """Each item of a chunk has its answer, in order; a request costs its first item only."""
    model = Model(case)
    case.load(checkpoint)
    begin_results(checkpoint)
    payers = {record.item for record in model.first_items()}
    found = read_results(checkpoint, first, last).to_pylist()
    wanted = [record for record in model.plan if first <= record.item <= last]
    assert [row["item"] for row in found] == [record.item for record in wanted]
    for row, record in zip(found, wanted, strict=True):
        assert (row["status"], row["error_type"]) == model.ending(record)
        if record.fingerprint is None:
            assert (row["fingerprint"], row["attempt_id"], row["body"]) == (None, None, None)
            continue
        recorded = model.recorded(record.fingerprint)
        assert row["attempt_id"] == getattr(recorded.shown, "attempt_id", None)
        assert row["body"] == getattr(recorded.shown, "body", None)
        assert row["fingerprint"] == record.fingerprint.hex()
        assert row["is_shared"] is (record.item not in payers)
        assert row["is_final"] is (recorded.final is not None)
        assert (row["attempts"], row["unknown_attempts"]) == (
            len(recorded.attempts),
            recorded.unknown,
        )
        in_batch = row["attempt_id"] in case.batches.batch_of
        delivery = None if recorded.shown is None else "batch" if in_batch else "live"
        assert row["delivery"] == delivery
        assert row["cost_usd"] == recorded.cost
        for kind in TOKENS:
            assert row[kind] == getattr(recorded.shown, kind, None)


@EXAMPLES
@given(CASES)
def test_sums(checkpoint: Checkpoint, case: Case) -> None:
    """Statuses, open items, failures and costs are exactly those of the model."""
    model = Model(case)
    case.load(checkpoint)
    begin_results(checkpoint)
    endings = [(record, *model.ending(record)) for record in model.plan]
    assert count_statuses(checkpoint) == Counter(status for _, status, _ in endings)
    requests = [record for record in model.plan if record.fingerprint is not None]
    still_open = [r for r in requests if model.recorded(r.fingerprint).final is None]
    sendable = [r for r in still_open if model.is_sendable(r)]
    waiting = [r for r in still_open if model.recorded(r.fingerprint).is_pending]
    held = len(still_open) - len(sendable) - len(waiting)
    assert count_open(checkpoint, ALLOWANCE) == OpenItems(len(sendable), held, len(waiting))
    firsts = [model.recorded(record.fingerprint) for record in model.first_items()]
    sums = output_totals(checkpoint)
    assert Decimal(sums["cost_usd"]) == sum((recorded.cost for recorded in firsts), Decimal(0))
    for kind in TOKENS:
        assert sums[kind] == sum(getattr(recorded.shown, kind, 0) or 0 for recorded in firsts)
    groups = {(g["status"], g["error_type"]): g for g in failures(checkpoint, ALLOWANCE)}
    statuses = [status for status, _ in groups]
    last = [status for status in ("pending", "unsent") if status in statuses]
    assert statuses[len(statuses) - len(last) :] == last, "they come last"
    failed = [ending for ending in endings if ending[1] not in ("succeeded", "skipped")]
    assert set(groups) == {(status, kind) for _, status, kind in failed}
    payers = {record.item for record in model.first_items()}
    for key, group in groups.items():
        members = [record for record, *ending in failed if tuple(ending) == key]
        assert group["rows"] == len(members)
        is_named = members[0].id and key[1] != "client.duplicate_id"
        number = f"row:{members[0].ordinal + 1}"
        assert group["example_id"] == (members[0].id if is_named else number)
        paid = [model.recorded(r.fingerprint).cost for r in members if r.item in payers]
        assert group["cost_usd"] == sum(paid, Decimal(0))
        unknown = [model.recorded(r.fingerprint).unknown_usd for r in members if r.item in payers]
        assert group["unknown_usd"] == (None if None in unknown else sum(unknown, Decimal(0)))
        assert group["open"] == sum(record in sendable for record in members)
        assert group["on_hold"] == sum(
            record in still_open and record not in (*sendable, *waiting) for record in members
        )
        assert group["is_final"] is all(record not in still_open for record in members)
    messages = failure_messages(checkpoint)
    for key, group in groups.items():
        own = [entry for entry in messages if (entry["status"], entry["error_type"]) == key]
        assert sum(entry["rows"] for entry in own) in (0, group["rows"])
        assert [entry["rows"] for entry in own] == sorted((e["rows"] for e in own), reverse=True)


@EXAMPLES
@given(CASES)
def test_totals(checkpoint: Checkpoint, case: Case) -> None:
    """Sums of billed and unknown attempts, of one run and of all, are those of the model."""
    case.load(checkpoint)
    model = Model(case)
    for run_id in ("a", "b", None):
        attempts = [a for a in model.sent() if run_id in (None, a.run_id)]
        ids = {attempt.attempt_id for attempt in attempts}
        outcomes = [o for o in case.outcomes if o.attempt_id in ids]
        settled = {o.attempt_id for o in outcomes if o.billing != "unknown"}
        pending = [a for a in attempts if a.attempt_id in model.pending()]
        unknown = [a for a in attempts if a.attempt_id not in settled and a not in pending]
        found = totals(checkpoint, run_id)
        assert (found["attempts"], found["outcomes"]) == (len(attempts), len(outcomes))
        assert found["billed"] == sum(o.billing == "billed" for o in outcomes)
        assert found["unknown"] == len(unknown)
        assert found["pending"] == len(pending)
        assert found["pending_usd"] == sum(a.worst_case_usd or Decimal(0) for a in pending)
        assert found["in_batches"] == len(ids & set(case.batches.batch_of))
        assert found["unknown_usd"] == sum(
            (a.worst_case_usd for a in unknown if a.worst_case_usd is not None), Decimal(0)
        )
        assert found["unpriced"] == sum(
            o.billing == "billed" and o.cost_usd is None for o in outcomes
        )
        assert found["cost_usd"] == sum((o.cost_usd or Decimal(0) for o in outcomes), Decimal(0))
        for kind in TOKENS:
            assert found[kind] == sum(getattr(o, kind) or 0 for o in outcomes)
        if run_id is not None:
            sent = {a.fingerprint for a in attempts if a not in pending}
            assert count_requests(checkpoint, run_id) == len(sent)


@EXAMPLES
@given(CASES)
def test_totals_in_steps(checkpoint: Checkpoint, case: Case) -> None:
    """Sums over steps of two attempts are those of a single step."""
    case.load(checkpoint)
    at_once = totals(checkpoint)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(results, "_STEP_ITEMS", 2)
        assert totals(checkpoint) == at_once


@EXAMPLES
@given(CASES, st.integers(0, 9))
def test_the_attempts_of_a_request(checkpoint: Checkpoint, case: Case, number: int) -> None:
    """All attempts are returned, oldest first, with their outcomes."""
    case.load(checkpoint)
    attempts = [a for a in case.attempts if a.fingerprint == fingerprint_of(number)]
    found = attempts_of(checkpoint, fingerprint_of(number))
    assert [row["attempt_id"] for row in found] == [a.attempt_id for a in attempts]
    statuses = {o.attempt_id: o.status for o in case.outcomes}
    assert [row["status"] for row in found] == [statuses.get(a.attempt_id) for a in attempts]
    for row in found:
        state, number = case.batches.state(row["attempt_id"]), row["attempt_id"]
        assert (row["state"] == "absent") is (state == "absent")
        assert (row["state"] == "pending") is (state == "pending" and not row["has_outcome"])
        assert row["batch"] == case.batches.batch_of.get(number)


@EXAMPLES
@given(CASES, st.data())
def test_different_outputs_have_different_digests(
    checkpoint: Checkpoint, case: Case, data: st.DataObject
) -> None:
    """The digest is stable, and changes when one more item has an answer."""
    case.load(checkpoint)
    before = digest(checkpoint)
    assert digest(checkpoint) == before
    still_open = Model(case).open()
    if still_open:
        number = int.from_bytes(data.draw(st.sampled_from(still_open)).fingerprint, "big")
        more = {"attempts": [intent(99, number)], "outcomes": [outcome(99, number)]}
        checkpoint.commit(more)
        assert digest(checkpoint) != before


def digest(checkpoint: Checkpoint) -> str:
    """Return the digest of the current results."""
    begin_results(checkpoint)
    return results_digest(checkpoint)


def test_an_id_finds_its_items(checkpoint: Checkpoint) -> None:
    """All items of all rows with this id are found."""
    rows = [plan_row(0, 1, id="x"), plan_row(1, 2, id="y"), plan_row(2, None, id="x")]
    Case(rows, [], []).load(checkpoint)
    found = find_items(checkpoint, "x")
    assert [row["item"] for row in found] == [0, 2]
    assert found[0]["fingerprint"] == fingerprint_of(1).hex()
    assert find_items(checkpoint, "none") == []


def test_the_first_final_outcome_is_the_answer(checkpoint: Checkpoint) -> None:
    """A later answer is paid for, too, but does not become a second result."""
    outcomes = [outcome(2, body=b"later"), outcome(1, body=b"first")]
    Case([plan_row(0)], [intent(1), intent(2)], outcomes).load(checkpoint)
    begin_results(checkpoint)
    (row,) = read_results(checkpoint, 0, 0).to_pylist()
    assert (row["attempt_id"], row["body"]) == (1, b"first")
    assert row["cost_usd"] == outcomes[0].cost_usd + outcomes[1].cost_usd


def test_a_request_is_on_hold_after_too_many_unknown_attempts(checkpoint: Checkpoint) -> None:
    """An open attempt and an unknown one are two: this reaches a limit of two, not of three."""
    unknown = outcome(2, is_final=False, status="errored", billing="unknown", cost_usd=None)
    Case([plan_row(0)], [intent(1), intent(2)], [unknown]).load(checkpoint)
    for allowance, (on_hold, to_send) in {1: (1, 0), 2: (1, 0), 3: (0, 1)}.items():
        counts = finish_plan(checkpoint, replace(COMPARISON, allowance=allowance))
        assert (counts.on_hold, counts.to_send) == (on_hold, to_send)
        assert items_to_send(checkpoint, allowance).num_rows == to_send
