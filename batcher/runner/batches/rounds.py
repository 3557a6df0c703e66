"""Sends a plan in rounds: submit, wait, collect, and send again what has no final answer yet."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from batcher.core.delivery import Route
from batcher.core.money.display import rounded_text
from batcher.core.pace.halt import Halt
from batcher.core.plural import counted
from batcher.exit_codes import ExitCode
from batcher.runner.batches.auto import AutoDelivery
from batcher.runner.batches.calls import CallRefusedError, Stopped
from batcher.runner.batches.context import BatchContext, first_of
from batcher.runner.batches.open_batches import OpenBatches
from batcher.runner.batches.submitter import Submitter
from batcher.runner.batches.watch import BatchWatch
from batcher.runner.planning.planner import Plan
from batcher.runner.sending.workers import send_live


@dataclass(slots=True)
class Rounds:
    """One run of the batch delivery.

    ``plan_again`` returns what is left to send after more results were recorded. ``stop_for`` stops
    the run for a reason. ``detaches``: leave the batches to a later run, without waiting for them.
    ``auto`` decides by a deadline; None for another delivery. ``_unsent`` counts the requests that
    were in no batch when the run left its batches; None when it did not.
    """

    batches: BatchContext
    route: Route
    open_batches: OpenBatches
    watch: BatchWatch
    submitter: Submitter
    plan_again: Callable[[Plan], Awaitable[Plan]]
    stop_for: Callable[[Halt], None]
    detaches: bool
    auto: AutoDelivery | None = None
    _unsent: int | None = None

    async def run(self, plan: Plan) -> None:
        """Send the plan, and collect the batches of earlier runs; return when nothing is left."""
        try:
            await self.open_batches.attach()
            if self.detaches and not self.open_batches.is_idle:
                plan = await self._collected(plan)
        except (CallRefusedError, Stopped) as error:
            self._stop(error)
            return
        watching = asyncio.create_task(self._guarded(self.watch.run))
        try:
            await self._guarded(partial(self._rounds, plan))
        finally:
            if self.open_batches.is_idle:
                watching.cancel()
            else:
                self.batches.ctx.stopping.set()
            (failure,) = await asyncio.gather(watching, return_exceptions=True)
            self._end()
        if isinstance(failure, Exception):
            raise failure

    async def _collected(self, plan: Plan) -> Plan:
        """Collect what has ended; return what is left of the plan."""
        await self.watch.look()
        if not self.open_batches.news.is_set():
            return plan
        self.open_batches.news.clear()
        return await self.plan_again(plan)

    async def _rounds(self, plan: Plan) -> None:
        if self.auto is not None:
            await self.auto.run(plan)
            return
        in_flight, stopping = self.batches.ctx.in_flight, self.batches.ctx.stopping
        while True:
            newest = in_flight.newest_attempt
            if plan.counts.to_send:
                await self._send(plan)
            if stopping.is_set():
                return
            if self.detaches and not self.open_batches.is_idle:
                self._unsent = (await self.plan_again(plan)).counts.to_send
                return
            if self.open_batches.is_settled and in_flight.newest_attempt == newest:
                return
            while not self.open_batches.is_idle and not self.open_batches.news.is_set():
                await first_of(self.open_batches.news, stopping)
                if stopping.is_set():
                    return
            self.open_batches.news.clear()
            plan = await self.plan_again(plan)

    async def _send(self, plan: Plan) -> None:
        if self.route.mode == "live":
            await send_live(self.batches.sending, plan, self.batches.ctx)
        else:
            await self._submit(plan)

    async def _submit(self, plan: Plan) -> None:
        try:
            await self.submitter.submit_plan(plan, waits=not self.detaches)
        except CallRefusedError as error:
            if not (self.detaches and error.is_passing) or self.open_batches.is_idle:
                raise
            self.batches.say(f"warning  {error.halt.message}")

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do some work; when it fails, stop the run."""
        try:
            await work()
        except CallRefusedError as error:
            self._stop(error)
        except BaseException:
            self.batches.ctx.stopping.set()
            raise

    def _stop(self, error: Exception) -> None:
        if isinstance(error, CallRefusedError):
            self.stop_for(error.halt)

    def _end(self) -> None:
        """Say which batches and requests are left, and what becomes of them."""
        costs = ""
        if not self.open_batches.is_idle:
            worst = rounded_text(self.open_batches.worst_usd)
            self.open_batches.publish()
            costs = f"{self.batches.ctx.in_flight.batches} and may cost up to {worst}"
        if self._unsent is None:
            if costs:
                self.batches.say(
                    f"batches  {costs}; the next run collects what they answer, and "
                    "batcher batches JOB --cancel cancels them"
                )
            return
        waits = counted(self._unsent, "request waits", "requests wait")
        unsent = f"{waits} until there is room for more" if self._unsent else ""
        if text := "; ".join(part for part in (costs, unsent) if part):
            hint = "run the same command later: it collects what has ended and sends what waits"
            self.stop_for(Halt(ExitCode.TIME_IS_UP, text, hint))
