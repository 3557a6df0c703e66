"""What a plan has left to send, after more results were recorded; reads no input."""

from collections.abc import Collection
from dataclasses import replace

from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan, comparison_of
from batcher.runner.planning.sends import Sends
from batcher.runner.planning.shared_prefixes import find_sharing
from batcher.store.plans import items_of, items_to_send, refresh_plan
from batcher.store.retries import open_retries
from batcher.store.writer import CheckpointCall


def refreshed_plan(
    context: JobContext, plan: Plan, db: CheckpointCall, given_up: Collection[bytes]
) -> Plan:
    """Return what a plan has left to send after more results were recorded; reads no input.

    Requests whose fingerprints are ``given_up`` are left out.
    """
    comparison = comparison_of(context)
    counts = db(refresh_plan, comparison)
    sends = Sends.read(db(items_to_send, comparison.allowance), len(plan.to_send))
    for item in db(items_of, list(given_up)):
        counts = replace(counts, to_send=counts.to_send - bool(sends.marks[item]))
        sends.marks[item] = 0
    return replace(
        plan,
        counts=counts,
        to_send=sends.marks,
        repairs=sends.repairs,
        failed_before={},
        sharing=db(find_sharing, context, sends.items, len(plan.to_send)),
    )


def refreshed_retry(
    context: JobContext, plan: Plan, db: CheckpointCall, given_up: Collection[bytes], run_id: str
) -> Plan:
    """Return what a retry has left to send after more results were recorded; reads no input.

    Requests whose fingerprints are ``given_up`` are left out.
    """
    items = db(open_retries, run_id, given_up)
    to_send = bytearray(len(plan.to_send))
    for item in items:
        to_send[item] = plan.to_send[item]
    counts = replace(plan.counts, to_send=len(items), attempted_before=len(items))
    sharing = db(find_sharing, context, items, len(to_send))
    return replace(plan, counts=counts, to_send=to_send, failed_before={}, sharing=sharing)
