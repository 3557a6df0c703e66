"""Sends a plan in rounds: submit, wait, collect, and send again what has no final answer yet."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

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
    ``auto`` decides by a deadline; None for another delivery.
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

    async def run(self, plan: Plan) -> None:
        """Send the plan, and collect the batches of earlier runs; return when nothing is left."""
        try:
            await self.open_batches.attach()
        except (CallRefusedError, Stopped) as error:
            self._stop(error)
            return
        watching = asyncio.create_task(self._guarded(self.watch.run()))
        try:
            await self._guarded(self._rounds(plan))
        finally:
            if self.open_batches.is_idle:
                watching.cancel()
            else:
                self.batches.ctx.stopping.set()
            await asyncio.gather(watching, return_exceptions=True)
            self._say_left()

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
                self.stop_for(self._detached())
                return
            if self.open_batches.is_idle and in_flight.newest_attempt == newest:
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
            await self.submitter.submit_plan(plan, waits=not self.detaches)

    async def _guarded(self, work: Awaitable[None]) -> None:
        """Do some work; when it fails, stop the run."""
        try:
            await work
        except CallRefusedError as error:
            self._stop(error)
        except BaseException:
            self.batches.ctx.stopping.set()
            raise

    def _stop(self, error: Exception) -> None:
        if isinstance(error, CallRefusedError):
            self.stop_for(error.halt)

    def _detached(self) -> Halt:
        return Halt(
            ExitCode.TIME_IS_UP,
            self._left(),
            "run the same command later to collect what they answer",
        )

    def _say_left(self) -> None:
        if not self.open_batches.is_idle:
            self.batches.say(
                f"batches  {self._left()} and may cost up to "
                f"{rounded_text(self.open_batches.worst_usd)}; the next run collects what they "
                "answer, and batcher batches JOB --cancel cancels them"
            )

    def _left(self) -> str:
        number = len(self.open_batches.all)
        requests = counted(self.open_batches.waiting, "request")
        verb = "is" if number == 1 else "are"
        return f"{counted(number, 'batch', 'batches')} with {requests} {verb} at the API"
