"""Fixtures of the crash tests: a launcher of runs, and outputs of undisturbed runs."""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "whole"))

from crashed_job import undisturbed_output
from run_launcher import Launcher


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """A process that has imported batcher and starts one run after the other."""
    running = Launcher()
    yield running
    running.close()


@pytest.fixture(scope="session")
def output_of(
    tmp_path_factory: pytest.TempPathFactory, launcher: Launcher
) -> Callable[[int], pa.Table]:
    """A function that returns the output of an undisturbed run over a number of rows."""

    @cache
    def output(rows: int) -> pa.Table:
        return undisturbed_output(tmp_path_factory.mktemp("undisturbed") / "job", launcher, rows)

    return output
