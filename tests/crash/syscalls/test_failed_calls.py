"""Every call that writes, killed or failing: no acknowledged record is lost, no lie is told."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from injection import CREATION, EFFECTS, Bench, Scene, Struck, filling
from traced import COMMITS

pytestmark = pytest.mark.usefixtures("strace")

FIRST_CHECKPOINT = 5
"""So many commits include a checkpoint of the log and a new log after it."""


def hold(scene: Scene, all_struck: Iterable[Struck]) -> Counter[str]:
    """See that the promises were kept at every fault; count how the driver took them."""
    taken: Counter[str] = Counter()
    broken = []
    for struck in all_struck:
        was = "unharmed" if struck.ended.code == 0 else "stopped"
        taken[f"{struck.fault.effect} {was}"] += 1
        if not (struck.is_told_truly and struck.is_kept):
            broken.append(str(struck))
    print(f"\n{scene.name}: {dict(sorted(taken.items()))}, promises broken: {len(broken)}")
    assert not broken, "\n".join(broken)
    return taken


@pytest.mark.parametrize("thinning", [5, pytest.param(1, marks=pytest.mark.slow)])
def test_a_sample_of_failing_calls_breaks_no_promise(thinning: int, tmp_path: Path) -> None:
    """Some calls of the creation, of commits and of a checkpoint, the faults by turns."""
    bench = Bench(tmp_path)
    for scene, step in (CREATION, 12), (filling(FIRST_CHECKPOINT), 21):
        hold(scene, bench.strike(scene, bench.faults(scene)[:: step * thinning]))


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("scene", [CREATION, filling(COMMITS)], ids=lambda scene: scene.name)
def test_every_failing_call_breaks_no_promise(tmp_path: Path, scene: Scene) -> None:
    """Each call of the creation, of all commits and checkpoints, and of the end, each fault."""
    bench = Bench(tmp_path)
    faults = bench.faults(scene)
    taken = hold(scene, bench.strike(scene, faults))
    assert taken.total() == len(faults) >= 100
    assert {effect.split()[0] for effect in taken} == set(EFFECTS)
