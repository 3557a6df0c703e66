"""What the crash tests share: a launcher of runs, and outputs of runs that nothing happens to."""

import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "whole"))

from crashed_job import undisturbed
from run_launcher import Launcher


@pytest.fixture(scope="session")
def launcher() -> Iterator[Launcher]:
    """A process that has imported batcher, for one run after the other."""
    running = Launcher()
    yield running
    running.close()


@pytest.fixture(scope="session")
def whole(
    tmp_path_factory: pytest.TempPathFactory, launcher: Launcher
) -> Callable[[int], pa.Table]:
    """The output of a run of ``rows`` rows that nothing disturbs."""

    @cache
    def output(rows: int) -> pa.Table:
        return undisturbed(tmp_path_factory.mktemp("undisturbed") / "job", launcher, rows)

    return output
