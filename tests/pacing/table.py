"""Prints the results of all strategies in all profiles as Markdown tables.

    python tests/pacing/table.py [--seed N] [--details] [--picture PATH]

``--details`` adds a table of all measures; ``--picture`` draws rates over time, with matplotlib,
which is not a dependency of batcher.
"""

import argparse
import importlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from batcher_pacing import BatcherPacing
from peers import PEERS
from profiles import PROFILES
from race import Result, race
from strategy import Factory

SMOOTHED_S = 10


def strategies() -> dict[str, Factory]:
    """Return all strategies by name, batcher first."""
    return {"batcher": BatcherPacing, **PEERS}


def overview(results: Sequence[Result]) -> str:
    """Return a table with a line per profile: efficiency, refusals and rows given up."""
    names = list(dict.fromkeys(result.strategy for result in results))
    cells = {(result.profile, result.strategy): _cell(result) for result in results}
    profiles = list(dict.fromkeys(result.profile for result in results))
    lines = ([profile, *(cells[profile, name] for name in names)] for profile in profiles)
    return _table(["share of the allowed rate / 429s / rows given up", *names], lines)


def details(results: Sequence[Result]) -> str:
    """Return a table with a line per run and all measurements."""
    head = [
        "profile", "strategy", "efficiency", "successes", "sent", "429s", "attempts a success",
        "given up", "into the outage", "most in flight", "90 % after",
    ]  # fmt: skip
    lines = (
        [
            result.profile,
            result.strategy,
            f"{result.efficiency:.1%}",
            f"{result.successes:,}",
            f"{result.sent:,}",
            f"{result.refusals:.2%}",
            f"{result.attempts_per_success:.3f}",
            f"{result.given_up:,}",
            f"{result.into_outage:,}",
            f"{result.max_in_flight:,}",
            "never" if result.reached_s is None else f"{result.reached_s} s",
        ]
        for result in results
    )
    return _table(head, lines)


def draw(results: Sequence[Result], path: Path) -> None:
    """Draw the successes per second over time into a file, with a panel per profile."""
    pyplot = importlib.import_module("matplotlib.pyplot")
    names = list(dict.fromkeys(result.profile for result in results))
    figure, panels = pyplot.subplots(
        len(names), 1, figsize=(10, 3 * len(names)), squeeze=False, layout="constrained"
    )
    for panel, name in zip(panels.flat, names, strict=True):
        shown = [result for result in results if result.profile == name]
        panel.plot(shown[0].granted, color="black", linestyle="--", label="allowed")
        for result in shown:
            panel.plot(_smoothed(result.completed), label=result.strategy)
        panel.set_title(name)
        panel.set_ylim(0, 2 * max(shown[0].granted))
        panel.set_ylabel("successes a second")
    panels.flat[-1].set_xlabel("seconds")
    figure.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    figure.savefig(path)


def _cell(result: Result) -> str:
    return f"{result.efficiency:.0%} / {result.refusals:.1%} / {result.given_up:,}"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    ruler = ["---"] * len(head)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ruler, *lines))


def _smoothed(completed: Sequence[int]) -> list[float]:
    windows = (completed[max(0, end - SMOOTHED_S) : end] for end in range(1, len(completed) + 1))
    return [sum(window) / len(window) for window in windows]


def main() -> None:
    """Run all strategies in all profiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--details", action="store_true")
    parser.add_argument("--picture", type=Path, metavar="PATH")
    options = parser.parse_args()
    results = [
        race(name, factory, profile, options.seed)
        for profile in PROFILES
        for name, factory in strategies().items()
    ]
    print(overview(results))
    if options.details:
        print(f"\n{details(results)}")
    if options.picture:
        draw(results, options.picture)


if __name__ == "__main__":
    main()
