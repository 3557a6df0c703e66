"""Simulated nights: how long the batches take, how fast live requests are, what goes wrong.

A night is drawn from a seed alone, so every strategy and the oracle see the same one. What a batch
takes is drawn by its number; a batch that is made later than another takes what its own number
says.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

DAY_S = 86_400.0
HOUR_S = 3_600.0

Draw = Callable[[random.Random], float]
"""Draws the hours of one large batch above its floor, for one night."""


def log_normal(rng: random.Random) -> Draw:
    """Return mostly under an hour, with a heavy tail; its median differs from night to night."""
    median, spread = rng.lognormvariate(math.log(0.5), 0.6), rng.uniform(1.0, 1.8)
    return lambda draws: draws.lognormvariate(math.log(median), spread)


def pareto(rng: random.Random) -> Draw:
    """Return a power law without a mean in the worst nights: many quick, a few endless."""
    shape, least = rng.uniform(0.8, 1.6), rng.uniform(0.05, 0.4)
    return lambda draws: least * draws.paretovariate(shape)


def busy(rng: random.Random) -> Draw:
    """Return quick batches in two of three nights, and in the others most take five to 20 hours."""
    share = rng.uniform(0.5, 1.0) if rng.random() < 1 / 3 else rng.uniform(0.0, 0.05)

    def draw(draws: random.Random) -> float:
        quick = draws.lognormvariate(math.log(0.4), 0.7)
        return draws.uniform(5.0, 20.0) if draws.random() < share else quick

    return draw


def constant(rng: random.Random) -> Draw:
    """Return the same time for all batches of a night: from ten minutes to 14 hours."""
    hours = math.exp(rng.uniform(math.log(1 / 6), math.log(14.0)))
    return lambda _: hours


def expiring(rng: random.Random) -> Draw:
    """Return batches of which none ends before it expires."""
    return lambda _: math.inf


GENERATORS: dict[str, Callable[[random.Random], Draw]] = {
    "log-normal": log_normal,
    "Pareto tail": pareto,
    "busy nights": busy,
    "constant": constant,
    "all expire": expiring,
}


@dataclass(frozen=True)
class BatchFate:
    """What happens to one batch.

    Its requests are answered evenly between ``begins_s`` and ``ends_s``. A cancel ends it after
    ``cancel_s``; ``ignores_cancel``: all of its requests have begun, and are answered and billed.
    """

    begins_s: float
    ends_s: float
    cancel_s: float
    ignores_cancel: bool
    failed: float  # the share of its requests that fail in passing

    def answered(self, rows: int, age_s: float) -> int:
        """Return how many of its rows are answered at an age."""
        if age_s >= self.ends_s:
            return rows if self.ends_s < DAY_S else 0
        if age_s <= self.begins_s:
            return 0
        share = (age_s - self.begins_s) / (self.ends_s - self.begins_s)
        return int(rows * share)


@dataclass(frozen=True)
class Night:
    """One job and what its night brings; ``pace_error`` is by what factor the pace is misjudged.

    Live requests, calls and batches stand still from ``outage_s`` for ``outage_long_s``.
    """

    seed: int
    rows: int
    left_s: float
    rows_per_s: float
    pace_error: float
    batch_rows: int
    queue: int | None
    outage_s: float
    outage_long_s: float
    draw: Draw = field(repr=False)

    def fate(self, number: int, rows: int, age_of_night_s: float) -> BatchFate:
        """Return what happens to the batch of this number, made at this time with these rows."""
        draws = random.Random(f"{self.seed} batch {number}")
        size = math.sqrt(min(1.0, rows / 10_000))
        ends_s = min(DAY_S, 60 + HOUR_S * size * self.draw(draws))
        begins_s = ends_s * draws.uniform(0.0, 0.95)
        if ends_s < DAY_S and age_of_night_s <= self.outage_s < age_of_night_s + ends_s:
            ends_s += self.outage_long_s
        if ends_s >= DAY_S:
            begins_s = ends_s = DAY_S  # nothing of it begins
        cancel_s = min(1_800.0, 20 + draws.lognormvariate(math.log(90), 0.9))
        return BatchFate(
            begins_s, ends_s, cancel_s, draws.random() < 0.2, draws.choice((0.0, 0.002, 0.02))
        )

    def live_alone_s(self) -> float:
        """Return how long the job takes when all of it is sent live at once."""
        seconds = RAMP_S + self.rows / self.rows_per_s
        return seconds + (self.outage_long_s if self.outage_s < seconds else 0.0)


RAMP_S = 60.0
"""What a live run loses until it is at its pace."""

PAUSE_S = 20.0
"""What is lost between the last responses of rows that were handed over and those of the next."""


def night(generator: str, number: int) -> Night:
    """Draw a night; in half of them, live requests alone need more than a fifth of the time."""
    rng = random.Random(f"{generator} {number}")
    draw = GENERATORS[generator](rng)
    rows = int(math.exp(rng.uniform(math.log(500), math.log(250_000))))
    left_s = HOUR_S * rng.uniform(2, 12)
    rows_per_s = rng.choice((50, 200, 1_000, 2_000, 4_000)) / 60
    if rng.random() < 0.5:
        rows_per_s = rows / (left_s * rng.uniform(0.2, 1.0))
    has_outage = rng.random() < 0.15
    return Night(
        seed=number,
        rows=rows,
        left_s=left_s,
        rows_per_s=rows_per_s,
        pace_error=rng.lognormvariate(0, 0.2),
        batch_rows=10_000,
        queue=rng.choice((None, None, 100_000)),
        outage_s=rng.uniform(0, left_s) if has_outage else math.inf,
        outage_long_s=60 * rng.uniform(2, 45) if has_outage else 0.0,
        draw=draw,
    )
