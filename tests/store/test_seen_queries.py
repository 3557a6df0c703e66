"""What the planning queries say of an input night after night, against a model in plain Python."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from records_made import count, intent, name, opened, outcome, plan_row
from seen_model import ALLOWANCE, NIGHTS, ROW, Diary, Item, Night

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
    max_examples=40,
    deadline=None,
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def plan(checkpoint: Checkpoint, diary: Diary, night: Night, items: list[Item]) -> None:
    """Give the checkpoint the night's plan."""
    records: list[PlanRecord] = []
    for number, item in enumerate(items):
        changes = {
            "ordinal": number // diary.samples,
            "sample": number % diary.samples,
            "content": name(item.content),
            "id": night.rows[number // diary.samples].id if diary.has_ids else None,
        }
        records.append(plan_row(number, item.fingerprint, **changes))
    begin_plan(checkpoint)
    add_to_plan(checkpoint, records)
    mark_duplicate_ids(checkpoint, ["rows.jsonl"])


def comparison(diary: Diary, night: Night) -> InputComparison:
    """How the night's input is held against the past."""
    keeps = night.consent == "keep"
    return InputComparison(ALLOWANCE, diary.has_ids, name(night.coverage), keeps, night.is_part)


def check_counts(diary: Diary, night: Night, items: list[Item], counts: PlanCounts) -> None:
    """Hold the planning line against the diary."""
    firsts, sends = diary.firsts(items), diary.to_send(items)
    fresh = [item for item in sends if not diary.attempts.get(item.asked)]
    changed = sum(diary.is_changed(item) for item in fresh)
    redone = diary.redone(night, items)
    assert counts.items == len(items)
    assert counts.already_answered == sum(item.asked in diary.finals for item in firsts)
    assert counts.to_send == len(sends)
    assert counts.attempted_before == len(sends) - len(fresh)
    assert (counts.changed, counts.new) == (changed, len(fresh) - changed)
    unmatched = diary.unmatched(night, items)
    assert counts.redone == unmatched + (0 if night.consent == "keep" else len(redone))
    assert counts.removed == (0 if night.is_part else len(diary.gone(items)))


def send(checkpoint: Checkpoint, diary: Diary, night: Night, items: list[Item]) -> None:
    """Send what is to be sent, and let it end as the night says."""
    groups = {"attempts": [], "outcomes": []}
    number = checkpoint.next_attempt_id()
    for item, ending in zip(diary.to_send(items), night.endings, strict=False):
        if ending == "unsent":
            continue
        asked = item.asked
        groups["attempts"].append(intent(number, asked))
        diary.attempts[asked] = diary.attempts.get(asked, 0) + 1
        if ending == "lost":
            diary.unknown[asked] = diary.unknown.get(asked, 0) + 1
        else:
            is_final = ending != "passing"
            status = "succeeded" if ending == "succeeded" else "errored"
            groups["outcomes"].append(outcome(number, asked, is_final=is_final, status=status))
            diary.finals |= {asked} if is_final else set()
        number += 1
    checkpoint.commit(groups)


def planned(checkpoint: Checkpoint) -> list[bytes | None]:
    """What each item of the plan asks."""
    rows = checkpoint.rows("SELECT fingerprint FROM plan ORDER BY item")
    return [value and value.bytes for (value,) in rows]


def emptied(checkpoint: Checkpoint, diary: Diary) -> Diary:
    """Take everything out of a checkpoint, for a diary that begins."""
    for table in ("attempts", "outcomes", "rows_seen"):
        checkpoint.execute(f"DELETE FROM {table}")
    return diary


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples; each empties it first."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as made:
        yield made


def hold(checkpoint: Checkpoint, diary: Diary, nights: list[Night]) -> None:
    """Each night says what is new, changed, gone and redone, sends that, and remembers it once."""
    for night in nights:
        items = diary.items(night)
        if night.consent == "keep":
            for item in items:
                if diary.is_made_otherwise(night, item):
                    item.asked = diary.seen[item.key].fingerprint
        plan(checkpoint, diary, night, items)
        how = comparison(diary, night)
        check_counts(diary, night, items, finish_plan(checkpoint, how))
        asked = [None if item.is_bad else name(item.asked) for item in items]
        assert planned(checkpoint) == asked
        sends = items_to_send(checkpoint, ALLOWANCE).column("item").to_pylist()
        assert sorted(sends) == [items.index(item) for item in diary.to_send(items)]
        if night.consent == "refused" and diary.redone(night, items):
            continue
        diary.note(night, items)
        record_rows_seen(checkpoint, how)
        assert count(checkpoint, "rows_seen") == diary.noted
        plan(checkpoint, diary, night, items)
        again = finish_plan(checkpoint, how)
        assert (again.changed, again.removed, again.redone) == (0, 0, 0)
        record_rows_seen(checkpoint, how)
        assert count(checkpoint, "rows_seen") == diary.noted
        send(checkpoint, diary, night, items)


@settings(EXAMPLES, max_examples=10)
@given(st.booleans(), st.integers(1, 2), st.lists(NIGHTS, min_size=2, max_size=6))
def test_nights(checkpoint: Checkpoint, has_ids: bool, samples: int, nights: list[Night]) -> None:
    """A few sequences of nights."""
    hold(checkpoint, emptied(checkpoint, Diary(has_ids, samples)), nights)


@pytest.mark.slow
@EXAMPLES
@given(st.booleans(), st.integers(1, 2), st.lists(NIGHTS, min_size=2, max_size=6))
def test_more_nights(
    checkpoint: Checkpoint, has_ids: bool, samples: int, nights: list[Night]
) -> None:
    """Four times as many."""
    hold(checkpoint, emptied(checkpoint, Diary(has_ids, samples)), nights)


@pytest.mark.parametrize(
    "nights",
    [[([ROW], 1, True), ([], 1, False), ([ROW], 1, False)], [([ROW], n, True) for n in (1, 2, 1)]],
    ids=["away while the prompt got another column", "answered to this prompt, too"],
)
def test_an_answer_that_is_kept(checkpoint: Checkpoint, nights: list[Any]) -> None:
    """The unedited row has the answer that it had last, and nothing is sent."""
    diary = emptied(checkpoint, Diary(has_ids=True, samples=1))
    kept: list[Item] = []
    *earlier, last = [Night(*night, "redo", False, ["succeeded"]) for night in nights]
    for night in earlier:
        items = diary.items(night)
        plan(checkpoint, diary, night, items)
        finish_plan(checkpoint, comparison(diary, night))
        record_rows_seen(checkpoint, comparison(diary, night))
        send(checkpoint, diary, night, items)
        kept = items or kept
    plan(checkpoint, diary, last, diary.items(last))
    counts = finish_plan(checkpoint, replace(comparison(diary, last), keeps_answers=True))
    assert (counts.already_answered, counts.to_send) == (1, 0)
    assert planned(checkpoint) == [name(kept[0].asked)]
