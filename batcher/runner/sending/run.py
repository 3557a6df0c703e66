"""The sending part of a run: the event loop, and everything that can end it early."""

import asyncio
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from itertools import count

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.job import ApiSection
from batcher.core.money.budget import Budget
from batcher.core.money.display import rounded_text
from batcher.core.pace.halt import Basis, Halt, HaltWatch, Unsent, budget_reached
from batcher.core.pace.retry import RetryPolicy
from batcher.errors import BatcherError, CheckpointError, InputError
from batcher.runner.job_context import JobContext
from batcher.runner.planning.planner import Plan
from batcher.runner.sending.budget_gate import BudgetGate
from batcher.runner.sending.cache_gate import CacheGate
from batcher.runner.sending.context import SendContext
from batcher.runner.sending.feed import Feed
from batcher.runner.sending.label_check import LabelCheck
from batcher.runner.sending.live import run_live
from batcher.runner.sending.progress import Progress
from batcher.runner.sending.rate_gate import RateGate
from batcher.runner.sending.ticker import Ticker
from batcher.runner.signals import draining
from batcher.runner.ui import Snapshot, Ui
from batcher.store.disk_space import LOG_BYTES, disk_full, free_bytes
from batcher.store.writer import Writer


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What sending needs besides the plan; ``deadline`` is in seconds of ``time.monotonic``.

    ``give_up`` gets the exit code and what may be billed unseen when a second signal comes.
    ``estimated_usd`` is what all of it is likely to cost, ``plan_cap_usd`` the cap of a saved plan.
    """

    context: JobContext
    plan: Plan
    api: ApiSection
    key: Secret | None
    writer: Writer
    run_id: str
    first_attempt_id: int
    budget: Budget | None
    ui: Ui
    publish: Callable[[Snapshot, Progress], None]
    give_up: Callable[[int, Decimal], None]
    deadline: float | None = None
    estimated_usd: Decimal | None = None
    plan_cap_usd: Decimal | None = None


@dataclass(slots=True)
class Ended:
    """How sending ended: its counts, and the signal that stopped it, if one did.

    Any other reason to stop early is ``progress.halt``.
    """

    progress: Progress
    signal: int | None = None


async def send_all(run: LiveRun) -> Ended:
    """Send what the plan wants sent; returns when all that came back is on the disk.

    What goes wrong on the way ends as a halt: a run that was paid for has an end to tell of.
    """
    job, loop, stopping = run.context.job, asyncio.get_running_loop(), asyncio.Event()
    watch = HaltWatch(float(job.retry.patience_s), loop.time())
    progress = Progress(run.plan.counts.to_send, watch, stopping.set, loop.time)

    def spend_no_more() -> None:
        progress.stopped_by = progress.stopped_by or "budget"
        stopping.set()

    least = run.plan.counts.least_worst_case_usd or Decimal(0)
    budget_gate = BudgetGate(run.budget, least, stopping, spend_no_more)
    ended = Ended(progress)
    client = MessagesClient(
        run.api,
        run.key,
        connections=job.limits.concurrency,
        timeout_s=float(job.limits.timeout_s),
    )
    ctx = _send_context(run, client, budget_gate, stopping, progress)
    with (
        _stopped_by_signals(ended, ctx, run),
        _stopped_at(run.deadline, progress, ctx, run.ui),
    ):
        feed = Feed(run.context, run.plan, stopping.is_set, lambda: 2 * ctx.rate_gate.wanted)
        ticker = Ticker(ctx, progress, run.ui, run.publish, partial(_trouble, run, ctx, progress))
        ticking = asyncio.create_task(ticker.run())
        try:
            await run_live(feed, ctx)
        except (InputError, CheckpointError) as error:
            progress.halt = _halt(error)
        finally:
            ticking.cancel()
            await asyncio.gather(ticking, return_exceptions=True)
            feed.close()
            await client.aclose()
            progress.limits = ctx.rate_gate.observed_limits
            ticker.show_end()
            run.ui.end()
        progress.halt = (
            _halt(run.writer.failure)
            or progress.halt
            or _time_is_up(progress)
            or _budget_is_reached(run, budget_gate, progress)
        )
        ticker.end()
    return ended


def _send_context(
    run: LiveRun,
    client: MessagesClient,
    budget_gate: BudgetGate,
    stopping: asyncio.Event,
    progress: Progress,
) -> SendContext:
    job = run.context.job
    policy = RetryPolicy(
        job.retry.attempts, float(job.retry.max_wait_s), job.retry.unknown_attempts
    )
    chance = random.Random().random  # noqa: S311 - for jitter
    return SendContext(
        client=client,
        recorder=run.writer,
        rate_gate=RateGate(job.limits, policy.max_wait_s, stopping, progress.clock, chance),
        budget_gate=budget_gate,
        cache_gate=CacheGate(job.cache.ttl, progress.clock),
        prices=run.context.prices,
        free_usage_fields=job.prices.free_usage_fields,
        policy=policy,
        label_check=LabelCheck.of(run.context),
        run_id=run.run_id,
        attempt_ids=count(run.first_attempt_id),
        random=chance,
        stopping=stopping,
        watcher=progress,
    )


@contextmanager
def _stopped_by_signals(ended: Ended, ctx: SendContext, run: LiveRun) -> Iterator[None]:
    """Drain on the first signal; give up on the second."""
    loop = asyncio.get_running_loop()

    def stop(number: int) -> None:
        ended.signal = number
        ended.progress.stopped_by = signal.Signals(number).name
        loop.call_soon_threadsafe(_drain, "stopping", ctx, run.ui, "; once more gives up")

    def last_words() -> str:
        unrecorded = len(ctx.unrecorded)
        came_back = f" and {unrecorded} answers not on the disk yet" if unrecorded else ""
        worst = rounded_text(ctx.unknown_usd)
        return (
            f"gave up {ctx.in_flight} requests in flight{came_back}; "
            f"up to {worst} may be billed unseen"
        )

    with draining(stop, last_words, lambda code: run.give_up(code, ctx.unknown_usd)):
        yield


@contextmanager
def _stopped_at(
    deadline: float | None, progress: Progress, ctx: SendContext, ui: Ui
) -> Iterator[None]:
    """Drain at the deadline; nothing is sent when it is past."""

    def stop() -> None:
        progress.stopped_by = progress.stopped_by or "deadline"
        _drain("the time is up", ctx, ui)

    if deadline is None:
        yield
        return
    loop = asyncio.get_running_loop()
    if loop.time() >= deadline:
        stop()
        yield
        return
    timer = loop.call_at(deadline, stop)
    try:
        yield
    finally:
        timer.cancel()


def _drain(why: str, ctx: SendContext, ui: Ui, more: str = "") -> None:
    ctx.stopping.set()
    ui.say(f"{why}: {ctx.in_flight} requests in flight are awaited{more}")


def _trouble(run: LiveRun, ctx: SendContext, progress: Progress) -> Halt | None:
    """See whether the checkpoint can take what is in flight; may wait for the disk."""
    folder, coming = run.context.workspace.state, ctx.in_flight + len(ctx.unrecorded)
    is_short = free_bytes(folder) < LOG_BYTES + coming * progress.longest_answer
    return _halt(run.writer.failure or (disk_full(folder) if is_short else None))


def _halt(error: BatcherError | None) -> Halt | None:
    return None if error is None else Halt(1, error.message, error.hint)


def _time_is_up(progress: Progress) -> Halt | None:
    left = progress.to_send - progress.done
    if progress.stopped_by != "deadline" or not left:
        return None
    return Halt(7, f"the time is up; {left:,} rows are left", "the same command goes on with them")


def _budget_is_reached(run: LiveRun, budget_gate: BudgetGate, progress: Progress) -> Halt | None:
    """Say what is left when the budget, and nothing else, kept rows from being sent."""
    left = progress.to_send - progress.done
    budget_state = budget_gate.state
    if budget_state is None or not budget_gate.left_out or not left:
        return None
    if progress.stopped_by not in (None, "budget"):
        return None  # a signal, which is told first
    usd, basis = _cost_of(left, run, progress)
    return budget_reached(
        budget_state,
        Unsent(left, usd, basis, budget_gate.largest_left_out),
        is_daily=run.context.job.budget.per == "day",
        plan_cap_usd=run.plan_cap_usd,
    )


def _cost_of(left: int, run: LiveRun, progress: Progress) -> tuple[Decimal, Basis]:
    """What rows that are left cost, by the best that is known of it."""
    if progress.mean_usd is not None:
        return progress.mean_usd * left, Basis.RUN
    if run.estimated_usd is not None:
        return run.estimated_usd / progress.to_send * left, Basis.ESTIMATE
    # Whoever has a budget has a bound of all that is to be sent.
    return run.plan.counts.worst_case_usd or Decimal(0), Basis.BOUND
