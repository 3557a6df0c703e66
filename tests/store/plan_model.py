"""Random inputs and checkpoints, and the store's questions answered by loops in plain Python."""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from records_made import intent, name, outcome, plan_row

from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import InputComparison, add_to_plan, begin_plan
from batcher.store.records import Intent, OutcomeRecord, PlanRecord

FILES = ["a.jsonl", "b.jsonl"]
ALLOWANCE = 2
COMPARISON = InputComparison(ALLOWANCE, True, name(0), False, False)
KINDS = ["lost", "lost", "unknown", "passing", "passing", "final", "failed", "unpriced"]
TOKENS = ("input_tokens", "cache_read_input_tokens", "output_tokens", "thinking_tokens")
USD = st.decimals(0, 9, places=18)


@dataclass(frozen=True)
class Case:
    """An input's plan, and what a checkpoint holds."""

    plan: list[PlanRecord]
    attempts: list[Intent]
    outcomes: list[OutcomeRecord]

    def load(self, checkpoint: Checkpoint) -> None:
        """Put everything into an emptied checkpoint."""
        for table in ("attempts", "outcomes"):
            checkpoint.execute(f"DELETE FROM {table}")
        checkpoint.commit({"attempts": self.attempts, "outcomes": self.outcomes})
        begin_plan(checkpoint)
        add_to_plan(checkpoint, self.plan)


@st.composite
def plans(draw: st.DrawFn) -> list[PlanRecord]:
    """Rows with or without a request, some of which ask the same or bear the same id."""
    samples = draw(st.integers(1, 2))
    plan = []
    for ordinal in range(draw(st.integers(0, 7))):
        asked = draw(st.none() | st.integers(0, 3))
        changes: dict[str, Any] = {
            "ordinal": ordinal,
            "id": draw(st.none() | st.sampled_from("xyz")),
            "file": draw(st.integers(0, 1)),
        }
        if asked is None and draw(st.booleans()):
            changes |= {"status": "skipped", "error_type": "client.empty"}
        elif asked is not None:
            changes["worst_case_usd"] = draw(st.none() | USD)
        for sample in range(samples):
            number = None if asked is None else asked * samples + sample
            plan.append(plan_row(ordinal * samples + sample, number, sample=sample, **changes))
    return plan


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Intent], list[OutcomeRecord]]:
    """Attempts of two runs: lost, unknown, failed in passing, final, priced or not."""
    attempts, outcomes = [], []
    for attempt_id in range(1, draw(st.integers(0, 14)) + 1):
        number = draw(st.integers(0, 4))
        run_id, worst = draw(st.sampled_from("ab")), draw(st.none() | USD)
        attempts.append(intent(attempt_id, number, run_id=run_id, worst_case_usd=worst))
        kind = draw(st.sampled_from(KINDS))
        changes: dict[str, Any] = {kind: draw(st.none() | st.integers(0, 2**53)) for kind in TOKENS}
        changes["cost_usd"] = draw(USD)
        if kind in ("unknown", "passing"):
            changes |= {"is_final": False, "status": "errored", "error_type": f"e_{kind}"}
            changes |= {"cost_usd": None if kind == "unknown" else Decimal(0)}
            changes["billing"] = "unknown" if kind == "unknown" else "free"
        elif kind == "failed":
            changes |= {"status": draw(st.sampled_from(["errored", "refused"])), "error_type": "e"}
        elif kind == "unpriced":
            changes["cost_usd"] = None
        if kind != "lost":
            outcomes.append(outcome(attempt_id, number, **changes))
    order = draw(st.permutations(outcomes))
    return attempts, order


CASES = st.builds(lambda plan, history: Case(plan, *history), plans(), histories())


@dataclass(frozen=True)
class Known:
    """What a checkpoint knows of one request."""

    attempts: list[Intent]
    outcomes: list[OutcomeRecord]

    @property
    def final(self) -> OutcomeRecord | None:
        """The first final outcome that succeeded, else the last final one."""
        finals = sorted((o for o in self.outcomes if o.is_final), key=lambda o: o.attempt_id)
        successes = [o for o in finals if o.status == "succeeded"]
        return next(iter(successes or finals[-1:]), None)

    @property
    def shown(self) -> OutcomeRecord | None:
        """The final outcome, else the last of all."""
        return self.final or max(self.outcomes, key=lambda o: o.attempt_id, default=None)

    @property
    def unknown(self) -> int:
        """Attempts that may have been billed unseen."""
        lost = len(self.attempts) - len(self.outcomes)
        return lost + sum(o.billing == "unknown" for o in self.outcomes)

    @property
    def unknown_usd(self) -> Decimal | None:
        """What those may have been billed; None when one of them has no bound."""
        ended = {o.attempt_id for o in self.outcomes if o.billing != "unknown"}
        worst = [a.worst_case_usd for a in self.attempts if a.attempt_id not in ended]
        return None if None in worst else sum(worst, Decimal(0))

    @property
    def cost(self) -> Decimal:
        """What its attempts cost, as far as it is known."""
        return sum((o.cost_usd for o in self.outcomes if o.cost_usd is not None), Decimal(0))


class Model:
    """The same questions, answered by loops."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.plan = list(case.plan)

    def mark_duplicates(self) -> None:
        """Take the request from every row with the id of an earlier one that asks another."""
        first: dict[tuple[str | None, int], PlanRecord] = {}
        for at, record in enumerate(self.plan):
            earlier = first.setdefault((record.id, record.sample), record)
            is_same = None is not record.fingerprint == earlier.fingerprint
            if record.id is not None and earlier.ordinal < record.ordinal and not is_same:
                self.plan[at] = replace(
                    record,
                    fingerprint=None,
                    worst_case_usd=None,
                    status="errored",
                    error_type="client.duplicate_id",
                    reason=f"the id is the same as in {FILES[earlier.file]}:{earlier.line}",
                )

    def known(self, fingerprint: bytes) -> Known:
        """Find what is recorded of a request."""
        return Known(
            [a for a in self.case.attempts if a.fingerprint == fingerprint],
            [o for o in self.case.outcomes if o.fingerprint == fingerprint],
        )

    def firsts(self) -> list[PlanRecord]:
        """The first item of each request."""
        seen: dict[bytes, PlanRecord] = {}
        for record in self.plan:
            if record.fingerprint is not None:
                seen.setdefault(record.fingerprint, record)
        return list(seen.values())

    def to_send(self) -> list[PlanRecord]:
        """What is sent: no final outcome yet, and not unknown too often."""
        return [r for r in self.open() if self.known(r.fingerprint).unknown < ALLOWANCE]

    def open(self) -> list[PlanRecord]:
        """Requests without a final outcome."""
        return [r for r in self.firsts() if self.known(r.fingerprint).final is None]

    def ending(self, record: PlanRecord) -> tuple[str, str | None]:
        """Status and error type of one item."""
        if record.fingerprint is None:
            return str(record.status), record.error_type
        known = self.known(record.fingerprint)
        if known.shown is not None:
            return known.shown.status, known.shown.error_type
        return "unsent", "client.billing_unknown" if known.attempts else "client.not_sent"
