"""Faults at each writing system call: no acknowledged record is lost, and errors are reported."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest
from injection import CREATION, EFFECTS, FaultBench, FaultResult, Phase, filling
from traced import COMMITS

pytestmark = pytest.mark.usefixtures("strace")

FIRST_CHECKPOINT = 5
"""The number of commits that include a checkpoint of the log and a new log."""


def check(phase: Phase, results: Iterable[FaultResult]) -> Counter[str]:
    """Check the promises for each fault; count the results of the driver."""
    counts: Counter[str] = Counter()
    broken = []
    for result in results:
        ending = "unharmed" if result.result.code == 0 else "stopped"
        counts[f"{result.fault.effect} {ending}"] += 1
        if not (result.is_reported_correctly and result.is_kept):
            broken.append(str(result))
    print(f"\n{phase.name}: {dict(sorted(counts.items()))}, promises broken: {len(broken)}")
    assert not broken, "\n".join(broken)
    return counts


@pytest.mark.parametrize("thinning", [15, pytest.param(1, marks=pytest.mark.slow)])
def test_a_sample_of_failing_calls_breaks_no_promise(thinning: int, tmp_path: Path) -> None:
    """No fault at some calls of the creation, of commits and of a checkpoint breaks a promise."""
    bench = FaultBench(tmp_path)
    for phase, step in (CREATION, 12), (filling(FIRST_CHECKPOINT), 21):
        check(phase, bench.run_faults(phase, bench.faults(phase)[:: step * thinning]))


@pytest.mark.crash
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("phase", [CREATION, filling(COMMITS)], ids=lambda phase: phase.name)
def test_every_failing_call_breaks_no_promise(tmp_path: Path, phase: Phase) -> None:
    """No fault at any call of the creation, all commits and checkpoints, and the end breaks one."""
    bench = FaultBench(tmp_path)
    faults = bench.faults(phase)
    counts = check(phase, bench.run_faults(phase, faults))
    assert counts.total() == len(faults) >= 100
    assert {effect.split()[0] for effect in counts} == set(EFFECTS)
