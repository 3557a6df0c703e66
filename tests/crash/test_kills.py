"""Kills at random instants: nothing that was committed is lost, and little is paid for twice."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from crashed_job import CrashedJob
from kill_tally import Tally
from random_kills import kill_at_random
from run_launcher import Launcher

Whole = Callable[[int], pa.Table]


def killed(folder: Path, launcher: Launcher, whole: pa.Table, kills: int, seed: int) -> Tally:
    """Kill a job at random, complete it, and hold everything that is left against each other."""
    with CrashedJob(folder, launcher) as crashed:
        crashed.write(whole.num_rows)
        kill_at_random(crashed, kills, random.Random(seed))
        crashed.finish()
        return crashed.compare(whole)


@pytest.mark.parametrize(
    ("rows", "kills"), [(400, 3), pytest.param(1_000, 12, marks=pytest.mark.slow)]
)
def test_kills_at_random_instants_lose_nothing(
    rows: int, kills: int, tmp_path: Path, launcher: Launcher, whole: Whole
) -> None:
    """After a few kills every promise holds."""
    tally = killed(tmp_path / "job", launcher, whole(rows), kills=kills, seed=1)
    assert tally.kills == kills
    tally.check()


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_kills_lose_nothing(
    seed: int, tmp_path: Path, launcher: Launcher, whole: Whole
) -> None:
    """After 1,000 kills in 100,000 rows, in four jobs, every promise holds.

    Four, because each start plans the whole input again: for one job that would take hours.
    """
    tally = killed(tmp_path / "job", launcher, whole(25_000), kills=250, seed=seed)
    print(json.dumps({"kills at random instants, seed": seed, **tally.summary()}))
    assert tally.kills == 250
    tally.check()
