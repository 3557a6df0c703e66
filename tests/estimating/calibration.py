"""Estimates 300 simulated jobs in several ways, and prints how far each was off; may draw it."""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from other_ways import PEERS
from own_estimates import estimate

from batcher.core.estimate.spread import Spread
from jobs import SimulatedJob, draw_job, totals

JOBS = 300
LARGE = 20_000
LARGE_JOBS = 100


@dataclass(frozen=True, slots=True)
class Estimated:
    """One job, what it really cost, and the two estimates; errors of others by name."""

    job: SimulatedJob
    actual: float
    piloted: Spread
    blind: Spread
    others: dict[str, float]

    @property
    def half_width(self) -> float:
        """Half the piloted interval as a share of the cost."""
        return (self.piloted.high - self.piloted.low) / 2 / self.actual


def estimated(job: SimulatedJob) -> Estimated:
    """Estimate one job every way."""
    actual = totals(job.rows)["usd"]
    piloted, _ = estimate(job, with_pilot=True)
    blind, _ = estimate(job, with_pilot=False)
    others = {name: abs(math.log(peer(job) / actual)) for name, peer in PEERS.items()}
    return Estimated(job, actual, piloted, blind, others)


def holds(spread: Spread, actual: float) -> bool:
    """Whether the interval holds what came."""
    return spread.low <= actual <= spread.high


def share(found: Iterable[bool]) -> float:
    """How many of them, as a share."""
    values = list(found)
    return sum(values) / len(values)


def main(arguments: Sequence[str]) -> int:
    """Print the tables; 1 when the intervals do not hold what they promise."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=JOBS)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--picture", type=Path)
    asked = options.parse_args(arguments)
    found = [estimated(draw_job(number, asked.seed)) for number in range(asked.jobs)]
    large = [
        estimated(draw_job(number, asked.seed + 1, rows=LARGE, pilot=200))
        for number in range(LARGE_JOBS)
    ]
    with_pilot = share(holds(one.piloted, one.actual) for one in found)
    without = share(holds(one.blind, one.actual) for one in found)
    width = median(one.half_width for one in large)
    print(f"{len(found)} jobs of 1,000 to 20,000 rows, seed {asked.seed}\n")
    print(f"interval holds the cost, pilot of 20 to 200 rows   {with_pilot:6.1%}")
    print(f"interval holds the cost, no pilot                  {without:6.1%}")
    print(f"median half-width, 200 of 20,000 rows              {width:6.1%}\n")
    _print_errors(found)
    _print_shapes(found)
    if asked.picture:
        from picture import draw  # noqa: PLC0415 - matplotlib is a group of its own

        draw(found, asked.picture)
    return int(not (0.85 <= with_pilot <= 0.95 and without >= 0.85 and width <= 0.05))


def _print_errors(found: Sequence[Estimated]) -> None:
    """How far the expected cost was off, by way of estimating: factors, so 1.10 is ten percent."""
    ways = {
        "batcher, pilot": [abs(math.log(one.piloted.expected / one.actual)) for one in found],
        "batcher, no pilot": [abs(math.log(one.blind.expected / one.actual)) for one in found],
        **{name: [one.others[name] for one in found] for name in PEERS},
    }
    print(f"{'off by a factor of':24} {'half the jobs':>14} {'nine of ten':>12} {'worst':>8}")
    for name, errors in ways.items():
        ordered = sorted(errors)
        marks = (ordered[len(ordered) // 2], ordered[int(0.9 * len(ordered))], ordered[-1])
        half, nine, worst = (math.exp(mark) for mark in marks)
        print(f"{name:24} {half:14.2f} {nine:12.2f} {worst:8.1f}")
    print()


def _print_shapes(found: Sequence[Estimated]) -> None:
    """How often the intervals hold by what kind of job it is."""
    groups: dict[str, list[Estimated]] = defaultdict(list)
    for one in found:
        shape = one.job.shape
        groups[f"pilot of {one.job.pilot:3}"].append(one)
        groups[f"answers: {shape.kind}"].append(one)
        groups["thinking on" if shape.thinks else "thinking off"].append(one)
        groups["cached" if shape.is_cached else "not cached"].append(one)
        groups["other scripts" if shape.is_other_script else "latin letters"].append(one)
        groups["several languages" if shape.is_mixed else "one language"].append(one)
        groups[f"lengths: {shape.lengths}"].append(one)
        if shape.system:
            groups["instructions foreign" if shape.is_foreign else "instructions alike"].append(one)
    print(f"{'kind of job':24} {'jobs':>5} {'pilot holds':>12} {'half-width':>11} {'no pilot':>9}")
    for name, ones in sorted(groups.items()):
        piloted = share(holds(one.piloted, one.actual) for one in ones)
        blind = share(holds(one.blind, one.actual) for one in ones)
        width = median(one.half_width for one in ones)
        print(f"{name:24} {len(ones):5} {piloted:12.0%} {width:11.1%} {blind:9.0%}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
