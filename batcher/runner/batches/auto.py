"""The delivery auto: rows go into batches or live, as the policy decides from moment to moment."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from batcher.core.batches.auto import OpenBatch, Situation, Step, decide
from batcher.runner.batches.calls import CallRefusedError
from batcher.runner.batches.context import BatchContext, first_of, now
from batcher.runner.batches.live_pace import LivePace
from batcher.runner.batches.open_batches import OpenBatches
from batcher.runner.batches.watch import BatchWatch
from batcher.runner.planning.parts import divided, live_part, split, without
from batcher.runner.planning.planner import Plan
from batcher.runner.sending.workers import send_live

_PAUSE_S = 600.0
"""How long no batch is made after the API has taken none, unless a batch has ended before."""


@dataclass(slots=True)
class AutoDelivery:
    """Sends a plan by a deadline.

    ``submit`` sends a part of the plan in batches. ``plan_again`` returns what is left to send
    after more results were recorded. The rows that were handed over to live requests are
    ``_handed``; they belong to nobody else until all of them have ended. ``_paused_at`` is when
    the API last took no batch, in seconds of ``clock``. ``_is_stuck``: the budget
    has left out all rows that were to be sent last, and would do so again.
    """

    batches: BatchContext
    open_batches: OpenBatches
    watch: BatchWatch
    submit: Callable[[Plan], Awaitable[None]]
    plan_again: Callable[[Plan], Awaitable[Plan]]
    pace: LivePace
    deadline: datetime
    _handed: Plan | None = None
    _live: "asyncio.Task[None] | None" = None
    _takes_batches: bool = True
    _paused_at: float = -math.inf
    _newest: int = 0
    _is_stuck: bool = False

    async def run(self, plan: Plan) -> None:
        """Send until no row and no batch is left, or the run is stopping."""
        stopping = self.batches.ctx.stopping
        try:
            while not stopping.is_set():
                step = decide(self._situation(plan), self.batches.durations)
                took_batches = self._takes_batches
                plan = await self._take(step, plan)
                is_over = not plan.counts.to_send or self._is_stuck
                if is_over and self._live is None and self.open_batches.is_settled:
                    return
                is_new = self._takes_batches != took_batches  # decide again at once
                await self._wait(0.0 if is_new else min(step.again_s, _PAUSE_S))
                plan = await self._renewed(plan)
        finally:
            await self._end_live()

    def _situation(self, plan: Plan) -> Situation:
        left_s = (self.deadline - now()).total_seconds()
        only_live, others = divided(plan, plan.live_items)
        return Situation(
            left_s=left_s,
            waiting=others.counts.to_send,
            in_flight=self.pace.left + only_live.counts.to_send,
            batches=tuple(
                OpenBatch(
                    batch.number,
                    batch.requests,
                    batch.age_s(now()),
                    batch.is_canceling or batch.id is None,  # what may not exist is not cancelled
                )
                for batch in self.open_batches.all
            ),
            rows_per_s=self.pace.rows_per_s,
            batch_rows=self.batches.section.batch_rows,
            batch_room=None if self._may_submit else 0,
        )

    @property
    def _may_submit(self) -> bool:
        return self._takes_batches and self.pace.clock() - self._paused_at > _PAUSE_S

    async def _take(self, step: Step, plan: Plan) -> Plan:
        """Do what the policy says; return what is left of the plan."""
        for number in step.cancel:
            if (batch := self.open_batches.created.get(number)) is not None:
                await self.watch.cancel(batch)
        if self._live is None:
            # Without batches there is nothing to wait for.
            number = step.send_live if self._takes_batches else plan.counts.to_send
            plan = self._send_live(*live_part(plan, number))
        if step.submit:
            plan = await self._submit(plan, step.submit)
        return plan

    def _send_live(self, part: Plan, rest: Plan) -> Plan:
        """Hand over a part of the plan to live requests; return the rest."""
        if part.counts.to_send:
            self._handed = part
            self._newest = self.batches.ctx.in_flight.newest_attempt
            self.pace.begin(part.counts.to_send)
            work = send_live(self.batches.sending, part, self.batches.ctx)
            self._live = asyncio.create_task(work)
        return rest

    async def _submit(self, plan: Plan, number: int) -> Plan:
        in_flight = self.batches.ctx.in_flight
        _, others = divided(plan, plan.live_items)
        part, _ = split(others, number)
        newest = in_flight.newest_attempt
        try:
            await self.submit(part)
        except CallRefusedError as error:
            self._takes_batches = error.is_passing
            self._paused_at = self.pace.clock()
            later = "another batch is tried later" if error.is_passing else "the rest is sent live"
            reason = error.halt.message.rstrip(".")
            self.batches.say(f"warning  {reason}; {later}")
        else:
            self._is_stuck = in_flight.newest_attempt == newest
        return await self._renewed(plan, is_certain=True)

    async def _wait(self, seconds: float) -> None:
        """Wait for a time, or until a batch or the live requests have ended."""
        events = (self.open_batches.news, self.batches.ctx.stopping)
        await first_of(*events, work=self._live, wait_s=seconds)

    async def _renewed(self, plan: Plan, *, is_certain: bool = False) -> Plan:
        """Return what is left to send, if a batch or the live requests have ended."""
        has_ended = self._live is not None and self._live.done()
        if has_ended:
            self._is_stuck = self.batches.ctx.in_flight.newest_attempt == self._newest
            await self._end_live()
        if not (is_certain or has_ended or self.open_batches.news.is_set()):
            return plan
        if self.open_batches.news.is_set():
            self._paused_at = -math.inf  # a batch has ended: there is room for another one
        self.open_batches.news.clear()
        again = await self.plan_again(plan)
        return again if self._handed is None else without(again, self._handed)

    async def _end_live(self) -> None:
        live, self._live, self._handed = self._live, None, None
        if live is not None:
            await live
            self.pace.end()
