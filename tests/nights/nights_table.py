"""Plays simulated nights with the delivery ``auto``, and prints how they went as a table.

    python tests/nights/nights_table.py [--nights N] [--picture PATH]

Only nights count in which live requests alone could meet the deadline. ``--picture`` draws the
costs of all of them, with matplotlib, which is not a dependency of batcher.
"""

import argparse
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from night import GENERATORS, Night, night
from oracle import oracle_cost
from played_night import BATCH, LIVE, Played, play

from batcher.core.batches.auto import decide

NIGHTS = 200


@dataclass(frozen=True)
class Result:
    """How a night went, and the least that it would have cost: the oracle's plan, or this one."""

    played: Played
    oracle: float

    @property
    def ratio(self) -> float:
        """The cost as a multiple of the oracle's."""
        return self.played.cost / self.oracle

    @property
    def live_share(self) -> float:
        """The time that live requests alone need, as a share of the time until the deadline."""
        return self.played.night.live_alone_s() / self.played.night.left_s


def possible_nights(generator: str) -> Iterator[Night]:
    """Draw nights in which live requests alone could meet the deadline, without an end."""
    number = 0
    while True:
        drawn = night(generator, number)
        number += 1
        if drawn.live_alone_s() <= drawn.left_s:
            yield drawn


def results(generator: str, nights: int) -> list[Result]:
    """Play the first nights of a generator."""
    drawn = possible_nights(generator)
    chosen = [next(drawn) for _ in range(nights)]
    played = [play(one, decide) for one in chosen]
    return [Result(one, min(one.cost, oracle_cost(one.night))) for one in played]


def mean_ratio(found: Sequence[Result]) -> float:
    """Return the mean of the nights' costs, each as a multiple of the oracle's."""
    return sum(result.ratio for result in found) / len(found)


def met_share(found: Sequence[Result]) -> float:
    """Return the share of nights that met their deadline."""
    return sum(result.played.is_met for result in found) / len(found)


def line(name: str, found: Sequence[Result]) -> str:
    """Return a line of the table."""
    ratios = sorted(result.ratio for result in found)
    rows = sum(result.played.night.rows for result in found)
    cost = sum(result.played.cost for result in found) / (LIVE * rows)
    oracle = sum(result.oracle for result in found) / (LIVE * rows)
    cells = [
        name,
        f"{sum(result.played.is_met for result in found):,} of {len(found):,}",
        f"{mean_ratio(found):.3f}",
        f"{ratios[int(0.95 * len(ratios))]:.2f} / {ratios[-1]:.2f}",
        f"{cost:.1%} / {oracle:.1%}",
        f"{sum(result.played.in_batches for result in found) / rows:.1%}",
        f"{sum(result.played.canceled for result in found) / len(found):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


HEAD = (
    "durations", "deadline met", "cost / oracle's", "19 of 20 / worst",
    "cost / oracle's, live = 100 %", "rows by batch", "cancels a night",
)  # fmt: skip


def draw(found: dict[str, list[Result]], path: Path) -> None:
    """Draw each night's cost over the share of time that live requests alone need."""
    plt = importlib.import_module("matplotlib.pyplot")
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "batcher", "svg.fonttype": "none"})
    figure, panels = plt.subplots(1, len(found), figsize=(12, 3.2), sharey=True)
    for panel, (name, nights) in zip(panels, found.items(), strict=True):
        share = [result.live_share for result in nights]
        rows = [LIVE * result.played.night.rows for result in nights]
        oracle = [result.oracle / full for result, full in zip(nights, rows, strict=True)]
        cost = [result.played.cost / full for result, full in zip(nights, rows, strict=True)]
        panel.vlines(share, oracle, cost, color="#9aa5b1", linewidth=0.7)
        panel.scatter(share, oracle, s=7, color="#9aa5b1", label="oracle")
        panel.scatter(share, cost, s=5, color="#1f4e79", label="batcher")
        missed = [place for place, result in enumerate(nights) if not result.played.is_met]
        panel.scatter(
            [share[place] for place in missed],
            [cost[place] for place in missed],
            s=22,
            color="#c0392b",
            marker="x",
            label="missed",
        )
        panel.axhline(BATCH, color="black", linewidth=0.5)
        panel.set_title(name)
    panels[0].set_ylabel("cost, live alone = 1")
    panels[0].legend(loc="upper left", fontsize=7)
    figure.supxlabel("time that live requests alone need / time until the deadline", fontsize=9)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Play the nights of all generators."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--nights", type=int, default=NIGHTS)
    parser.add_argument("--picture", type=Path, metavar="PATH")
    options = parser.parse_args()
    found = {name: results(name, options.nights) for name in GENERATORS}
    print(f"| {' | '.join(HEAD)} |\n|{' --- |' * len(HEAD)}")
    for name, nights in found.items():
        print(line(name, nights))
    every = [result for nights in found.values() for result in nights]
    print(line("all", every))
    print(line("of these, live needs over half", [r for r in every if r.live_share > 0.5]))
    print(line("of these, with an outage", [r for r in every if r.played.night.outage_long_s]))
    if options.picture:
        draw(found, options.picture)


if __name__ == "__main__":
    main()
