"""Runs a strategy in a profile under a virtual clock, and measures what it reached."""

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
# A wait that is lost in the clock's last bit would be asked for again, forever.
SHORTEST_WAIT_S = 1e-6
REACHED_SHARE = 0.9
REACHED_WINDOW_S = 10


@dataclass(frozen=True, slots=True)
class Result:
    """What a strategy reached in a profile.

    ``successes`` and ``allowed`` are those after the warm-up, the other counts those of the whole
    run. ``allowed`` is the sum of the profile's allowed rates, second by second, for rows of the
    mean size of those successes: neither luck with the sizes nor failing large rows helps anybody.
    ``drawn`` are the successes paid for by what the tightest limit's bucket held more after the
    warm-up than at the end: nobody is to win by having come late to the first minute's worth.
    ``given_up`` are rows, ``into_outage`` requests that an outage failed. ``reached_s`` is when
    ten seconds had first brought 90 % of what was then allowed, None for never. ``ended_s`` is
    when the last answer came, the measure of a limited supply. ``completed`` are the successes of
    each second, ``granted`` those allowed.
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
    most_in_flight: int
    reached_s: int | None
    ended_s: float
    completed: tuple[int, ...] = field(repr=False)
    granted: tuple[float, ...] = field(repr=False)

    @property
    def efficiency(self) -> float:
        """The share of what was allowed that succeeded, without what savings paid for."""
        return (self.successes - self.drawn) / self.allowed

    @property
    def refusals(self) -> float:
        """The share of all requests sent that got a 429."""
        return self.refused / self.sent


def race(name: str, factory: Factory, profile: Profile, seed: int = 0) -> Result:
    """Run one strategy through one profile; the same seed gives the same result, to the bit."""
    strategy = factory(profile.known, Random(f"{seed} strategy"), CLOCK_START)
    run = Run(strategy, profile, seed)
    run.finish()
    return run.result(name)


class Run:
    """One strategy, one world, one heap of events, and the tally.

    Rows are drawn by their number from a randomness of their own: every strategy gets the same.
    """

    def __init__(self, strategy: Strategy, profile: Profile, seed: int) -> None:
        self._strategy = strategy
        self._profile = profile
        self._world = World(profile, Random(f"{seed} world"), CLOCK_START)
        self._sizes = Random(f"{seed} rows")
        self._drawn = 0
        self._head: tuple[Job, Row] | None = None
        self._retries: deque[tuple[Job, Row]] = deque()
        # By when, then by the order in which they were put in.
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = 0
        self._wake_at = math.inf
        self._ended = CLOCK_START
        self._tally = Tally(profile)

    def finish(self) -> None:
        """Play until the profile's time is over, or every job of a limited supply is settled."""
        end = CLOCK_START + self._profile.duration_s
        self._push(CLOCK_START + self._profile.warm_up_s, self._begin_to_count)
        self._ask(CLOCK_START)
        while self._events:
            now, _, happen = heappop(self._events)
            if now >= end:
                break
            happen(now)
            self._ask(now)
        self._tally.held_after = self._world.held(end)

    def result(self, name: str) -> Result:
        """What was measured."""
        return self._tally.result(name, self._ended - CLOCK_START)

    def _ask(self, now: float) -> None:
        """Send from the head of the queue for as long as the strategy lets it go."""
        while (head := self._next()) is not None:
            job, row = head
            wait_s = self._strategy.ask(job, now)
            if wait_s > 0:
                when = now + max(wait_s, SHORTEST_WAIT_S)
                # An earlier waking asks again anyway.
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
            self._push(now + reply.latency_s, partial(self._answer, job, row, reply))

    def _next(self) -> tuple[Job, Row] | None:
        """The head of the queue: retries first, then fresh jobs while there are any."""
        if self._retries:
            return self._retries[0]
        if self._head is None and self._drawn != self._profile.jobs:
            row = self._profile.sizes.draw(self._drawn, self._sizes)
            self._head = Job(row.number, row.body_bytes, row.max_tokens, 0), row
            self._drawn += 1
        return self._head

    def _answer(self, job: Job, row: Row, reply: Reply, now: float) -> None:
        self._ended = now
        reply = self._world.deliver(reply, now)
        after_s = self._strategy.answered(job, reply, now)
        self._tally.answer(reply, now - CLOCK_START, gives_up=after_s is None)
        if after_s is not None and reply.status != 200:
            again = Job(job.number, job.body_bytes, job.max_tokens, job.tries + 1)
            self._push(now + max(0.0, after_s), partial(self._retry, again, row))

    def _retry(self, job: Job, row: Row, now: float) -> None:  # noqa: ARG002 - every event has it
        self._retries.append((job, row))

    def _wake(self, now: float) -> None:
        if now == self._wake_at:  # else an earlier waking had taken its place
            self._wake_at = math.inf

    def _begin_to_count(self, now: float) -> None:
        self._tally.held_before = self._world.held(now)

    def _push(self, when: float, happen: Callable[[float], None]) -> None:
        self._order += 1
        heappush(self._events, (when, self._order, happen))


class Tally:
    """Counts what happens; times are seconds since the start."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._completed = [0] * profile.duration_s
        self.held_before = self.held_after = (0.0, 0.0, 0.0)
        self._input_tokens = 0
        self._output_tokens = 0
        self._sent = 0
        self._answered = 0
        self._refused = 0
        self._given_up = 0
        self._into_outage = 0
        self._most_in_flight = 0

    def send(self) -> None:
        """A request left."""
        self._sent += 1
        self._most_in_flight = max(self._most_in_flight, self._sent - self._answered)

    def answer(self, reply: Reply, at_s: float, *, gives_up: bool) -> None:
        """An answer came; ``gives_up`` when its request is not tried again."""
        self._answered += 1
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
        """Sum it up."""
        profile, completed = self._profile, self._completed
        total, successes = sum(completed), sum(completed[profile.warm_up_s :])
        uses = self._uses(successes)
        granted = tuple(profile.allowed_rate(s, uses) for s in range(profile.duration_s))
        return Result(
            strategy=name,
            profile=profile.name,
            successes=successes,
            allowed=sum(granted[profile.warm_up_s :]),
            drawn=self._drawn(uses),
            sent=self._sent,
            refused=self._refused,
            attempts_per_success=self._answered / total if total else math.inf,
            given_up=self._given_up,
            into_outage=self._into_outage,
            most_in_flight=self._most_in_flight,
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
