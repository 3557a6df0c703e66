"""Draws the errors of estimates, and whether their intervals contain the real cost."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from other_methods import PEERS

if TYPE_CHECKING:
    from calibration import Estimated

_INK, _MISSED, _PALE = "#1f4e79", "#c0392b", "#9aa5b1"


def draw(found: "Sequence[Estimated]", path: Path) -> None:
    """Draw two panels: every interval with a pilot, and the error of each method."""
    plt.rcParams.update({"font.size": 9, "svg.hashsalt": "batcher", "svg.fonttype": "none"})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), width_ratios=(3, 2))
    _intervals(left, found)
    _errors(right, found)
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _intervals(axes: plt.Axes, found: "Sequence[Estimated]") -> None:
    ordered = sorted(found, key=lambda result: result.half_width)
    for place, result in enumerate(ordered):
        low, high = (end / result.actual for end in (result.with_pilot.low, result.with_pilot.high))
        colour = _INK if low <= 1 <= high else _MISSED
        axes.plot((place, place), (low, high), color=colour, linewidth=1.1)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_yscale("log")
    axes.set_yticks((0.5, 0.7, 1.0, 1.4, 2.0), ("0.5", "0.7", "1", "1.4", "2"))
    axes.set_ylim(0.5, 2.0)
    axes.minorticks_off()
    axes.set_xlabel("simulated jobs, narrowest interval first")
    axes.set_ylabel("interval / real cost")
    axes.set_title("90 % intervals after a pilot of 20 to 200 rows; red: missed")


def _errors(axes: plt.Axes, found: "Sequence[Estimated]") -> None:
    methods = {
        "batcher, pilot": [
            abs(math.log(result.with_pilot.expected / result.actual)) for result in found
        ],
        "batcher, no pilot": [
            abs(math.log(result.without_pilot.expected / result.actual)) for result in found
        ],
        **{name: [result.others[name] for result in found] for name in PEERS},
    }
    for place, (name, errors) in enumerate(reversed(methods.items())):
        ordered = sorted(math.exp(error) for error in errors)
        half, nine = ordered[len(ordered) // 2], ordered[int(0.9 * len(ordered))]
        colour = _INK if name.startswith("batcher") else _PALE
        axes.plot((1, nine), (place, place), color=colour, linewidth=5, alpha=0.35)
        axes.plot((1, half), (place, place), color=colour, linewidth=5)
        axes.text(nine * 1.08, place, f"{half:.2f} / {nine:.1f}", va="center", fontsize=8)
    axes.set_yticks(range(len(methods)), list(reversed(methods)))
    axes.set_xscale("log")
    axes.set_xlim(1, 80)
    axes.set_xticks((1, 2, 5, 10, 20, 50), ("1", "2", "5", "10", "20", "50"))
    axes.minorticks_off()
    axes.set_xlabel("error factor: half of the jobs / nine of ten")
    axes.set_title("error of the expected cost")
