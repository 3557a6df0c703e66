"""Kills of jobs in batches: at every moment of every call, at named points, and at any time."""

import random
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from batch_job import SCENARIOS, BatchJob, BatchTally
from gate import MOMENTS, Call, Moment, Stop
from kill_points import BATCH_POINTS, Point
from run_launcher import Launcher

Place = Point | tuple[Call, Moment]
"""Where a run is killed: at a named point, or at a moment of a call."""

_MOST_KILLS = 5
_LONGEST_S = 3.0  # a run takes about as long
_AT_ANY_TIME = 1 / 4  # of the kills; of the others, this share is at calls and the rest at points:
_AT_CALLS = 2 / 3
_STAGES = {"priming": "priming", "switch": "auto"}  # the scenario of a stage; batch for the others


def calls_of(scenario: str) -> Iterator[tuple[Call, Moment]]:
    """Yield the moments of the calls that a scenario makes."""
    calls: tuple[Call, ...] = ("create", "list", "retrieve", "results")
    if scenario == "auto":
        calls = (*calls, "cancel", "messages")
    for call in calls:
        for moment in MOMENTS:
            if moment != "half sent" or call in ("create", "messages"):
                yield call, moment


def places() -> Iterator[tuple[str, Place]]:
    """Yield every place with its scenario: each moment of each call, and each named point."""
    for call, moment in calls_of("auto"):
        yield ("auto" if call in ("cancel", "messages") else "batch"), (call, moment)
    for point in BATCH_POINTS:
        yield _STAGES.get(point.stage, "batch"), point


def kill_at(job: BatchJob, place: Place, number: int) -> bool:
    """Kill one run of a job at a place; return whether the run got there."""
    if isinstance(place, Point):
        return job.kill_at_point(place, number)
    call, moment = place
    return job.kill_at_call(Stop(call, moment, number, lambda: None))


def killed_at(
    scenario: str,
    places: Sequence[Place],
    folder: Path,
    launcher: Launcher,
    expected: pa.Table,
    seed: int,
) -> BatchTally:
    """Kill a new job at some places, complete it and check it; it must reach each of them."""
    rng = random.Random(seed)
    with BatchJob(folder, launcher, SCENARIOS[scenario]) as job:
        if scenario == "auto":
            assert kill_at(job, ("create", "back"), 3), job.log()
        for place in places:
            most = place.max_number if isinstance(place, Point) else 1
            number = rng.randint(1, most) if len(places) == 1 else 1
            assert kill_at(job, place, number), (place, job.log())
        job.finish()
        return job.compare(expected)


def killed_at_random(
    scenario: str, folder: Path, launcher: Launcher, expected: pa.Table, seed: int
) -> BatchTally:
    """Kill a job at random places and times, five times or until it has ended."""
    rng = random.Random(f"{scenario} {seed}")
    calls = list(calls_of(scenario))
    points = [point for point in BATCH_POINTS if _STAGES.get(point.stage, scenario) == scenario]
    with BatchJob(folder, launcher, SCENARIOS[scenario]) as job:
        for _ in range(_MOST_KILLS):
            if rng.random() < _AT_ANY_TIME:
                is_killed = job.kill_after(rng.uniform(0.1, _LONGEST_S))
            else:
                where = rng.choice(calls if rng.random() < _AT_CALLS else points)
                is_killed = kill_at(job, where, rng.randint(1, 3))
            if not is_killed:
                break
        job.finish()
        return job.compare(expected)
