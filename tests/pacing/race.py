"""Runs a strategy in a profile under a virtual clock, and measures the result."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import astuple, dataclass, field
from functools import partial
from heapq import heappop, heappush
from random import Random

from profiles import Profile, Row, Uses, share_at
from strategy import Factory, Job, Reply, Strategy
from world import World

# The client's clock at the start of a race; not 0, and far from the wall clock.
CLOCK_START = 1_000.0
# A shorter wait would not change the clock, because floats are rounded, and repeat for ever.
SHORTEST_WAIT_S = 1e-6
REACHED_SHARE = 0.9
REACHED_WINDOW_S = 10


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a strategy in a profile.

    ``successes`` and ``allowed`` count from the end of the warm-up, the other counts from the
    start. ``allowed`` is the sum of the allowed rates of all seconds, for rows of the mean size of
    these successes, so that no strategy profits from small rows or from failed large rows.
    ``drawn`` counts the successes that came from the level of the tightest bucket, which was
    higher after the warm-up than at the end: no strategy profits from a slow start.
    ``given_up`` counts rows, ``into_outage`` requests that failed in an outage. ``reached_s`` is
    the first second after which ten seconds had 90 % of the allowed successes, None for never.
    ``ended_s`` is the time of the last reply. ``completed`` has the successes of each second,
    ``granted`` the allowed ones.
    """

    strategy: str
    profile: str
    successes: int
    allowed: float
    drawn: float
    sent: int
    refused: int
    attempts_per_success: float
    given_up: int
    into_outage: int
    max_in_flight: int
    reached_s: int | None
    ended_s: float
    completed: tuple[int, ...] = field(repr=False)
    granted: tuple[float, ...] = field(repr=False)

    @property
    def efficiency(self) -> float:
        """The share of the allowed successes that was reached, without those drawn from savings."""
        return (self.successes - self.drawn) / self.allowed

    @property
    def refusals(self) -> float:
        """The share of the sent requests that got a 429."""
        return self.refused / self.sent


def race(name: str, factory: Factory, profile: Profile, seed: int = 0) -> Result:
    """Run a strategy in a profile; the same seed gives exactly the same result."""
    strategy = factory(profile.known, Random(f"{seed} strategy"), CLOCK_START)
    run = Run(strategy, profile, seed)
    run.finish()
    return run.result(name)


class Run:
    """One strategy, one world, one heap of events, and the tally.

    Rows are drawn in order from a random generator of their own: all strategies get the same rows.
    """

    def __init__(self, strategy: Strategy, profile: Profile, seed: int) -> None:
        self._strategy = strategy
        self._profile = profile
        self._world = World(profile, Random(f"{seed} world"), CLOCK_START)
        self._sizes = Random(f"{seed} rows")
        self._drawn = 0
        self._head: tuple[Job, Row] | None = None
        self._retries: deque[tuple[Job, Row]] = deque()
        # Ordered by time, then by the order in which they were added.
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = 0
        self._wake_at = math.inf
        self._ended = CLOCK_START
        self._tally = Tally(profile)

    def finish(self) -> None:
        """Run until the end of the profile, or until every job of a limited supply is done."""
        end = CLOCK_START + self._profile.duration_s
        self._push(CLOCK_START + self._profile.warm_up_s, self._begin_to_count)
        self._send_admitted(CLOCK_START)
        while self._events:
            now, _, event = heappop(self._events)
            if now >= end:
                break
            event(now)
            self._send_admitted(now)
        self._tally.held_after = self._world.held(end)

    def result(self, name: str) -> Result:
        """Return the measurements."""
        return self._tally.result(name, self._ended - CLOCK_START)

    def _send_admitted(self, now: float) -> None:
        """Send from the head of the queue as long as the strategy admits it."""
        while (head := self._next()) is not None:
            job, row = head
            wait_s = self._strategy.admit(job, now)
            if wait_s > 0:
                when = now + max(wait_s, SHORTEST_WAIT_S)
                # An earlier wake-up asks again anyway.
                if when < self._wake_at:
                    self._wake_at = when
                    self._push(when, self._wake)
                return
            if self._retries:
                self._retries.popleft()
            else:
                self._head = None
            reply = self._world.send(row, now)
            self._tally.send()
            self._push(now + reply.latency_s, partial(self._on_reply, job, row, reply))

    def _next(self) -> tuple[Job, Row] | None:
        """Return the head of the queue: retries first, then fresh jobs; None when it is empty."""
        if self._retries:
            return self._retries[0]
        if self._head is None and self._drawn != self._profile.jobs:
            row = self._profile.sizes.draw(self._drawn, self._sizes)
            self._head = Job(row.number, row.body_bytes, row.max_tokens, 0), row
            self._drawn += 1
        return self._head

    def _on_reply(self, job: Job, row: Row, reply: Reply, now: float) -> None:
        self._ended = now
        reply = self._world.deliver(reply, now)
        after_s = self._strategy.on_reply(job, reply, now)
        self._tally.on_reply(reply, now - CLOCK_START, gives_up=after_s is None)
        if after_s is not None and reply.status != 200:
            retry = Job(job.number, job.body_bytes, job.max_tokens, job.tries + 1)
            self._push(now + max(0.0, after_s), partial(self._retry, retry, row))

    def _retry(self, job: Job, row: Row, now: float) -> None:  # noqa: ARG002 - every event has it
        self._retries.append((job, row))

    def _wake(self, now: float) -> None:
        if now == self._wake_at:  # else an earlier wake-up has replaced it
            self._wake_at = math.inf

    def _begin_to_count(self, now: float) -> None:
        self._tally.held_before = self._world.held(now)

    def _push(self, when: float, event: Callable[[float], None]) -> None:
        self._order += 1
        heappush(self._events, (when, self._order, event))


class Tally:
    """Counts requests and replies; times are seconds since the start."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._completed = [0] * profile.duration_s
        self.held_before = self.held_after = (0.0, 0.0, 0.0)
        self._input_tokens = 0
        self._output_tokens = 0
        self._sent = 0
        self._replies = 0
        self._refused = 0
        self._given_up = 0
        self._into_outage = 0
        self._max_in_flight = 0

    def send(self) -> None:
        """Count a request that is sent."""
        self._sent += 1
        self._max_in_flight = max(self._max_in_flight, self._sent - self._replies)

    def on_reply(self, reply: Reply, at_s: float, *, gives_up: bool) -> None:
        """Count a reply; ``gives_up`` when its request is not retried."""
        self._replies += 1
        if reply.status == 200:
            self._completed[int(at_s)] += 1
            if at_s >= self._profile.warm_up_s:
                self._input_tokens += reply.input_tokens
                self._output_tokens += reply.output_tokens
            return
        self._refused += reply.status == 429
        self._given_up += gives_up
        in_outage = share_at(self._profile.outages, reply.sent_at - CLOCK_START)
        self._into_outage += bool(in_outage)

    def result(self, name: str, ended_s: float) -> Result:
        """Return the result of these counts."""
        profile, completed = self._profile, self._completed
        total, successes = sum(completed), sum(completed[profile.warm_up_s :])
        uses = self._uses(successes)
        granted = tuple(profile.allowed_rate(second, uses) for second in range(profile.duration_s))
        return Result(
            strategy=name,
            profile=profile.name,
            successes=successes,
            allowed=sum(granted[profile.warm_up_s :]),
            drawn=self._drawn(uses),
            sent=self._sent,
            refused=self._refused,
            attempts_per_success=self._replies / total if total else math.inf,
            given_up=self._given_up,
            into_outage=self._into_outage,
            max_in_flight=self._max_in_flight,
            reached_s=_reached_s(completed, granted),
            ended_s=ended_s,
            completed=tuple(completed),
            granted=granted,
        )

    def _uses(self, successes: int) -> Uses:
        if not successes:
            return self._profile.sizes.uses
        return 1.0, self._input_tokens / successes, self._output_tokens / successes

    def _drawn(self, uses: Uses) -> float:
        limits = astuple(self._profile.limits)
        tightest = min(range(3), key=lambda limit: limits[limit] / uses[limit])
        lost = self.held_before[tightest] - self.held_after[tightest]
        return max(0.0, lost / uses[tightest])


def _reached_s(completed: list[int], granted: tuple[float, ...]) -> int | None:
    for end in range(REACHED_WINDOW_S, len(completed) + 1):
        window = slice(end - REACHED_WINDOW_S, end)
        if sum(completed[window]) >= REACHED_SHARE * sum(granted[window]) > 0:
            return end
    return None
