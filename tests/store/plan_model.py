"""Random inputs and checkpoints, and a model of the store's queries in plain Python."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from batch_model import Batches, batches
from hypothesis import strategies as st
from sample_records import fingerprint_of, intent, outcome, plan_row

from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import InputComparison, add_to_plan, begin_plan
from batcher.store.records import Intent, OutcomeRecord, PlanRecord

FILES = ["a.jsonl", "b.jsonl"]
ALLOWANCE = 2
COMPARISON = InputComparison(ALLOWANCE, True, fingerprint_of(0), False, False)
KINDS = ["open", "open", "unknown", "transient", "transient", "final", "failed", "unpriced"]
TOKENS = ("input_tokens", "cache_read_input_tokens", "output_tokens", "thinking_tokens")
USD = st.decimals(0, 9, places=18)


@dataclass(frozen=True)
class Case:
    """The plan of an input, and the records of a checkpoint."""

    plan: list[PlanRecord]
    attempts: list[Intent]
    outcomes: list[OutcomeRecord]
    batches: Batches = field(default_factory=Batches)

    def load(self, checkpoint: Checkpoint) -> None:
        """Empty a checkpoint and add these records and this plan."""
        for table in ("attempts", "outcomes"):
            checkpoint.execute(f"DELETE FROM {table}")
        checkpoint.commit({"attempts": self.attempts, "outcomes": self.outcomes})
        self.batches.load(checkpoint)
        begin_plan(checkpoint)
        add_to_plan(checkpoint, self.plan)


@st.composite
def plans(draw: st.DrawFn) -> list[PlanRecord]:
    """Generate rows with or without a request; some share a request or an id."""
    samples = draw(st.integers(1, 2))
    plan = []
    for ordinal in range(draw(st.integers(0, 7))):
        request = draw(st.none() | st.integers(0, 3))
        changes: dict[str, Any] = {
            "ordinal": ordinal,
            "id": draw(st.none() | st.sampled_from("xyz")),
            "file": draw(st.integers(0, 1)),
        }
        if request is None and draw(st.booleans()):
            changes |= {"status": "skipped", "error_type": "client.empty"}
        elif request is not None:
            changes["worst_case_usd"] = draw(st.none() | USD)
        for sample in range(samples):
            number = None if request is None else request * samples + sample
            plan.append(plan_row(ordinal * samples + sample, number, sample=sample, **changes))
    return plan


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Intent], list[OutcomeRecord], Batches]:
    """Generate attempts of two runs with all kinds of outcomes, or without an outcome.

    Some of them are in batches; those of a batch that was never created have no outcome.
    """
    attempts, outcomes = [], []
    ids = range(1, draw(st.integers(0, 14)) + 1)
    in_batches = draw(batches(ids))
    for attempt_id in ids:
        number = draw(st.integers(0, 4))
        run_id, worst = draw(st.sampled_from("ab")), draw(st.none() | USD)
        attempts.append(intent(attempt_id, number, run_id=run_id, worst_case_usd=worst))
        kind = draw(st.sampled_from(KINDS))
        changes: dict[str, Any] = {kind: draw(st.none() | st.integers(0, 2**53)) for kind in TOKENS}
        changes["cost_usd"] = draw(USD)
        if kind in ("unknown", "transient"):
            changes |= {"is_final": False, "status": "errored", "error_type": f"e_{kind}"}
            changes |= {"cost_usd": None if kind == "unknown" else Decimal(0)}
            changes["billing"] = "unknown" if kind == "unknown" else "free"
        elif kind == "failed":
            changes |= {"status": draw(st.sampled_from(["errored", "refused"])), "error_type": "e"}
        elif kind == "unpriced":
            changes["cost_usd"] = None
        if kind != "open" and in_batches.state(attempt_id) != "absent":
            outcomes.append(outcome(attempt_id, number, **changes))
    order = draw(st.permutations(outcomes))
    return attempts, order, in_batches


CASES = st.builds(lambda plan, history: Case(plan, *history), plans(), histories())


@dataclass(frozen=True)
class Recorded:
    """The attempts of one request that were sent, their outcomes, and how many wait in a batch."""

    attempts: list[Intent]
    outcomes: list[OutcomeRecord]
    pending: frozenset[int] = frozenset()

    @property
    def final(self) -> OutcomeRecord | None:
        """The first final outcome that succeeded, else the last final outcome."""
        finals = sorted((o for o in self.outcomes if o.is_final), key=lambda o: o.attempt_id)
        successes = [o for o in finals if o.status == "succeeded"]
        return next(iter(successes or finals[-1:]), None)

    @property
    def is_pending(self) -> bool:
        """Whether the answer is still to come from a batch."""
        return self.final is None and bool(self.pending)

    @property
    def shown(self) -> OutcomeRecord | None:
        """The final outcome, else the last outcome; none while a request waits in a batch."""
        if self.is_pending:
            return None
        return self.final or max(self.outcomes, key=lambda o: o.attempt_id, default=None)

    @property
    def unknown(self) -> int:
        """The number of attempts with unknown billing status."""
        still_open = len(self.attempts) - len(self.outcomes) - len(self.pending)
        return still_open + sum(o.billing == "unknown" for o in self.outcomes)

    @property
    def unknown_usd(self) -> Decimal | None:
        """The most that these attempts can have cost; None when one of them has no bound."""
        ended = {o.attempt_id for o in self.outcomes if o.billing != "unknown"}
        ended |= self.pending
        worst = [a.worst_case_usd for a in self.attempts if a.attempt_id not in ended]
        return None if None in worst else sum(worst, Decimal(0))

    @property
    def cost(self) -> Decimal:
        """The sum of the known costs of the attempts."""
        return sum((o.cost_usd for o in self.outcomes if o.cost_usd is not None), Decimal(0))


class Model:
    """Answers the same questions as the queries, with loops."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.plan = list(case.plan)

    def mark_duplicates(self) -> None:
        """Remove the request of each row with the id of an earlier row with another request."""
        first: dict[tuple[str | None, int], PlanRecord] = {}
        for index, record in enumerate(self.plan):
            earlier = first.setdefault((record.id, record.sample), record)
            is_same = None is not record.fingerprint == earlier.fingerprint
            if record.id is not None and earlier.ordinal < record.ordinal and not is_same:
                self.plan[index] = record._replace(
                    fingerprint=None,
                    worst_case_usd=None,
                    status="errored",
                    error_type="client.duplicate_id",
                    reason=f"the id is the same as in {FILES[earlier.file]}:{earlier.line}",
                )

    def recorded(self, fingerprint: bytes) -> Recorded:
        """Return the attempts and outcomes of a request."""
        return Recorded(
            [a for a in self.sent() if a.fingerprint == fingerprint],
            [o for o in self.case.outcomes if o.fingerprint == fingerprint],
            self.pending() & {a.attempt_id for a in self.sent() if a.fingerprint == fingerprint},
        )

    def sent(self) -> list[Intent]:
        """Return the attempts that were sent, or may have been."""
        absent = self.case.batches.state
        return [a for a in self.case.attempts if absent(a.attempt_id) != "absent"]

    def pending(self) -> frozenset[int]:
        """Return the attempts that wait in a batch."""
        ended = {o.attempt_id for o in self.case.outcomes}
        waiting = (a.attempt_id for a in self.case.attempts if a.attempt_id not in ended)
        return frozenset(a for a in waiting if self.case.batches.state(a) == "pending")

    def first_items(self) -> list[PlanRecord]:
        """Return the first item of each request."""
        seen: dict[bytes, PlanRecord] = {}
        for record in self.plan:
            if record.fingerprint is not None:
                seen.setdefault(record.fingerprint, record)
        return list(seen.values())

    def to_send(self) -> list[PlanRecord]:
        """Return the open items that do not wait, and have fewer unknown attempts than allowed."""
        return [r for r in self.open() if self.is_sendable(r)]

    def is_sendable(self, record: PlanRecord) -> bool:
        """Return whether an open item is sent by a run."""
        recorded = self.recorded(record.fingerprint)
        return not recorded.is_pending and recorded.unknown < ALLOWANCE

    def waiting(self) -> list[PlanRecord]:
        """Return the open items whose request waits in a batch."""
        return [r for r in self.open() if self.recorded(r.fingerprint).is_pending]

    def open(self) -> list[PlanRecord]:
        """Return the first items of the requests without a final outcome."""
        return [r for r in self.first_items() if self.recorded(r.fingerprint).final is None]

    def ending(self, record: PlanRecord) -> tuple[str, str | None]:
        """Return the status and error type of one item."""
        if record.fingerprint is None:
            return str(record.status), record.error_type
        recorded = self.recorded(record.fingerprint)
        if recorded.is_pending:
            return "pending", "client.in_batch"
        if recorded.shown is not None:
            return recorded.shown.status, recorded.shown.error_type
        if recorded.attempts:
            return "errored", "client.billing_unknown"
        return "unsent", "client.not_sent"
