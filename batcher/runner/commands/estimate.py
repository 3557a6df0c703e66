"""Estimates the cost of a job without sending a request that is paid for."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

from batcher.api.key import Secret, read_key
from batcher.core.estimate.delivery_advice import Advice, Offer, advise
from batcher.core.estimate.estimate import Estimate
from batcher.core.estimate.evidence import CountedRequest
from batcher.core.money.budget import BudgetState
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.commands.results import open_checkpoint_or_empty
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.budget import open_budget
from batcher.runner.planning.count_tokens import count_prompts
from batcher.runner.planning.estimate import estimate_plan
from batcher.runner.planning.pilot import draw, only
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.planning.preflight import changed, check_plan
from batcher.runner.routing import may_batch
from batcher.runner.sending.feed import pending_requests
from batcher.runner.simulator_process import server_of
from batcher.store.bill import spent_money
from batcher.store.estimates import predicted_of
from batcher.store.writer import CheckpointCall

_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Estimated:
    """A job's plan and what it will cost.

    ``spent_usd`` is what the job has cost so far; ``budget`` is None without one. ``notes`` are
    sentences for the user, such as why the API did not count prompts. ``held_by`` names the run
    that holds the checkpoint: its answers are then not counted.
    """

    context: JobContext
    plan: Plan
    estimate: Estimate
    spent_usd: Decimal
    budget: BudgetState | None
    advice: Advice
    notes: tuple[str, ...]
    held_by: str | None


def estimate_job(
    loaded: LoadedJob,
    environ: Mapping[str, str],
    *,
    is_simulated: bool,
    is_offline: bool,
    rows_read: Callable[[int], None] = lambda _: None,
) -> Estimated:
    """Estimate what a run would cost if it started now.

    The API counts the prompts of a sample when there is a key and no answer to learn from. Raises
    ConfigurationError for everything that stops a run before its first question to the user.
    """
    now = datetime.now(UTC)
    context = open_job(loaded, is_simulated=is_simulated, today=now.date())
    notes: list[str] = []
    with open_checkpoint_or_empty(context.workspace) as found:
        db = found.checkpoint.call
        plan = make_plan(context, db, rows_read)
        check_plan(plan, context)
        estimate = estimate_plan(context, plan, db, now)
        if estimate.basis == "text" and plan.counts.to_send and not is_offline:
            sample = _sample(context, plan, db)
            counts = _count(context, environ, sample, notes)
            if counts:
                estimate = estimate_plan(context, plan, db, now, counts)
        budget = open_budget(context, plan, db, now, None)
        spent = spent_money(found.checkpoint)
    if (change := changed(plan, context)) is not None:
        notes.append(change.message)
    budget_state = None if budget is None else budget.state
    advice = advise(estimate, budget_state, _offer(context, plan))
    return Estimated(
        context, plan, estimate, spent.spent, budget_state, advice, tuple(notes), found.held_by
    )


def _offer(context: JobContext, plan: Plan) -> Offer:
    """Return how the job may be sent."""
    mode = context.job.delivery.mode
    return Offer(mode, mode == "batch" or may_batch(context) is True, plan.only_live)


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A request to count.

    ``group`` names its model and rates, ``predicted`` is the estimate of its prompt in tokens.
    """

    group: str
    predicted: float
    fields: Mapping[str, Any]


def _sample(context: JobContext, plan: Plan, db: CheckpointCall) -> list[_Sampled]:
    """Draw some of the requests to send and build them."""
    items = sorted(draw(plan, db, _SAMPLE))
    rows = db(predicted_of, items)
    requests = pending_requests(context, only(plan, context, db, items))
    return [
        _Sampled(row["group"], row["predicted"], json.loads(pending.body))
        for row, pending in zip(rows, requests, strict=True)
    ]


def _count(
    context: JobContext,
    environ: Mapping[str, str],
    sample: Sequence[_Sampled],
    notes: list[str],
) -> list[CountedRequest]:
    """Let the API count the prompts of a sample; add a note for those that it did not count."""
    try:
        key = Secret("simulator") if context.asks_simulator else read_key(context.job.api, environ)
        with server_of(context, latency=0.0) as api:
            jitter = Random().random  # noqa: S311 - not for secrets
            counts = count_prompts(api, key, [request.fields for request in sample], jitter)
    except ConfigurationError as error:
        notes.append(f"token counts are estimated from the text: {error.message}")
        return []
    problem = counts.problem or (counts.halt and counts.halt.message)
    if problem:
        notes.append(f"the API counted {len(counts.tokens)} of {len(sample)} prompts: {problem}")
    return [
        CountedRequest(sample[place].group, sample[place].predicted, number)
        for place, number in sorted(counts.tokens.items())
    ]
