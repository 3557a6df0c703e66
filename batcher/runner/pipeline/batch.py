"""The batch delivery of a run: what it needs, put together."""

import asyncio
import random
from functools import partial

from batcher.api.batches_client import BatchesClient
from batcher.core.batches.durations import Durations
from batcher.core.job import ApiSection
from batcher.runner.batches.auto import AutoDelivery
from batcher.runner.batches.calls import Calls
from batcher.runner.batches.collector import Collector
from batcher.runner.batches.context import BatchContext
from batcher.runner.batches.endings import Endings
from batcher.runner.batches.live_pace import LivePace
from batcher.runner.batches.open_batches import OpenBatches
from batcher.runner.batches.orphans import Orphans
from batcher.runner.batches.priming import Priming
from batcher.runner.batches.rounds import Rounds
from batcher.runner.batches.submitter import Submitter
from batcher.runner.batches.watch import BatchWatch
from batcher.runner.days import budget_day
from batcher.runner.pipeline.session import PlannedRun, RunSession
from batcher.runner.planning.parts import within
from batcher.runner.planning.planner import Plan
from batcher.runner.planning.refresh import refreshed_plan, refreshed_retry
from batcher.runner.sending.context import SendContext
from batcher.runner.sending.progress import Progress
from batcher.store.batches import ended_durations

_LEAST_ROWS_PER_S = 50 / 60  # the lowest limit of an account


def make_rounds(
    session: RunSession,
    planned: PlannedRun,
    api: ApiSection,
    ctx: SendContext,
    progress: Progress,
) -> Rounds:
    """Put together the batch delivery of a run."""
    batches = _batch_context(session, planned, api, ctx)
    day = budget_day(session.context.job.budget, session.started)
    collector = Collector(
        batches,
        lambda: progress.stopped_by not in (None, "budget"),
        None if day is None else day.start,
    )
    open_batches = OpenBatches(batches)
    orphans = Orphans(batches, open_batches.known_ids)
    priming = _priming(batches, planned)
    endings = Endings(batches, open_batches, collector, priming)
    watch = BatchWatch(batches, open_batches, orphans, endings, priming)
    submitter = Submitter(batches, open_batches, orphans, endings, priming)
    plan_again = partial(_plan_again, session, planned.plan, progress)
    auto = None
    if planned.route.deadline is not None:
        pace = LivePace(lambda: progress.live, _expected_pace(planned), progress.clock)
        submit = partial(submitter.submit_plan, waits=False)
        deadline = planned.route.deadline
        auto = AutoDelivery(batches, open_batches, watch, submit, plan_again, pace, deadline)
    return Rounds(
        batches,
        planned.route,
        open_batches,
        watch,
        submitter,
        plan_again,
        progress.stop_for,
        session.options.detaches,
        auto,
    )


def _batch_context(
    session: RunSession, planned: PlannedRun, api: ApiSection, ctx: SendContext
) -> BatchContext:
    job = planned.sending.job
    jitter = random.Random().random  # noqa: S311 - not for secrets
    return BatchContext(
        ctx=ctx,
        sending=planned.sending,
        client=BatchesClient(api, session.key, timeout_s=float(job.limits.timeout_s)),
        calls=Calls(
            ctx.stopping,
            jitter,
            float(job.retry.max_wait_s),
            float(job.retry.patience_s),
            session.ui.say,
        ),
        durations=Durations.learnt(session.writer.call(ended_durations)),
        checkpoint=session.writer.call,
        folder=session.context.workspace.state,
        key_digest=lambda marker: "" if session.key is None else session.key.digest(marker),
        failure=lambda: session.writer.failure,
        say=session.ui.say,
        event=session.record.events.write,
    )


def _priming(batches: BatchContext, planned: PlannedRun) -> Priming:
    models, estimate = planned.plan.models, planned.estimate
    rates = None
    if models:
        rates = planned.sending.prices.model(models.most_common(1)[0][0]).batch
    is_cheaper = estimate is not None and estimate.choices[0].is_cached
    return Priming(batches, rates, is_cheaper)


def _expected_pace(planned: PlannedRun) -> float:
    """Return how many rows a second the estimate expects of live requests.

    A retry has no estimate; the least that any account can do is assumed.
    """
    estimate = planned.estimate
    timing = None if estimate is None else estimate.duration
    if estimate is None or timing is None or not timing.seconds.expected:
        return _LEAST_ROWS_PER_S
    return estimate.requests / timing.seconds.expected


async def _plan_again(session: RunSession, planned: Plan, progress: Progress, plan: Plan) -> Plan:
    """Return what is left to send of what was planned: a pilot sends no other rows."""
    context, db, given_up = session.context, session.writer.call, tuple(progress.given_up)
    if session.options.retrying is None:
        again = await asyncio.to_thread(refreshed_plan, context, plan, db, given_up)
        return again if session.options.pilot is None else within(again, planned)
    run_id = session.run_id
    return await asyncio.to_thread(refreshed_retry, context, plan, db, given_up, run_id)
