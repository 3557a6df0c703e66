"""Kills at named points, stage by stage."""

import random
from pathlib import Path

import duckdb
import pyarrow as pa
from crashed_job import CrashedJob
from kill_points import POINTS
from kill_tally import Tally
from run_launcher import Launcher

ROWS = 400
CONCURRENCY = 8
_HALFWAY = next(point for point in POINTS if point.stage == "commit")
_TABLES_OF_1 = ("attempts", "checkpoint", "outcomes", "run_ends", "runs")


def kill_at_points(
    stage: str, folder: Path, launcher: Launcher, whole: pa.Table, chance: random.Random
) -> Tally:
    """Kill one job at each point of a stage, one after the other, complete it and compare."""
    with CrashedJob(folder, launcher) as crashed:
        _prepare(crashed, stage)
        for point in POINTS:
            if point.stage == stage:
                delay_s = chance.uniform(0, point.lasts_s)
                crashed.kill_at(point, chance.randint(1, point.most), delay_s, chance.randint(1, 4))
        crashed.finish()
        return crashed.compare(whole)


def _prepare(crashed: CrashedJob, stage: str) -> None:
    """Bring a job to where the points of a stage can be come to."""
    if stage.startswith("replacing"):
        crashed.write(ROWS // 2, "out", concurrency=CONCURRENCY)
        crashed.finish()
        crashed.write(ROWS, "out", concurrency=CONCURRENCY)
    else:
        crashed.write(ROWS, concurrency=CONCURRENCY)
    if stage == "migration":
        crashed.kill_at(_HALFWAY, 8, 0.0)
        _downgrade(crashed.checkpoint)


def _downgrade(checkpoint: Path) -> None:
    """Make the checkpoint one of schema version 1, with what it holds."""
    with duckdb.connect(str(checkpoint)) as connection:
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            if table not in _TABLES_OF_1:
                connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE checkpoint SET schema_version = 1")
    (checkpoint.parent / "watermark").unlink()
