"""Once a second while sending: shows and publishes progress, and looks for disk problems."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from batcher.core.pace.halt import Halt
from batcher.core.usage_fields import PROMPT_FIELDS
from batcher.runner.sending.context import SendContext
from batcher.runner.sending.in_flight import WaitingBatches
from batcher.runner.sending.progress import Progress
from batcher.runner.ui import BatchesShown, Snapshot, Ui

_TICK_S = 1.0
_RATE_WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class Ticker:
    """Watches one run from inside its event loop.

    ``publish`` and ``disk_problem`` use the disk, so they run in a thread. A status that cannot be
    written does not stop the run; a disk problem does.
    """

    ctx: SendContext
    progress: Progress
    ui: Ui
    publish: Callable[[Snapshot, Progress], None]
    disk_problem: Callable[[], Halt | None]

    async def run(self) -> None:
        """Tick until cancelled."""
        progress, pace_s = self.progress, self.progress.pace_s
        history = deque([(progress.clock(), 0)])
        while True:
            before = progress.clock()
            await asyncio.sleep(_TICK_S)
            limiter = self.ctx.limiter
            pace_s[limiter] = pace_s.get(limiter, 0.0) + progress.clock() - before
            snapshot = self._snapshot(_rate(history, progress.clock(), progress.done))
            self.ui.show(snapshot)
            await asyncio.to_thread(self._write, snapshot)
            halt = await asyncio.to_thread(self.disk_problem)
            if halt is not None:
                progress.stop_for(halt)

    def show_end(self) -> None:
        """Show how sending ended, with the mean rate of the whole run."""
        progress = self.progress
        elapsed_s = progress.clock() - progress.started_at
        self.ui.show(self._snapshot(progress.done / max(elapsed_s, 0.001)))

    def end(self) -> None:
        """Publish the progress once nothing is in flight."""
        self._write(self._snapshot(0.0))

    def _write(self, snapshot: Snapshot) -> None:
        with contextlib.suppress(OSError):
            self.publish(snapshot, self.progress)

    def _snapshot(self, rate: float) -> Snapshot:
        progress, tokens = self.progress, self.progress.tokens
        read = tokens.get("cache_read_input_tokens", 0)
        prompt = sum(tokens.get(kind, 0) for kind in PROMPT_FIELDS)
        left = progress.to_send - progress.done
        rest_s = self.ctx.in_flight.rest_s(asyncio.get_running_loop().time())
        wait_s = max(self.ctx.rate_gate.pause_s, rest_s)
        return Snapshot(
            total=progress.to_send,
            done=progress.done,
            failed=progress.failed,
            retried=progress.retried,
            in_flight=self.ctx.in_flight.attempts,
            spent_usd=progress.spent_usd,
            unknown_usd=progress.unknown_usd,
            cache_read_share=read / prompt if prompt else 0.0,
            saved_usd=progress.saved_usd,
            rate=rate,
            eta_s=wait_s + left / rate if rate > 0 else None,
            wait_s=wait_s,
            limiter=self.ctx.limiter,
            elapsed_s=progress.clock() - progress.started_at,
            usd_deviation=progress.usd_deviation,
            budget=self.ctx.budget_gate.state,
            batches=_shown(self.ctx.in_flight.batches),
        )


def _shown(waiting: WaitingBatches | None) -> BatchesShown | None:
    if waiting is None:
        return None
    now = datetime.now(UTC)
    next_s = None if waiting.next_at is None else (waiting.next_at - now).total_seconds()
    return BatchesShown(
        waiting.number,
        waiting.requests,
        (now - waiting.oldest_at).total_seconds(),
        None if next_s is None else max(0.0, next_s),
    )


def _rate(history: deque[tuple[float, int]], now: float, done: int) -> float:
    """Return answers per second over the last 30 s, and update the history."""
    while len(history) > 1 and history[0][0] <= now - _RATE_WINDOW_S:
        history.popleft()
    then, done_then = history[0]
    history.append((now, done))
    return (done - done_then) / max(now - then, 0.001)
