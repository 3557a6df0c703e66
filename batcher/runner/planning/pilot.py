"""A pilot: a small sample of the requests, of all lengths, that is sent first to learn from."""

from collections.abc import Sequence
from dataclasses import replace

from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.runner.planning.shared_prefixes import find_sharing
from batcher.store.estimates import draw_items, worst_cases_of
from batcher.store.writer import CheckpointCall

_ROWS_A_CLASS = 5
_MOST_CLASSES = 40


def draw(plan: Plan, db: CheckpointCall, number: int) -> list[int]:
    """Draw ``number`` of the items to send, some from each class of length."""
    items = [item for item, mark in enumerate(plan.to_send) if mark]
    classes = max(1, min(number // _ROWS_A_CLASS, _MOST_CLASSES))
    return db(draw_items, items, number, classes)


def only(plan: Plan, context: JobContext, db: CheckpointCall, items: Sequence[int]) -> Plan:
    """Return the plan with only these items to send; the prefixes they share are counted again."""
    to_send = bytearray(len(plan.to_send))
    for item in items:
        to_send[item] = plan.to_send[item]
    attempts = context.job.retry.unknown_attempts
    worst, least = db(worst_cases_of, items, attempts)
    counts = replace(
        plan.counts,
        to_send=len(items),
        attempted_before=0,
        changed=0,
        redone=0,
        worst_case_usd=worst,
        min_worst_case_usd=least,
    )
    sharing = db(find_sharing, context, items, len(to_send))
    return replace(plan, counts=counts, to_send=to_send, sharing=sharing)
