"""Once a second beside the sending: shows and publishes where the run is, and looks for trouble."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from batcher.core.pace.halt import Halt
from batcher.core.usage_fields import PROMPT_FIELDS
from batcher.runner.sending.context import SendContext
from batcher.runner.sending.progress import Progress
from batcher.runner.ui import Snapshot, Ui

_TICK_S = 1.0
_RATE_WINDOW_S = 30.0


@dataclass(frozen=True, slots=True)
class Ticker:
    """Watches one run from inside its event loop.

    ``publish`` and ``trouble`` touch a disk, so they are called in a thread. A status that cannot
    be written stops no run; trouble does.
    """

    ctx: SendContext
    progress: Progress
    ui: Ui
    publish: Callable[[Snapshot, Progress], None]
    trouble: Callable[[], Halt | None]

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
            halt = await asyncio.to_thread(self.trouble)
            if halt is not None:
                progress.stop_for(halt)

    def show_end(self) -> None:
        """Show where sending ended, at the mean rate of all of it."""
        progress = self.progress
        elapsed_s = progress.clock() - progress.started_at
        self.ui.show(self._snapshot(progress.done / max(elapsed_s, 0.001)))

    def end(self) -> None:
        """Publish where the run stands when nothing is in flight any more."""
        self._write(self._snapshot(0.0))

    def _write(self, snapshot: Snapshot) -> None:
        with contextlib.suppress(OSError):
            self.publish(snapshot, self.progress)

    def _snapshot(self, rate: float) -> Snapshot:
        progress, tokens = self.progress, self.progress.tokens
        read = tokens.get("cache_read_input_tokens", 0)
        prompt = sum(tokens.get(kind, 0) for kind in PROMPT_FIELDS)
        left = progress.to_send - progress.done
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
            eta_s=left / rate if rate > 0 else None,
            limiter=self.ctx.limiter,
            elapsed_s=progress.clock() - progress.started_at,
            usd_deviation=progress.usd_deviation,
            budget=self.ctx.budget_gate.state,
        )


def _rate(history: deque[tuple[float, int]], now: float, done: int) -> float:
    """Answers a second over the last half minute; keeps the history that it needs."""
    while len(history) > 1 and history[0][0] <= now - _RATE_WINDOW_S:
        history.popleft()
    then, done_then = history[0]
    history.append((now, done))
    return (done - done_then) / max(now - then, 0.001)
