"""Kills of jobs in batches: no row is lost, none is paid twice, and the bill is the ledger's."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from batch_job import SCENARIOS, BatchJob, BatchTally
from batch_kills import kill_at, killed_at, killed_at_random, places
from gate import MOMENTS, Moment, Stop
from kill_points import Point
from run_launcher import Launcher

KILLS = 60
AnswersOf = Callable[[str], pa.Table]
PLACES = {
    f"{scenario}, {where.name if isinstance(where, Point) else ': '.join(where)}": (scenario, where)
    for scenario, where in places()
}
SAMPLE = (
    "batch, create: carried",
    "batch, creation: before OpenBatches.record created",
    "batch, results: half back",
    "batch, results: before OpenBatches.record fetched",
)


def test_a_job_that_is_killed_four_times(
    tmp_path: Path, launcher: Launcher, answers_of: AnswersOf
) -> None:
    """One job is killed where a batch, its results or their bill could be lost."""
    sample = [PLACES[name][1] for name in SAMPLE]
    tally = killed_at("batch", sample, tmp_path / "job", launcher, answers_of("batch"), 1)
    assert tally.kills == len(SAMPLE)
    tally.check()


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_jobs_without_kills(scenario: str, answers_of: AnswersOf) -> None:
    """The checks hold for a job that nobody disturbs."""
    assert set(answers_of(scenario).column("_status").to_pylist()) == {"succeeded"}


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
def test_a_kill_at_each_place(
    place: str, tmp_path: Path, launcher: Launcher, answers_of: AnswersOf
) -> None:
    """The run gets to the place, and the next one loses nothing and pays nothing twice."""
    scenario, where = PLACES[place]
    expected = answers_of(scenario)
    killed_at(scenario, [where], tmp_path / "job", launcher, expected, 1).check()


@pytest.mark.slow
@pytest.mark.parametrize("moment", [moment for moment in MOMENTS if moment != "half sent"])
def test_a_kill_of_the_command_that_cancels(
    moment: Moment, tmp_path: Path, launcher: Launcher, answers_of: AnswersOf
) -> None:
    """What was canceled is sent again, what was not is collected; nothing is paid for twice."""
    expected = answers_of("auto")
    with BatchJob(tmp_path / "job", launcher, SCENARIOS["auto"]) as job:
        assert kill_at(job, ("create", "back"), 3), job.log()
        stop = Stop("cancel", moment, 2, lambda: None)
        assert job.kill_at_call(stop, ["batches", str(job.path), "--cancel"]), job.log()
        job.finish()
        job.compare(expected).check()


@pytest.mark.crash
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_kills_at_random(
    scenario: str, tmp_path: Path, launcher: Launcher, answers_of: AnswersOf
) -> None:
    """After 60 kills of each kind of job, five or fewer of each job, all promises hold."""
    tally, expected = BatchTally(), answers_of(scenario)
    while tally.kills < KILLS:
        job = tmp_path / f"job{tally.jobs}"
        tally.add(killed_at_random(scenario, job, launcher, expected, tally.jobs))
    print(json.dumps({"kills of jobs in batches": scenario, **tally.summary()}))
    tally.check()
