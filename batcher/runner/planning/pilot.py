"""A pilot: a few of the requests, drawn from all lengths, that are sent first to learn from."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan, WithCheckpoint
from batcher.runner.planning.shared_prefixes import find_sharing
from batcher.store.estimates import drawn, worst_of

_ROWS_A_CLASS = 5
_MOST_CLASSES = 40


def draw(plan: Plan, with_checkpoint: WithCheckpoint, number: int) -> list[int]:
    """Draw so many of the items to send, some from each class of length."""
    items = [item for item, mark in enumerate(plan.to_send) if mark]
    classes = max(1, min(number // _ROWS_A_CLASS, _MOST_CLASSES))
    return with_checkpoint(partial(drawn, items=items, number=number, classes=classes))


def only(
    plan: Plan, context: JobContext, with_checkpoint: WithCheckpoint, items: Sequence[int]
) -> Plan:
    """The plan with nothing to send but some of its items; what they share is found anew."""
    to_send = bytearray(len(plan.to_send))
    for item in items:
        to_send[item] = plan.to_send[item]
    attempts = context.loaded.job.retry.unknown_attempts
    worst, least = with_checkpoint(partial(worst_of, items=items, attempts=attempts))
    counts = replace(
        plan.counts,
        to_send=len(items),
        attempted_before=0,
        changed=0,
        redone=0,
        worst_case_usd=worst,
        least_worst_case_usd=least,
    )
    sharing = with_checkpoint(lambda c: find_sharing(context, c, items, len(to_send)))
    return replace(plan, counts=counts, to_send=to_send, sharing=sharing)
