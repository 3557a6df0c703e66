"""Makes what a run counts while it sends, and what its workers share."""

import asyncio
import random
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from itertools import count

from batcher.api.client import MessagesClient
from batcher.core.pace.failure_ceiling import FailureCeiling
from batcher.core.pace.halt import HaltWatch
from batcher.core.pace.retry import RetryPolicy
from batcher.core.pace.suspects import Suspects
from batcher.core.pace.unpriced_watch import UnpricedWatch
from batcher.runner.pipeline.session import PlannedRun, RunSession
from batcher.runner.planning.budget import least_bound
from batcher.runner.run_history import RunHistory
from batcher.runner.sending.body_gate import BodyGate
from batcher.runner.sending.budget_gate import BudgetGate
from batcher.runner.sending.cache_gate import CacheGate
from batcher.runner.sending.context import SendContext
from batcher.runner.sending.label_check import LabelCheck
from batcher.runner.sending.progress import Progress
from batcher.runner.sending.rate_gate import RateGate
from batcher.store.batches import invalid_answers
from batcher.store.writer import CheckpointCall


def new_progress(session: RunSession, planned: PlannedRun, stopping: asyncio.Event) -> Progress:
    """Make the progress of a run that begins to send now; ``stopping`` is set to stop it."""
    job, loop = planned.sending.job, asyncio.get_running_loop()
    watch = HaltWatch(float(job.retry.patience_s), loop.time(), _suspects(planned))
    unpriced = UnpricedWatch(job.prices.max_unpriced, planned.budget is not None)
    ceiling = _failure_ceiling(session, planned)
    to_send = planned.plan.counts.to_send + planned.plan.counts.pending
    return Progress(to_send, watch, unpriced, stopping.set, loop.time, ceiling)


def _suspects(planned: PlannedRun) -> Suspects:
    job, has_labels = planned.sending.job, planned.sending.loaded.labels is not None
    accepts_invalid = job.labels.on_invalid == "keep"
    return Suspects(
        accepts_invalid,
        accepts_failed=job.limits.max_failed >= 1,
        needs_whole=has_labels and not accepts_invalid,
    )


def _failure_ceiling(session: RunSession, planned: PlannedRun) -> FailureCeiling | None:
    """Return the ceiling of a run; None for a retry, whose rows have failed, and for a pilot."""
    if session.options.retrying is not None or session.options.pilot is not None:
        return None
    job, counts = planned.sending.job, planned.plan.counts
    accepts_invalid = job.labels.on_invalid == "keep"
    return FailureCeiling(
        job.limits.max_failed, counts.items, counts.bad, counts.to_send, accepts_invalid
    )


def new_context(
    session: RunSession,
    planned: PlannedRun,
    client: MessagesClient,
    attempt_ids: "count[int]",
    progress: Progress,
    stopping: asyncio.Event,
) -> SendContext:
    """Make what the workers of a run share."""
    job = planned.sending.job
    retry = job.retry
    policy = RetryPolicy(
        retry.attempts,
        float(retry.max_wait_s),
        retry.unknown_attempts,
        float(retry.patience_s),
    )
    jitter = random.Random().random  # noqa: S311 - not for secrets
    limits = job.limits.model_copy(update={"concurrency": client.connections})
    learned = RunHistory(session.context.workspace.state).learned_limits()
    rate_gate = RateGate(limits, policy.max_wait_s, stopping, progress.clock, jitter, learned)
    session.writer.gathering.may_wait_s = rate_gate.record_wait_s
    least_usd = least_bound(planned.plan, planned.route) or Decimal(0)
    return SendContext(
        client=client,
        recorder=session.writer,
        rate_gate=rate_gate,
        budget_gate=BudgetGate(planned.budget, least_usd, stopping, progress.stop_for_budget),
        cache_gate=CacheGate(job.cache.ttl, progress.clock),
        body_gate=BodyGate(stopping),
        prices=planned.sending.prices,
        free_usage_fields=job.prices.free_usage_fields,
        policy=policy,
        label_check=LabelCheck.of(planned.sending),
        run_id=session.run_id,
        attempt_ids=attempt_ids,
        random=jitter,
        stopping=stopping,
        watcher=progress,
        invalid_answers=partial(_invalid_answers, session.writer.call),
    )


async def _invalid_answers(db: CheckpointCall, fingerprint: bytes) -> Sequence[bytes]:
    """Return the invalid answers to a request, without blocking the event loop."""
    answers = await asyncio.to_thread(db, invalid_answers, [fingerprint])
    return answers.get(fingerprint, ())
