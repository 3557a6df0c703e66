"""Estimates a job from everything that can be known without sending a request that is paid for."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

from batcher.api.key import Secret, read_key
from batcher.core.estimate.delivery_advice import Advice, advise
from batcher.core.estimate.estimate import Estimate
from batcher.core.estimate.evidence import CountedRequest
from batcher.core.job import ApiSection
from batcher.core.money.budget import BudgetState
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.commands.beginnings import found_or_empty
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.budget import open_budget
from batcher.runner.planning.count_tokens import count_prompts
from batcher.runner.planning.estimate import estimate_plan
from batcher.runner.planning.pilot import draw, only
from batcher.runner.planning.planner import Plan, make_plan
from batcher.runner.planning.preflight import changed, check_plan
from batcher.runner.sending.feed import pending_requests
from batcher.runner.simulator_process import running_simulator
from batcher.store.budget import counted as counted_money
from batcher.store.estimates import predicted_of
from batcher.store.writer import CheckpointCall

_SAMPLE = 100


@dataclass(frozen=True, slots=True)
class Estimated:
    """A job's plan, what it will cost, and what is to be said of it.

    ``spent_usd`` is what the job has cost so far, ``budget`` where its budget stands. ``notes``
    say what the estimate could not use. ``held_by`` says which run holds the checkpoint: what that
    has answered is then not counted.
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
    """Estimate what a run would cost that is started now.

    Prompts of a sample are counted by the API, when there is a key and no answer to learn from.
    Raises ConfigurationError for what would keep a run from starting, but for what it would ask.
    """
    now = datetime.now(UTC)
    context = open_job(loaded, is_simulated=is_simulated, today=now.date())
    notes: list[str] = []
    with found_or_empty(context.workspace) as found:
        db = found.checkpoint.call
        plan = make_plan(context, db, rows_read)
        check_plan(plan, context)
        estimate = estimate_plan(context, plan, db)
        if estimate.basis == "text" and plan.counts.to_send and not is_offline:
            sample = _sample(context, plan, db)
            counts = _counted(context, environ, sample, notes)
            if counts:
                estimate = estimate_plan(context, plan, db, counts)
        budget = open_budget(context, plan, db, now, None)
        spent = counted_money(found.checkpoint)
    if (change := changed(plan, context)) is not None:
        notes.append(change.message)
    budget_state = None if budget is None else budget.state
    advice = advise(estimate, budget_state, can_batch=False)
    return Estimated(
        context, plan, estimate, spent.spent, budget_state, advice, tuple(notes), found.held_by
    )


@dataclass(frozen=True, slots=True)
class _Sampled:
    """A request to count: its rates' group, its estimated prompt, and its fields."""

    group: str
    predicted: float
    fields: Mapping[str, Any]


def _sample(context: JobContext, plan: Plan, db: CheckpointCall) -> list[_Sampled]:
    """Draw some of the requests to send, and make them."""
    items = sorted(draw(plan, db, _SAMPLE))
    rows = db(predicted_of, items)
    made = pending_requests(context, only(plan, context, db, items))
    return [
        _Sampled(row["group"], row["predicted"], json.loads(pending.body))
        for row, pending in zip(rows, made, strict=True)
    ]


def _counted(
    context: JobContext,
    environ: Mapping[str, str],
    sample: Sequence[_Sampled],
    notes: list[str],
) -> list[CountedRequest]:
    """Have the API count them; what it did not is noted, and no reason to stop."""
    try:
        with _server(context, environ) as (api, key):
            chance = Random().random  # noqa: S311 - for jitter
            counts = count_prompts(api, key, [one.fields for one in sample], chance)
    except ConfigurationError as error:
        notes.append(f"the API counted no prompts: {error.message}")
        return []
    trouble = counts.trouble or (counts.halt and counts.halt.message)
    if trouble:
        notes.append(f"the API counted {len(counts.tokens)} of {len(sample)} prompts: {trouble}")
    return [
        CountedRequest(sample[place].group, sample[place].predicted, number)
        for place, number in sorted(counts.tokens.items())
    ]


@contextmanager
def _server(
    context: JobContext, environ: Mapping[str, str]
) -> Iterator[tuple[ApiSection, Secret | None]]:
    """The API to ask and the key for it; the embedded simulator runs only meanwhile."""
    api = context.job.api
    if context.asks_simulator:
        with running_simulator(0.0) as url:
            changes = {"base_url": url, "auth": "x-api-key"}
            yield api.model_copy(update=changes), Secret("simulator")
        return
    yield api, read_key(api, environ)
