"""Plays a night with a strategy: counts what is paid, and when the last row has its answer."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from night import PAUSE_S, RAMP_S, BatchFate, Night

from batcher.core.batches.auto import OpenBatch, Situation, Step
from batcher.core.batches.durations import Durations

Strategy = Callable[[Situation, Durations], Step]

LOOK_S = 60.0  # the end of a batch is seen up to this much later
MEASURED_S = 300.0  # the live pace is known after this much of it
LIVE, BATCH = 1.0, 0.5


@dataclass
class Sent:
    """A batch at the API; ``ends_at`` is when it ends, as far as is decided."""

    number: int
    rows: int
    made_at: float
    fate: BatchFate
    ends_at: float
    canceled_at: float | None = None

    def answered(self) -> int:
        """Return how many of its rows have an answer when it has ended."""
        age_s = self.ends_at - self.made_at
        if self.canceled_at is not None and age_s < self.fate.ends_s:
            age_s = (
                self.fate.ends_s if self.fate.ignores_cancel else self.canceled_at - self.made_at
            )
        answered = self.fate.answered(self.rows, age_s)
        return answered - int(answered * self.fate.failed)


@dataclass
class Played:
    """How a night went."""

    night: Night
    cost: float = 0.0
    live: int = 0
    in_batches: int = 0
    canceled: int = 0
    made: int = 0
    steps: int = 0
    done_at: float = 0.0

    @property
    def is_met(self) -> bool:
        """Whether every row had its answer by the deadline."""
        return self.done_at <= self.night.left_s


@dataclass
class _Play:
    """The state of the world: rows that wait, rows handed to live requests, open batches."""

    night: Night
    played: Played
    now: float = 0.0
    waiting: int = 0
    in_flight: float = 0.0
    live_begins: float = 0.0
    live_s: float = 0.0
    batches: list[Sent] = field(default_factory=list)
    history: list[tuple[int, float]] = field(default_factory=list)

    def is_down(self) -> bool:
        night = self.night
        return night.outage_s <= self.now < night.outage_s + night.outage_long_s

    def situation(self) -> Situation:
        night = self.night
        is_measured = self.live_s >= MEASURED_S
        queued = sum(batch.rows for batch in self.batches)
        return Situation(
            left_s=night.left_s - self.now,
            waiting=self.waiting,
            in_flight=math.ceil(self.in_flight),
            batches=tuple(
                OpenBatch(b.number, b.rows, self.now - b.made_at, b.canceled_at is not None)
                for b in self.batches
            ),
            rows_per_s=night.rows_per_s * (1.0 if is_measured else night.pace_error),
            batch_rows=night.batch_rows,
            batch_room=None if night.queue is None else max(0, night.queue - queued),
        )

    def apply(self, step: Step) -> None:
        assert step.submit >= 0
        assert step.send_live >= 0
        assert step.submit + step.send_live <= self.waiting
        if step.send_live and not self.in_flight:
            self.live_begins = self.now + (PAUSE_S if self.live_s else RAMP_S)
            self.waiting -= step.send_live
            self.in_flight += step.send_live
        if self.is_down():
            return
        rest = step.submit
        while rest > 0:
            rows = min(rest, self.night.batch_rows)
            rest -= rows
            self.waiting -= rows
            self.played.made += 1
            fate = self.night.fate(self.played.made, rows, self.now)
            self.batches.append(
                Sent(self.played.made, rows, self.now, fate, self.now + fate.ends_s)
            )
        for batch in self.batches:
            if batch.number in step.cancel:
                assert batch.canceled_at is None
                batch.canceled_at = self.now
                self.played.canceled += 1
                batch.ends_at = min(batch.ends_at, self.now + batch.fate.cancel_s)

    def advance(self, until: float) -> None:
        """Let time pass: live requests are answered."""
        begins = max(self.now, self.live_begins)
        night = self.night
        seconds = max(0.0, until - begins)
        down = min(until, night.outage_s + night.outage_long_s) - max(begins, night.outage_s)
        seconds -= max(0.0, down) if night.outage_long_s else 0.0
        answered = min(self.in_flight, max(0.0, seconds) * night.rows_per_s)
        if answered:
            self.live_s += answered / night.rows_per_s
            self.in_flight -= answered
            self.played.cost += LIVE * answered
            self.played.live += answered
            if self.in_flight < 1e-6:
                self.in_flight = 0.0
        self.now = until

    def collect(self) -> None:
        if self.is_down():
            return
        for batch in [b for b in self.batches if b.ends_at <= self.now]:
            self.batches.remove(batch)
            answered = batch.answered()
            self.played.cost += BATCH * answered
            self.played.in_batches += answered
            self.waiting += batch.rows - answered
            if batch.canceled_at is None:
                self.history.append((batch.rows, batch.fate.ends_s))

    def next_event(self, again_s: float) -> float:
        """Return when something happens: a decision, the end of a batch or of the live rows."""
        times = [self.now + again_s]
        looks = [b.ends_at + LOOK_S * ((b.number * 0.618) % 1) for b in self.batches]
        times += [max(self.now + 1, time) for time in looks]
        if self.in_flight:
            begins = max(self.now, self.live_begins)
            times.append(begins + self.in_flight / self.night.rows_per_s)
        if self.is_down():
            times = [max(self.now + 30, min(times))]
        return min(times)


def play(night: Night, strategy: Strategy) -> Played:
    """Play a night until every row has its answer."""
    play = _Play(night, Played(night), waiting=night.rows)
    while play.waiting or play.in_flight or play.batches:
        step = strategy(play.situation(), Durations.learnt(play.history))
        play.played.steps += 1
        assert play.played.steps < 20_000
        play.apply(step)
        play.advance(play.next_event(step.again_s))
        play.collect()
        play.played.done_at = play.now
    return play.played
