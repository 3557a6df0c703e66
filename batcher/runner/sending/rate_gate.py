"""The queue of attempts that wait for the pace; ``core.pace`` decides when each is sent."""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from batcher.core.job import LimitsSection
from batcher.core.pace.kinds import Kind, KnownLimit, Limiter
from batcher.core.pace.model_groups import limit_group
from batcher.core.pace.pace import AttemptCost, Completion, Delay, Pace, Permit
from batcher.core.pace.token_bucket import job_limits

_AHEAD = 8
_LEAD_S = 0.05
_MIN_WAIT_S = 0.001  # a shorter wait is below the clock's resolution


class RateGate:
    """Admits the attempts of all workers in turn, retries before new requests.

    Models that share the API's limits share a lane, which has its own pace; ``learned`` has the
    limits by group of models that the last run learned. ``cap`` bounds the attempts in flight.
    ``clock`` gives
    monotonic seconds, ``random`` is uniform in [0, 1). Once ``stopping`` is set, nothing more is
    admitted.
    """

    def __init__(
        self,
        limits: LimitsSection,
        max_rest_s: float,
        stopping: asyncio.Event,
        clock: Callable[[], float],
        random: Callable[[], float],
        learned: Mapping[str, KnownLimit] | None = None,
    ) -> None:
        self.cap = limits.concurrency
        self._max_rest_s = max_rest_s
        self._own = job_limits(limits, clock())
        self._stopping = stopping
        self._clock = clock
        self._random = random
        self._learned = learned or {}
        self._lanes: dict[str, _Lane] = {}
        self._watching: asyncio.Task[None] | None = None

    async def admit(self, model: str, cost: AttemptCost) -> Permit | None:
        """Wait until an attempt may be sent; None when the run is stopping."""
        if self._stopping.is_set():
            return None
        self._watching = self._watching or asyncio.create_task(self._close_when_stopping())
        return await self._lane(model).enter(cost)

    async def keep_distance(self, model: str, permit: Permit) -> None:
        """Wait until an admitted attempt, whose intent is recorded, is at a distance to others.

        Recording takes a time that varies, which the distance must not: so such an attempt is sent
        a little later than it was admitted.
        """
        lane, now = self._lane(model), self._clock()
        taken = permit.taken
        if not taken.gap_s:
            return
        due = max(now, taken.sent.sent_at + _LEAD_S, lane.next_due)
        lane.next_due = due + taken.gap_s
        await asyncio.sleep(due - now)

    def on_completion(self, model: str, permit: Permit, completion: Completion) -> None:
        """Take the result of an admitted attempt."""
        lane = self._lane(model)
        lane.pace.on_completion(permit, completion, self._clock(), self._random())
        lane.pump()

    @property
    def wanted(self) -> int:
        """The number of useful workers: as many as may be in flight, and a few to come next."""
        # The feed reads this in its thread while a new model may add a lane.
        windows = sum(int(lane.pace.window_size) for lane in tuple(self._lanes.values()))
        return min(self.cap, windows + _AHEAD)

    def record_wait_s(self) -> float:
        """Return how long the intent of an attempt may wait for its commit; for any thread."""
        return min((lane.pace.record_wait_s for lane in tuple(self._lanes.values())), default=0.0)

    @property
    def known_limits(self) -> dict[str, dict[Kind, KnownLimit]]:
        """The API's limits by group of models; see ``Pace.known_limits``."""
        return {group: lane.pace.known_limits for group, lane in self._lanes.items()}

    @property
    def pause_s(self) -> float:
        """How long the longest pause that the server asked for still lasts, in seconds."""
        now = self._clock()
        return max((lane.pace.pause_s(now) for lane in self._lanes.values()), default=0.0)

    @property
    def limiter(self) -> Limiter | None:
        """What the longest queue waits for; None when no attempt waits."""
        lane = max(self._lanes.values(), key=lambda lane: lane.waiting, default=None)
        return lane.limiter if lane is not None and lane.waiting else None

    def _lane(self, model: str) -> "_Lane":
        group = limit_group(model)
        if group not in self._lanes:
            pace = Pace(self.cap, self._max_rest_s, self._own)
            if group in self._learned:
                pace.start_from(self._learned[group], self._clock())
            self._lanes[group] = _Lane(pace, self._clock, self._stopping)
        return self._lanes[group]

    async def _close_when_stopping(self) -> None:
        await self._stopping.wait()
        for lane in self._lanes.values():
            lane.close()


@dataclass(frozen=True, slots=True)
class _Waiter:
    cost: AttemptCost
    turn: "asyncio.Future[Permit | None]"


@dataclass(slots=True)
class _Lane:
    """The attempts that wait for one pace: two queues, each in order of arrival."""

    pace: Pace
    clock: Callable[[], float]
    stopping: asyncio.Event
    limiter: Limiter = Limiter.RAMPING
    next_due: float = -math.inf
    _fresh: deque[_Waiter] = field(default_factory=deque)
    _retries: deque[_Waiter] = field(default_factory=deque)
    _timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """The number of attempts that wait."""
        return len(self._fresh) + len(self._retries)

    async def enter(self, cost: AttemptCost) -> Permit | None:
        """Wait until the attempt is admitted; None when the run stops first."""
        decision = None if self.waiting else self.pace.admit(cost, self.clock())
        if isinstance(decision, Permit):
            return decision
        waiter = _Waiter(cost, asyncio.get_running_loop().create_future())
        queue = self._retries if cost.is_retry else self._fresh
        queue.append(waiter)
        if decision is None:
            self.pump()
        else:
            self._wait(decision)
        return await waiter.turn

    def pump(self) -> None:
        """Admit every attempt that may be sent now, and set a timer for the next one."""
        self._stop_timer()
        while not self.stopping.is_set() and (queue := self._next_queue()):
            if queue[0].turn.done():  # cancelled
                queue.popleft()
                continue
            decision = self.pace.admit(queue[0].cost, self.clock())
            if isinstance(decision, Permit):
                queue.popleft().turn.set_result(decision)
                continue
            self._wait(decision)
            return

    def _wait(self, delay: Delay) -> None:
        """Set a timer for the attempt whose turn it is."""
        self.limiter = delay.limiter
        self._stop_timer()
        if math.isfinite(delay.seconds):
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(max(delay.seconds, _MIN_WAIT_S), self.pump)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """Admit nothing more: every waiting attempt gets None."""
        for queue in (self._fresh, self._retries):
            while queue:
                waiter = queue.popleft()
                if not waiter.turn.done():
                    waiter.turn.set_result(None)

    def _next_queue(self) -> deque[_Waiter] | None:
        """Return the queue whose turn it is: retries, unless they exceed their share."""
        if self._retries and (self.pace.allows_retry or not self._fresh):
            return self._retries
        return self._fresh or None


async def rest(seconds: float, stopping: asyncio.Event) -> None:
    """Wait for a time, or until ``stopping`` is set."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
