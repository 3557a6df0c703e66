"""Kills at named points: before, during and after each step that makes records durable."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from crashed_job import CrashedJob
from kill_points import POINTS, STAGES
from kill_tally import sum_of
from named_kills import ROWS, kill_at_points
from run_launcher import Launcher
from trapped_run import replace

OutputOf = Callable[[int], pa.Table]


@pytest.mark.parametrize(
    "stage",
    [pytest.param(s, marks=() if s == "commit" else pytest.mark.slow) for s in STAGES],
)
def test_a_kill_at_each_point_loses_nothing(
    stage: str, tmp_path: Path, launcher: Launcher, output_of: OutputOf
) -> None:
    """The run reaches each point of the stage, and all promises hold afterwards."""
    rng = random.Random(1)
    tally = kill_at_points(stage, tmp_path / "job", launcher, output_of(ROWS), rng)
    assert tally.kills >= sum(point.stage == stage for point in POINTS)
    tally.check()


@pytest.mark.crash
@pytest.mark.parametrize("stage", STAGES)
def test_ten_kills_at_each_point_lose_nothing(
    stage: str, tmp_path: Path, launcher: Launcher, output_of: OutputOf
) -> None:
    """All promises hold after ten kills at each point, at different calls and times."""
    tally = sum_of(
        kill_at_points(
            stage, tmp_path / f"job{seed}", launcher, output_of(ROWS), random.Random(seed)
        )
        for seed in range(10)
    )
    print(json.dumps({"kills at named points": stage, **tally.summary()}))
    tally.check()


def test_a_point_that_is_not_reached_is_an_error(tmp_path: Path, launcher: Launcher) -> None:
    """A kill that does not happen would prove nothing."""
    creation = next(
        point for point in POINTS if point.name == "creation: after CREATE TABLE checkpoint"
    )
    with CrashedJob(tmp_path / "job", launcher) as crashed:
        crashed.write(3)
        crashed.finish()
        with pytest.raises(AssertionError, match="nothing to send"):
            crashed.kill_at(creation, 1, 0.0)


def test_a_point_that_no_longer_exists_is_an_error() -> None:
    """A renamed function must not turn a kill into an undisturbed run."""
    with pytest.raises(AttributeError, match="missing"):
        replace("batcher.store.checkpoint:Checkpoint.missing", lambda call: call)
