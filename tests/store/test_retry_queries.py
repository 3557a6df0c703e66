"""The queries of a retry, and the answers that count afterwards, compared with a model."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from plan_model import COMPARISON, Case, Model, Recorded, plans
from sample_records import count, fingerprint_of, intent, opened, outcome, plan_row
from samples import examples

from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import add_to_plan, begin_plan, finish_plan, record_rows_seen
from batcher.store.records import OutcomeRecord, PlanRecord
from batcher.store.results import begin_results, failures, output_totals, read_results
from batcher.store.retries import find_retries, keep_variant, record_replacements

EXAMPLES = settings(
    max_examples=examples(20),
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Ending = Literal["open", "transient", "succeeded", "truncated"]


@dataclass(frozen=True)
class Retry:
    """A retry: the variant of each request, the rows to send, and their endings."""

    variants: Sequence[int | None]
    only: list[str]
    endings: list[Ending]
    next_plan: list[PlanRecord] | None


ENDINGS = st.sampled_from(["open", "transient", "succeeded", "truncated", "truncated"])
HISTORIES = st.lists(st.tuples(st.integers(0, 7), ENDINGS), max_size=10)
RETRIES = st.builds(
    Retry,
    variants=st.tuples(*[st.sampled_from([None, 1, 2, 8, 8, 9, 9])] * 8),
    only=st.sampled_from([[], [], [], ["errored"], ["truncated"], ["max_tokens", "e_transient"]]),
    endings=st.lists(ENDINGS, min_size=8, max_size=8),
    next_plan=st.none() | plans(),
)


class RetryModel(Model):
    """A model with replacements of requests."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.replacements: set[tuple[bytes, bytes]] = set()

    def payer(self, fingerprint: bytes) -> bytes | None:
        """Return the request of the plan that pays for the attempts of a request."""
        wanted = [record.fingerprint for record in self.first_items()]
        if fingerprint in wanted:
            return fingerprint
        return next((w for w in wanted if (w, fingerprint) in self.replacements), None)

    def recorded(self, fingerprint: bytes) -> Recorded:
        """Return the attempts that a request pays for, and the outcomes that answer it."""
        variants = {fingerprint} | {new for old, new in self.replacements if old == fingerprint}
        paid = [a for a in self.case.attempts if self.payer(a.fingerprint) == fingerprint]
        return Recorded(paid, [o for o in self.case.outcomes if o.fingerprint in variants])

    def failed(self) -> list[tuple[PlanRecord, str, str | None]]:
        """Return the requests that were sent and did not succeed, with error type and status."""
        failed = []
        for record in self.first_items():
            recorded = self.recorded(record.fingerprint)
            status = None if recorded.shown is None else recorded.shown.status
            if recorded.attempts and status != "succeeded":
                error_type = None if recorded.shown is None else recorded.shown.error_type
                failed.append((record, error_type or status or "client.billing_unknown", status))
        return failed

    def has_succeeded(self, fingerprint: bytes) -> bool:
        """Return whether an outcome of this request itself succeeded."""
        own = [o for o in self.case.outcomes if o.fingerprint == fingerprint]
        return any(o.is_final and o.status == "succeeded" for o in own)


def variant_of(model: RetryModel, retry: Retry) -> list[PlanRecord]:
    """Return the plan of the variant; None is a variant without a request."""
    records = []
    for record in model.plan:
        number = None
        if record.fingerprint is not None:
            number = retry.variants[int.from_bytes(record.fingerprint, "big")]
        worst = None if number is None else Decimal(number)
        records.append(plan_row(record.item, number, ordinal=record.ordinal, worst_case_usd=worst))
    return records


def plan(checkpoint: Checkpoint, records: list[PlanRecord]) -> None:
    """Make a plan of some rows."""
    begin_plan(checkpoint)
    add_to_plan(checkpoint, records)
    finish_plan(checkpoint, COMPARISON)


def check_answers(checkpoint: Checkpoint, model: RetryModel) -> None:
    """Each row has the answer that counts, and each attempt is billed once."""
    begin_results(checkpoint)
    rows = read_results(checkpoint, 0, 100).to_pylist()
    for row, record in zip(rows, model.plan, strict=True):
        if record.fingerprint is not None:
            recorded = model.recorded(record.fingerprint)
            assert row["attempt_id"] == getattr(recorded.shown, "attempt_id", None)
            assert row["is_final"] is (recorded.final is not None)
            assert row["attempts"] == len(recorded.attempts)
    paid = [o for o in model.case.outcomes if model.payer(o.fingerprint) is not None]
    bill = sum((o.cost_usd for o in paid if o.cost_usd is not None), Decimal(0))
    assert Decimal(output_totals(checkpoint)["cost_usd"]) == bill
    assert sum((r["cost_usd"] for r in rows if r["is_shared"] is False), Decimal(0)) == bill
    recorded = [model.recorded(record.fingerprint) for record in model.first_items()]
    failed = [
        request for request in recorded if getattr(request.shown, "status", None) != "succeeded"
    ]
    unknown = sum((group["unknown_usd"] for group in failures(checkpoint, 3)), Decimal(0))
    assert unknown == sum((request.unknown_usd for request in failed), Decimal(0))


def retry_once(checkpoint: Checkpoint, model: RetryModel, retry: Retry) -> None:
    """Retry the failed rows as a variant."""
    variants = variant_of(model, retry)
    plan(checkpoint, variants)
    keep_variant(checkpoint)
    plan(checkpoint, model.plan)
    found = find_retries(checkpoint, retry.only)
    other = {record.item: record for record in variants}
    chosen = [
        (record.item, kind, record.fingerprint, other[record.item].fingerprint)
        for record, kind, status in model.failed()
        if not retry.only or {kind, status} & set(retry.only)
    ]
    sends: dict[bytes, int] = {}
    for item, _, _, new in chosen:
        if new is not None and not model.has_succeeded(new):
            sends.setdefault(new, item)
    assert sorted(found.items) == sorted(sends.values())
    assert found.to_send == len(sends)
    rows, to_send = Counter(), Counter()
    for item, kind, _, _ in chosen:
        rows[kind] += 1
        to_send[kind] += item in sends.values()
    assert found.by_type == {kind: (rows[kind], to_send[kind]) for kind in rows}
    worst = sum((other[item].worst_case_usd for item in sends.values()), Decimal(0))
    assert found.worst_case_usd == worst
    record_replacements(checkpoint, "retry")
    pairs = {(old, new) for _, _, old, new in chosen if new not in (None, old)}
    model.replacements |= pairs
    assert count(checkpoint, "replacements") == len(model.replacements)
    record_replacements(checkpoint, "retry")
    assert count(checkpoint, "replacements") == len(model.replacements)
    send(checkpoint, model, zip(sends, retry.endings, strict=False))


def send(
    checkpoint: Checkpoint, model: RetryModel, attempts: Iterable[tuple[bytes, Ending]]
) -> None:
    """Make attempts, one after the other."""
    for attempt_id, (fingerprint, ending) in enumerate(attempts, 1 + len(model.case.attempts)):
        number = int.from_bytes(fingerprint, "big")
        groups = {"attempts": [intent(attempt_id, number)]}
        if ending != "open":
            groups["outcomes"] = [outcome_of(attempt_id, number, ending)]
        checkpoint.commit(groups)
        model.case.attempts.extend(groups["attempts"])
        model.case.outcomes.extend(groups.get("outcomes", ()))


def outcome_of(attempt_id: int, number: int, ending: Ending) -> OutcomeRecord:
    """Return the outcome of an attempt; all costs differ."""
    if ending == "transient":
        free = {"status": "errored", "error_type": "e_transient", "billing": "free"}
        return outcome(attempt_id, number, is_final=False, cost_usd=Decimal(0), **free)
    error_type = "max_tokens" if ending == "truncated" else None
    cost = Decimal(2) ** attempt_id
    return outcome(attempt_id, number, status=ending, error_type=error_type, cost_usd=cost)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples, which each example empties first."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as new:
        yield new


def started(
    checkpoint: Checkpoint, records: list[PlanRecord], history: list[tuple[int, Ending]]
) -> RetryModel:
    """Empty the checkpoint, plan some rows, and make some attempts."""
    checkpoint.execute("DELETE FROM replacements")
    case = Case(records, [], [])
    case.load(checkpoint)
    finish_plan(checkpoint, COMPARISON)
    model = RetryModel(case)
    send(checkpoint, model, [(fingerprint_of(number), ending) for number, ending in history])
    return model


def check_retries(checkpoint: Checkpoint, model: RetryModel, retries: list[Retry]) -> None:
    """Only failed rows are sent, their new answers count, and nothing counts twice.

    The job may be edited between retries.
    """
    for retry in retries:
        retry_once(checkpoint, model, retry)
        plan(checkpoint, model.plan)
        check_answers(checkpoint, model)
        if retry.next_plan is not None:
            model.plan = retry.next_plan
            plan(checkpoint, model.plan)
            check_answers(checkpoint, model)


@settings(EXAMPLES, max_examples=examples(15))
@given(plans(), HISTORIES, st.lists(RETRIES, min_size=1, max_size=3))
def test_retries(
    checkpoint: Checkpoint,
    records: list[PlanRecord],
    history: list[tuple[int, Ending]],
    retries: list[Retry],
) -> None:
    """The queries and the model agree on sequences of retries."""
    check_retries(checkpoint, started(checkpoint, records, history), retries)


def test_two_requests_of_a_row_may_share_a_replacement(checkpoint: Checkpoint) -> None:
    """A row failed, was edited, and failed again: both retries share one replacement."""
    model = started(checkpoint, [plan_row(0, 1)], [(1, "truncated")])
    retry_once(checkpoint, model, Retry((None, 9), [], ["truncated"], None))
    model.plan = [plan_row(0, 2)]
    send(checkpoint, model, [(fingerprint_of(2), "truncated")])
    retry_once(checkpoint, model, Retry((None, None, 9), [], ["succeeded"], None))
    plan(checkpoint, model.plan)
    begin_results(checkpoint)
    (row,) = read_results(checkpoint, 0, 0).to_pylist()
    assert (row["status"], row["attempt_id"]) == ("succeeded", 4)
    check_answers(checkpoint, model)


def test_two_rows_may_share_a_replacement(checkpoint: Checkpoint) -> None:
    """Two failed rows with the same variant send it once, and both get the answer."""
    model = started(
        checkpoint, [plan_row(0, 1), plan_row(1, 2)], [(1, "truncated"), (2, "truncated")]
    )
    retry_once(checkpoint, model, Retry((None, 9, 9), [], ["succeeded"], None))
    plan(checkpoint, model.plan)
    begin_results(checkpoint)
    rows = read_results(checkpoint, 0, 1).to_pylist()
    assert [row["status"] for row in rows] == ["succeeded", "succeeded"]
    check_answers(checkpoint, model)


def test_a_replacement_is_an_answer_to_keep(checkpoint: Checkpoint) -> None:
    """A row that only a replacement answered keeps this answer when the prompt changes."""
    checkpoint.execute("DELETE FROM rows_seen")
    model = started(
        checkpoint, [plan_row(0, 1, id="x", content=fingerprint_of(7))], [(1, "open"), (1, "open")]
    )
    record_rows_seen(checkpoint, COMPARISON)
    retry_once(checkpoint, model, Retry((None, 9), [], ["succeeded"], None))
    begin_plan(checkpoint)
    add_to_plan(checkpoint, [plan_row(0, 2, id="x", content=fingerprint_of(7))])
    redone = finish_plan(checkpoint, COMPARISON).redone
    counts = finish_plan(checkpoint, replace(COMPARISON, keeps_answers=True))
    assert (redone, counts.already_answered, counts.to_send) == (1, 1, 0)


def test_an_old_name_of_an_error_type_still_selects_rows(checkpoint: Checkpoint) -> None:
    """Commands written for version 0.6 retry the rows with unknown billing status."""
    model = started(checkpoint, [plan_row(0, 1)], [(1, "open")])
    keep_variant(checkpoint)
    for name in ("client.fate_unknown", "client.billing_unknown"):
        retries = find_retries(checkpoint, [name])
        assert retries.by_type == {"client.billing_unknown": (1, 1)}
    assert model.failed()[0][1] == "client.billing_unknown"
