"""Fixtures of the kills of jobs in batches: the answers of undisturbed jobs."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from batch_job import SCENARIOS, BatchJob
from run_launcher import Launcher


@pytest.fixture(scope="session")
def answers_of(
    tmp_path_factory: pytest.TempPathFactory, launcher: Launcher
) -> Callable[[str], pa.Table]:
    """A function that returns the answers of a scenario's job without kills."""

    @cache
    def answers(scenario: str) -> pa.Table:
        folder = tmp_path_factory.mktemp("undisturbed") / "job"
        with BatchJob(folder, launcher, SCENARIOS[scenario]) as job:
            job.finish()
            answers = job.answers()
            job.compare(answers).check()
            return answers

    return answers
