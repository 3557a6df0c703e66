"""Estimates 300 simulated jobs in several ways, prints the errors, and can draw them."""

import argparse
import math
import sys
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from other_methods import PEERS
from own_estimates import estimate

from batcher.core.estimate.spread import Spread
from jobs import SimulatedJob, draw_job, totals

JOBS = 300
LARGE = 20_000
LARGE_JOBS = 100


@dataclass(frozen=True, slots=True)
class Estimated:
    """A job, its real cost, its two estimates, and the errors of other methods by name."""

    job: SimulatedJob
    actual: float
    with_pilot: Spread
    without_pilot: Spread
    others: dict[str, float]

    @property
    def half_width(self) -> float:
        """Half the width of the interval with a pilot, as a share of the cost."""
        return (self.with_pilot.high - self.with_pilot.low) / 2 / self.actual


def estimate_job(job: SimulatedJob) -> Estimated:
    """Estimate one job with every method."""
    actual = totals(job.rows)["usd"]
    with_pilot, _ = estimate(job, with_pilot=True)
    without_pilot, _ = estimate(job, with_pilot=False)
    others = {name: abs(math.log(peer(job) / actual)) for name, peer in PEERS.items()}
    return Estimated(job, actual, with_pilot, without_pilot, others)


def holds(spread: Spread, actual: float) -> bool:
    """Whether the interval contains the real cost."""
    return spread.low <= actual <= spread.high


def share(results: Iterable[bool]) -> float:
    """Return the share of true values."""
    values = list(results)
    return sum(values) / len(values)


def main(arguments: Sequence[str]) -> int:
    """Print the tables; return 1 when the intervals do not contain the cost often enough."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--jobs", type=int, default=JOBS)
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--picture", type=Path)
    parsed = options.parse_args(arguments)
    found = [estimate_job(draw_job(number, parsed.seed)) for number in range(parsed.jobs)]
    large = [
        estimate_job(draw_job(number, parsed.seed + 1, rows=LARGE, pilot=200))
        for number in range(LARGE_JOBS)
    ]
    with_pilot = share(holds(result.with_pilot, result.actual) for result in found)
    without = share(holds(result.without_pilot, result.actual) for result in found)
    width = median(result.half_width for result in large)
    print(f"{len(found)} jobs of 1,000 to 20,000 rows, seed {parsed.seed}\n")
    print(f"interval holds the cost, pilot of 20 to 200 rows   {with_pilot:6.1%}")
    print(f"interval holds the cost, no pilot                  {without:6.1%}")
    print(f"median half-width, 200 of 20,000 rows              {width:6.1%}\n")
    _print_errors(found)
    _print_shapes(found)
    if parsed.picture:
        from picture import draw  # noqa: PLC0415 - matplotlib is in its own dependency group

        draw(found, parsed.picture)
    return int(not (0.85 <= with_pilot <= 0.95 and without >= 0.85 and width <= 0.05))


def _print_errors(found: Sequence[Estimated]) -> None:
    """Print the error of the expected cost by method, as a factor: 1.10 is ten percent."""
    methods = {
        "batcher, pilot": [
            abs(math.log(result.with_pilot.expected / result.actual)) for result in found
        ],
        "batcher, no pilot": [
            abs(math.log(result.without_pilot.expected / result.actual)) for result in found
        ],
        **{name: [result.others[name] for result in found] for name in PEERS},
    }
    print(f"{'error factor':24} {'half the jobs':>14} {'nine of ten':>12} {'worst':>8}")
    for name, errors in methods.items():
        ordered = sorted(errors)
        marks = (ordered[len(ordered) // 2], ordered[int(0.9 * len(ordered))], ordered[-1])
        half, nine, worst = (math.exp(mark) for mark in marks)
        print(f"{name:24} {half:14.2f} {nine:12.2f} {worst:8.1f}")
    print()


def _print_shapes(found: Sequence[Estimated]) -> None:
    """Print how often the intervals contain the cost, by kind of job."""
    groups: dict[str, list[Estimated]] = defaultdict(list)
    for result in found:
        shape = result.job.shape
        groups[f"pilot of {result.job.pilot:3}"].append(result)
        groups[f"answers: {shape.kind}"].append(result)
        groups["thinking on" if shape.thinks else "thinking off"].append(result)
        groups["cached" if shape.is_cached else "not cached"].append(result)
        groups["other scripts" if shape.is_other_script else "latin letters"].append(result)
        groups["several languages" if shape.is_mixed else "one language"].append(result)
        groups[f"lengths: {shape.lengths}"].append(result)
        if shape.system:
            groups["instructions foreign" if shape.is_foreign else "instructions alike"].append(
                result
            )
    print(f"{'kind of job':24} {'jobs':>5} {'pilot holds':>12} {'half-width':>11} {'no pilot':>9}")
    for name, results in sorted(groups.items()):
        pilot_share = share(holds(result.with_pilot, result.actual) for result in results)
        text_share = share(holds(result.without_pilot, result.actual) for result in results)
        width = median(result.half_width for result in results)
        print(f"{name:24} {len(results):5} {pilot_share:12.0%} {width:11.1%} {text_share:9.0%}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
