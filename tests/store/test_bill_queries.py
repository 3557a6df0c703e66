"""Charges, waste and released attempts, compared with a model in plain Python."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from batch_model import Batches
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plan_model import USD, histories
from sample_records import NOW, count, fingerprint_of, intent, opened
from samples import examples

from batcher.core.money.exact import total
from batcher.core.money.pinned import digest_of
from batcher.core.money.usage import Usage
from batcher.store.bill import (
    Released,
    Waste,
    begin_run,
    charges,
    price_tables,
    prices_of_run,
    release_unknown,
    tables_of_runs,
    waste,
)
from batcher.store.checkpoint import Checkpoint
from batcher.store.records import Intent, OutcomeRecord, RunStart
from batcher.store.results import totals

EXAMPLES = settings(
    max_examples=examples(20),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TABLE = '{"aliases":{},"as_of":"2026-11-%s","overridden":[],"overrides_as_of":null,"us_multiplier":"1.1","usd_per_mtok":{},"usd_per_web_search":"0.01"}'  # noqa: E501
Replacements = set[tuple[int, int]]


@dataclass(frozen=True)
class BillCase:
    """The records of a checkpoint: attempts, their outcomes, and replacements of requests."""

    attempts: list[Intent]
    outcomes: list[OutcomeRecord]
    replaced: Replacements
    batches: Batches = field(default_factory=Batches)

    def load(self, checkpoint: Checkpoint) -> None:
        """Empty a checkpoint and add these records."""
        for table in ("attempts", "outcomes", "replacements", "releases", "runs", "price_tables"):
            checkpoint.execute(f"DELETE FROM {table}")
        runs = [run_start("a", "1"), run_start("b", None)]
        groups = {"runs": runs, "attempts": self.attempts, "outcomes": self.outcomes}
        checkpoint.commit(groups)
        self.batches.load(checkpoint)
        for old, new in self.replaced:
            pair = {"old": fingerprint_of(old).hex(), "new": fingerprint_of(new).hex()}
            checkpoint.execute(
                "INSERT INTO replacements VALUES ($old::UUID, $new::UUID, 'b')", **pair
            )

    def of(self, run_id: str | None) -> list[tuple[Intent, OutcomeRecord]]:
        """Return the outcomes of one run, or of all, each with its attempt."""
        attempts = {attempt.attempt_id: attempt for attempt in self.attempts}
        pairs = [(attempts[one.attempt_id], one) for one in self.outcomes]
        return [(a, o) for a, o in pairs if run_id in (None, a.run_id)]

    def waste(self, run_id: str | None) -> Waste:
        """Sum up the waste, attempt by attempt."""
        good = [o for o in self.outcomes if o.is_final and o.status == "succeeded"]
        first = {o.fingerprint: o.attempt_id for o in sorted(good, key=lambda o: -o.attempt_id)}
        amounts: dict[bool, list[Decimal]] = {True: [], False: []}
        for _, one in self.of(run_id):
            is_answer = first.get(one.fingerprint) == one.attempt_id
            if one.billing == "billed" and one.cost_usd is not None and not is_answer:
                amounts[self.is_answered(one.fingerprint, set(first))].append(one.cost_usd)
        return Waste(
            len(amounts[False]), total(amounts[False]), len(amounts[True]), total(amounts[True])
        )

    def is_answered(self, fingerprint: bytes, good: set[bytes]) -> bool:
        """Return whether a request, or one that it stands for, or a variant has a good answer."""
        edges = {(fingerprint_of(old), fingerprint_of(new)) for old, new in self.replaced}
        originals = {fingerprint} | {old for old, new in edges if new == fingerprint}
        variants = originals | {new for old, new in edges if old in originals}
        return bool(good & variants)


def run_start(run_id: str, digest: str | None) -> RunStart:
    """Return the start of a run that used a price table."""
    return RunStart(run_id, NOW, 1, "host", "boot", "0", "origin", "job", "2026-11-22", digest)


@st.composite
def bill_cases(draw: st.DrawFn) -> BillCase:
    """Generate attempts with several models and rates, and replacements of requests."""
    attempts, outcomes, batches = draw(histories())
    changed = []
    for one in outcomes:
        changes: dict[str, Any] = {"model": draw(st.sampled_from(["m", "n", None]))}
        is_priced = one.billing == "billed" and one.cost_usd is not None
        if is_priced and draw(st.booleans()):
            changes["rates"] = draw(st.sampled_from(["standard", "long us"]))
        if is_priced and draw(st.integers(0, 5)) == 0:
            changes["cost_usd"] = Decimal(0)
        fields = {key: getattr(one, key) for key in OutcomeRecord.__dataclass_fields__}
        changed.append(OutcomeRecord(**{**fields, **changes}))
    numbers = st.integers(0, 5)
    edges = draw(st.sets(st.tuples(numbers, numbers).filter(lambda e: e[0] != e[1]), max_size=5))
    return BillCase(attempts, changed, edges, batches)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples, which each example empties first."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as new:
        yield new


@EXAMPLES
@given(bill_cases())
def test_waste(checkpoint: Checkpoint, case: BillCase) -> None:
    """Failed and repeated attempts are those of the model, for one run and for all."""
    case.load(checkpoint)
    for run_id in ("a", "b", None):
        assert waste(checkpoint, run_id) == case.waste(run_id)


@EXAMPLES
@given(bill_cases())
def test_charges(checkpoint: Checkpoint, case: BillCase) -> None:
    """Attempts priced alike are one charge with all their tokens; all charges are the cost."""
    case.load(checkpoint)
    for run_id in ("a", "b", None):
        groups: dict[Any, list[OutcomeRecord]] = {}
        for attempt, one in case.of(run_id):
            if one.cost_usd or one.rates:
                digest = "1" if attempt.run_id == "a" else None
                delivery = "batch" if one.attempt_id in case.batches.batch_of else "live"
                key = (digest, one.model, attempt.model, one.rates, delivery)
                groups.setdefault(key, []).append(one)
        found = {
            (c.prices, c.response_model, c.requested_model, c.rates, c.delivery): (c.usage, c.usd)
            for c in charges(checkpoint, run_id)
        }
        assert found == {
            key: (_tokens(members), total(o.cost_usd for o in members if o.cost_usd is not None))
            for key, members in groups.items()
        }
        spent = totals(checkpoint, run_id)["cost_usd"]
        assert total(usd for _, usd in found.values()) == spent


@EXAMPLES
@given(bill_cases(), USD)
def test_released_attempts_are_no_longer_unknown(
    checkpoint: Checkpoint, case: BillCase, worst: Decimal
) -> None:
    """They are counted separately; a later attempt without an outcome is unknown again."""
    case.load(checkpoint)
    before = totals(checkpoint)
    assert (before["released"], before["released_usd"]) == (0, 0)
    held_usd = before["unknown_usd"] + before["unpriced_usd"]
    assert release_unknown(checkpoint, NOW) == Released(
        before["unknown"], before["unpriced"], held_usd
    )
    checkpoint.commit({"attempts": [intent(99, run_id="a", worst_case_usd=worst)]})
    after = totals(checkpoint)
    assert after["released"] == before["unknown"] + before["unpriced"]
    assert after["released_usd"] == held_usd
    assert after["unpriced_usd"] == 0
    assert (after["unknown"], after["unknown_usd"]) == (1, worst)
    runs = [totals(checkpoint, run_id) for run_id in "ab"]
    assert sum(one["released"] for one in runs) == after["released"]
    assert sum(one["unknown"] for one in runs) == 1


def test_a_price_table_is_kept_once(checkpoint: Checkpoint) -> None:
    """Runs with the same prices share a table; a run of an older batcher has none."""
    BillCase([], [], set()).load(checkpoint)
    before = checkpoint.records
    first, second = TABLE % 21, TABLE % 22
    for run_id, text in (("c", first), ("d", second), ("e", first)):
        begin_run(checkpoint, run_start(run_id, digest_of(text)), text)
    tables = price_tables(checkpoint)
    assert {digest: one.text for digest, one in tables.items()} == {
        digest_of(text): text for text in (first, second)
    }
    of_runs = [prices_of_run(checkpoint, run_id) for run_id in "bcdex"]
    texts = [one and one.text for one in of_runs]
    assert texts == [None, first, second, first, None]
    used = tables_of_runs(checkpoint)
    assert used["c"] == used["e"] != used["d"]
    assert "b" not in used
    assert checkpoint.records == before + 5
    assert count(checkpoint, "price_tables") == 2


def _tokens(members: list[OutcomeRecord]) -> Usage:
    kinds = (
        "input_tokens",
        "output_tokens",
        "cache_creation_5m_input_tokens",
        "cache_creation_1h_input_tokens",
        "cache_read_input_tokens",
    )
    return Usage(*(sum(getattr(one, kind) or 0 for one in members) for kind in kinds))
