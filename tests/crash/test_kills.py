"""Kills at random times: no committed record is lost, and few requests are paid for twice."""

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

OutputOf = Callable[[int], pa.Table]


def killed(folder: Path, launcher: Launcher, expected: pa.Table, kills: int, seed: int) -> Tally:
    """Kill a job at random times, complete it, and check all its records."""
    with CrashedJob(folder, launcher) as crashed:
        crashed.write(expected.num_rows)
        kill_at_random(crashed, kills, random.Random(seed))
        crashed.finish()
        return crashed.compare(expected)


@pytest.mark.parametrize(
    ("rows", "kills"), [(300, 2), pytest.param(1_000, 12, marks=pytest.mark.slow)]
)
def test_kills_at_random_times_lose_nothing(
    rows: int, kills: int, tmp_path: Path, launcher: Launcher, output_of: OutputOf
) -> None:
    """After a few kills all promises hold."""
    tally = killed(tmp_path / "job", launcher, output_of(rows), kills=kills, seed=1)
    assert tally.kills == kills
    tally.check()


@pytest.mark.crash
@pytest.mark.parametrize("seed", range(4))
def test_a_thousand_kills_lose_nothing(
    seed: int, tmp_path: Path, launcher: Launcher, output_of: OutputOf
) -> None:
    """After 1,000 kills in 100,000 rows, in four jobs, all promises hold.

    Four jobs, because each start reads the whole input: one job would take hours.
    """
    tally = killed(tmp_path / "job", launcher, output_of(25_000), kills=250, seed=seed)
    print(json.dumps({"kills at random times, seed": seed, **tally.summary()}))
    assert tally.kills == 250
    tally.check()
