"""What the queries of a retry say, and whose answer counts after it, against a model."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from plan_model import COMPARISON, Case, Known, Model, plans
from records_made import count, intent, name, opened, outcome, plan_row

from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import (
    add_to_plan,
    begin_plan,
    begin_results,
    failures,
    finish_plan,
    output_totals,
    read_results,
    record_rows_seen,
)
from batcher.store.records import OutcomeRecord, PlanRecord
from batcher.store.retries import find_retries, keep_variant, record_replacements

EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

Ending = Literal["lost", "passing", "succeeded", "truncated"]


@dataclass(frozen=True)
class Retry:
    """One retry: what each request becomes in the other form, which rows, and how they end."""

    forms: Sequence[int | None]
    only: list[str]
    endings: list[Ending]
    next_plan: list[PlanRecord] | None


ENDINGS = st.sampled_from(["lost", "passing", "succeeded", "truncated", "truncated"])
HISTORIES = st.lists(st.tuples(st.integers(0, 7), ENDINGS), max_size=10)
RETRIES = st.builds(
    Retry,
    forms=st.tuples(*[st.sampled_from([None, 1, 2, 8, 8, 9, 9])] * 8),
    only=st.sampled_from([[], [], [], ["errored"], ["truncated"], ["max_tokens", "e_passing"]]),
    endings=st.lists(ENDINGS, min_size=8, max_size=8),
    next_plan=st.none() | plans(),
)


class Retried(Model):
    """A model that knows what answers for what."""

    def __init__(self, case: Case) -> None:
        super().__init__(case)
        self.replacements: set[tuple[bytes, bytes]] = set()

    def payer(self, fingerprint: bytes) -> bytes | None:
        """The request of the plan that the attempts of a request are counted for."""
        wanted = [record.fingerprint for record in self.firsts()]
        if fingerprint in wanted:
            return fingerprint
        return next((w for w in wanted if (w, fingerprint) in self.replacements), None)

    def known(self, fingerprint: bytes) -> Known:
        """Find what answers a request: it and what replaced it; and what is counted for it."""
        forms = {fingerprint} | {new for old, new in self.replacements if old == fingerprint}
        paid = [a for a in self.case.attempts if self.payer(a.fingerprint) == fingerprint]
        return Known(paid, [o for o in self.case.outcomes if o.fingerprint in forms])

    def failed(self) -> list[tuple[PlanRecord, str, str | None]]:
        """The requests that were sent and did not succeed, with error type and status."""
        found = []
        for record in self.firsts():
            known = self.known(record.fingerprint)
            status = None if known.shown is None else known.shown.status
            if known.attempts and status != "succeeded":
                error_type = None if known.shown is None else known.shown.error_type
                found.append((record, error_type or status or "client.billing_unknown", status))
        return found

    def has_succeeded(self, fingerprint: bytes) -> bool:
        """Whether a request has a success of its own."""
        mine = [o for o in self.case.outcomes if o.fingerprint == fingerprint]
        return any(o.is_final and o.status == "succeeded" for o in mine)


def other_form(model: Retried, retry: Retry) -> list[PlanRecord]:
    """The plan of the rows in the other form; None is a form that cannot be asked."""
    made = []
    for record in model.plan:
        number = None
        if record.fingerprint is not None:
            number = retry.forms[int.from_bytes(record.fingerprint, "big")]
        worst = None if number is None else Decimal(number)
        made.append(plan_row(record.item, number, ordinal=record.ordinal, worst_case_usd=worst))
    return made


def plan(checkpoint: Checkpoint, records: list[PlanRecord]) -> None:
    """Plan some rows."""
    begin_plan(checkpoint)
    add_to_plan(checkpoint, records)
    finish_plan(checkpoint, COMPARISON)


def check_answers(checkpoint: Checkpoint, model: Retried) -> None:
    """Each row has the answer that counts, and the bill has each attempt of the rows once."""
    begin_results(checkpoint)
    rows = read_results(checkpoint, 0, 100).to_pylist()
    for row, record in zip(rows, model.plan, strict=True):
        if record.fingerprint is not None:
            known = model.known(record.fingerprint)
            assert row["attempt_id"] == getattr(known.shown, "attempt_id", None)
            assert row["is_final"] is (known.final is not None)
            assert row["attempts"] == len(known.attempts)
    paid = [o for o in model.case.outcomes if model.payer(o.fingerprint) is not None]
    bill = sum((o.cost_usd for o in paid if o.cost_usd is not None), Decimal(0))
    assert Decimal(output_totals(checkpoint)["cost_usd"]) == bill
    assert sum((r["cost_usd"] for r in rows if r["is_shared"] is False), Decimal(0)) == bill
    known = [model.known(record.fingerprint) for record in model.firsts()]
    failed = [one for one in known if getattr(one.shown, "status", None) != "succeeded"]
    unseen = sum((group["unknown_usd"] for group in failures(checkpoint)), Decimal(0))
    assert unseen == sum((one.unknown_usd for one in failed), Decimal(0))


def retry_once(checkpoint: Checkpoint, model: Retried, retry: Retry) -> None:
    """Retry failed rows in another form, as far as it goes."""
    others = other_form(model, retry)
    plan(checkpoint, others)
    keep_variant(checkpoint)
    plan(checkpoint, model.plan)
    found = find_retries(checkpoint, retry.only)
    other = {record.item: record for record in others}
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


def send(checkpoint: Checkpoint, model: Retried, attempts: Iterable[tuple[bytes, Ending]]) -> None:
    """Make some attempts, one after the other."""
    for attempt_id, (fingerprint, ending) in enumerate(attempts, 1 + len(model.case.attempts)):
        number = int.from_bytes(fingerprint, "big")
        made = {"attempts": [intent(attempt_id, number)]}
        if ending != "lost":
            made["outcomes"] = [ended(attempt_id, number, ending)]
        checkpoint.commit(made)
        model.case.attempts.extend(made["attempts"])
        model.case.outcomes.extend(made.get("outcomes", ()))


def ended(attempt_id: int, number: int, ending: Ending) -> OutcomeRecord:
    """What came of an attempt that came back; each costs something else."""
    if ending == "passing":
        free = {"status": "errored", "error_type": "e_passing", "billing": "free"}
        return outcome(attempt_id, number, is_final=False, cost_usd=Decimal(0), **free)
    error_type = "max_tokens" if ending == "truncated" else None
    cost = Decimal(2) ** attempt_id
    return outcome(attempt_id, number, status=ending, error_type=error_type, cost_usd=cost)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples; each empties it first."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as made:
        yield made


def started(
    checkpoint: Checkpoint, records: list[PlanRecord], history: list[tuple[int, Ending]]
) -> Retried:
    """Plan some rows over an emptied checkpoint in which some attempts were made."""
    checkpoint.execute("DELETE FROM replacements")
    case = Case(records, [], [])
    case.load(checkpoint)
    finish_plan(checkpoint, COMPARISON)
    model = Retried(case)
    send(checkpoint, model, [(name(number), ending) for number, ending in history])
    return model


def hold(checkpoint: Checkpoint, model: Retried, retries: list[Retry]) -> None:
    """Failed rows alone are sent, their new answers count from then on, and nothing twice.

    The job may be edited from one retry to the next.
    """
    for retry in retries:
        retry_once(checkpoint, model, retry)
        plan(checkpoint, model.plan)
        check_answers(checkpoint, model)
        if retry.next_plan is not None:
            model.plan = retry.next_plan
            plan(checkpoint, model.plan)
            check_answers(checkpoint, model)


@settings(EXAMPLES, max_examples=10)
@given(plans(), HISTORIES, st.lists(RETRIES, min_size=1, max_size=3))
def test_retries(
    checkpoint: Checkpoint,
    records: list[PlanRecord],
    history: list[tuple[int, Ending]],
    retries: list[Retry],
) -> None:
    """A few sequences of retries."""
    hold(checkpoint, started(checkpoint, records, history), retries)


@pytest.mark.slow
@EXAMPLES
@given(plans(), HISTORIES, st.lists(RETRIES, min_size=1, max_size=3))
def test_more_retries(
    checkpoint: Checkpoint,
    records: list[PlanRecord],
    history: list[tuple[int, Ending]],
    retries: list[Retry],
) -> None:
    """Four times as many."""
    hold(checkpoint, started(checkpoint, records, history), retries)


def test_two_forms_of_a_row_may_share_a_replacement(checkpoint: Checkpoint) -> None:
    """A row that failed, was edited, failed and was retried as before has the answer of that."""
    model = started(checkpoint, [plan_row(0, 1)], [(1, "truncated")])
    retry_once(checkpoint, model, Retry((None, 9), [], ["truncated"], None))
    model.plan = [plan_row(0, 2)]
    send(checkpoint, model, [(name(2), "truncated")])
    retry_once(checkpoint, model, Retry((None, None, 9), [], ["succeeded"], None))
    plan(checkpoint, model.plan)
    begin_results(checkpoint)
    (row,) = read_results(checkpoint, 0, 0).to_pylist()
    assert (row["status"], row["attempt_id"]) == ("succeeded", 4)
    check_answers(checkpoint, model)


def test_two_rows_may_share_a_replacement(checkpoint: Checkpoint) -> None:
    """Two rows that fail and ask the same in the other form are asked once, and both answered."""
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
    """A row that is answered only in another form keeps that when the prompt is edited."""
    checkpoint.execute("DELETE FROM rows_seen")
    model = started(
        checkpoint, [plan_row(0, 1, id="x", content=name(7))], [(1, "lost"), (1, "lost")]
    )
    record_rows_seen(checkpoint, COMPARISON)
    retry_once(checkpoint, model, Retry((None, 9), [], ["succeeded"], None))
    begin_plan(checkpoint)
    add_to_plan(checkpoint, [plan_row(0, 2, id="x", content=name(7))])
    redone = finish_plan(checkpoint, COMPARISON).redone
    counts = finish_plan(checkpoint, replace(COMPARISON, keeps_answers=True))
    assert (redone, counts.already_answered, counts.to_send) == (1, 1, 0)
