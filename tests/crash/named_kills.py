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
    stage: str, folder: Path, launcher: Launcher, expected: pa.Table, rng: random.Random
) -> Tally:
    """Kill one job at each point of a stage, in order; then complete and check it."""
    with CrashedJob(folder, launcher) as crashed:
        _prepare(crashed, stage)
        for point in POINTS:
            if point.stage == stage:
                delay_s = rng.uniform(0, point.lasts_s)
                crashed.kill_at(point, rng.randint(1, point.max_number), delay_s, rng.randint(1, 4))
        crashed.finish()
        return crashed.compare(expected)


def _prepare(crashed: CrashedJob, stage: str) -> None:
    """Prepare a job so that it can reach the points of a stage."""
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
    """Turn the checkpoint into one of schema version 1, with the same records."""
    with duckdb.connect(str(checkpoint)) as connection:
        for (table,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall():
            if table not in _TABLES_OF_1:
                connection.execute(f"DROP TABLE {table}")
        connection.execute("UPDATE checkpoint SET schema_version = 1")
    (checkpoint.parent / "watermark").unlink()  # version 0.1 wrote none
