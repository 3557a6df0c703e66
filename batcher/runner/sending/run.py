"""The sending part of a run: event loop, signals, progress once a second."""

import asyncio
import contextlib
import os
import random
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.job import API
from batcher.core.money.display import rounded_text
from batcher.core.pace.halt import Halt, HaltWatch
from batcher.core.pace.retry import RetryPolicy
from batcher.errors import InputError
from batcher.runner.planning.prepare import Prepared
from batcher.runner.planning.survey import Plan
from batcher.runner.sending.feed import Feed
from batcher.runner.sending.live import run_live
from batcher.runner.sending.pacer import Pacer
from batcher.runner.sending.progress import Progress
from batcher.runner.sending.sender import Surroundings
from batcher.runner.ui import Snapshot, Ui
from batcher.store.writer import Writer

_TICK_S = 1.0
_RATE_WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class LiveRun:
    """What sending needs besides the plan."""

    prepared: Prepared
    plan: Plan
    api: API
    key: Secret | None
    writer: Writer
    run_id: str
    first_attempt_id: int
    ui: Ui
    publish: Callable[[Snapshot, Progress], None]


@dataclass(slots=True)
class Ended:
    """How sending ended: its counts, and the signal that stopped it, if one did."""

    progress: Progress
    signal: int | None = None


async def send_all(run: LiveRun) -> Ended:
    """Send what the plan wants sent; returns when all that came back is on the disk."""
    job = run.prepared.loaded.job
    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    watch = HaltWatch(float(job.retry.patience_s), loop.time())
    progress = Progress(run.plan.counts.to_send, watch, stopping.set, loop.time)
    ended = Ended(progress)
    pacer = Pacer(job.limits, loop.time)
    client = MessagesClient(
        run.api,
        run.key,
        connections=job.limits.concurrency,
        timeout_s=float(job.limits.timeout_s),
    )
    surroundings = Surroundings(
        client=client,
        recorder=run.writer,
        pacer=pacer,
        prices=run.prepared.prices,
        free_usage_fields=job.prices.free_usage_fields,
        policy=RetryPolicy(
            job.retry.attempts, float(job.retry.max_wait_s), job.retry.unknown_attempts
        ),
        run_id=run.run_id,
        attempt_ids=count(run.first_attempt_id),
        random=random.Random().random,  # noqa: S311 - for jitter
        stopping=stopping,
        watcher=progress,
    )
    _stop_on_signals(loop, ended, stopping, surroundings, run.ui)
    feed = Feed(run.prepared, run.plan, stopping.is_set)
    ticker = asyncio.create_task(_tick(run, progress, pacer, surroundings))
    try:
        await run_live(feed, job.limits.concurrency, surroundings)
    except InputError as error:
        # What came back is recorded; the run ends like any that has to stop in the middle.
        progress.halt = Halt(1, error.message, error.hint)
    finally:
        ticker.cancel()
        await asyncio.gather(ticker, return_exceptions=True)
        feed.close()
        await client.aclose()
        run.ui.end()
    _publish(run, _snapshot(progress, surroundings, pacer, 0.0, loop.time()), progress)
    return ended


def _publish(run: LiveRun, snapshot: Snapshot, progress: Progress) -> None:
    """Write the status; one that cannot be written stops no run, a checkpoint that cannot does."""
    with contextlib.suppress(OSError):
        run.publish(snapshot, progress)


def _stop_on_signals(
    loop: asyncio.AbstractEventLoop,
    ended: Ended,
    stopping: asyncio.Event,
    surroundings: Surroundings,
    ui: Ui,
) -> None:
    """Drain on the first Ctrl-C or SIGTERM; give up on the second."""

    def stop(number: int) -> None:
        if ended.signal is None:
            ended.signal = number
            stopping.set()
            ui.say(
                f"stopping: {surroundings.in_flight} requests in flight are awaited; "
                "once more gives them up"
            )
            return
        worst = rounded_text(surroundings.at_risk_usd)
        ui.say(
            f"gave up {surroundings.in_flight} requests in flight; up to {worst} may be billed "
            "unseen\nnext  the same command resumes"
        )
        sys.stderr.flush()
        os._exit(128 + number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)


async def _tick(run: LiveRun, progress: Progress, pacer: Pacer, surroundings: Surroundings) -> None:
    """Show and publish where the run is, about once a second."""
    loop = asyncio.get_running_loop()
    history = [(loop.time(), 0)]
    while True:
        await asyncio.sleep(_TICK_S)
        now = loop.time()
        progress.pace_s[pacer.limiter] = progress.pace_s.get(pacer.limiter, 0.0) + _TICK_S
        history = [past for past in history if past[0] > now - _RATE_WINDOW_S] or history[-1:]
        then, done_then = history[0]
        rate = (progress.done - done_then) / max(now - then, 0.001)
        history.append((now, progress.done))
        snapshot = _snapshot(progress, surroundings, pacer, rate, now)
        run.ui.show(snapshot)
        await asyncio.to_thread(_publish, run, snapshot, progress)


def _snapshot(
    progress: Progress, surroundings: Surroundings, pacer: Pacer, rate: float, now: float
) -> Snapshot:
    tokens = progress.tokens
    read = tokens.get("cache_read_input_tokens", 0)
    prompt = sum(tokens.get(kind, 0) for kind in _PROMPT_KINDS)
    left = progress.to_send - progress.done
    return Snapshot(
        total=progress.to_send,
        done=progress.done,
        failed=progress.failed,
        retried=progress.retried,
        in_flight=surroundings.in_flight,
        spent_usd=progress.spent_usd,
        unknown_usd=progress.unknown_usd,
        cache_read_share=read / prompt if prompt else 0.0,
        rate=rate,
        eta_s=left / rate if rate > 0 else None,
        limiter=pacer.limiter,
        elapsed_s=now - progress.started_at,
    )


_PROMPT_KINDS = (
    "input_tokens",
    "cache_creation_5m_input_tokens",
    "cache_creation_1h_input_tokens",
    "cache_read_input_tokens",
)
