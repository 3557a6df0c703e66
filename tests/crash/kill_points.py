"""The named points at which a run is killed: before, during or after a call or statement."""

from dataclasses import dataclass
from typing import Literal

SQL = "duckdb:connect"
"""A target that means all statements on DuckDB connections."""


@dataclass(frozen=True, slots=True)
class Point:
    """A call; the run is killed before, during or after it.

    ``target`` is ``module:name``, or ``SQL``. Only calls with ``match`` in a text or path argument
    count. The kill comes at the n-th of these calls; n is at most ``max_number``. ``during``: at a
    random time within ``lasts_s``, or directly after a call that was shorter.
    """

    stage: str
    moment: Literal["before", "during", "after"]
    target: str
    match: str = ""
    max_number: int = 1
    lasts_s: float = 0.0

    @property
    def name(self) -> str:
        """The name of the point on a command line."""
        _, _, function = self.target.partition(":")
        call = self.match if self.target == SQL else f"{function} {self.match}".strip()
        return f"{self.stage}: {self.moment} {call}"


_CREATE = "batcher.store.checkpoint:Checkpoint.create"
_COMMIT = "batcher.store.checkpoint:Checkpoint.commit"
_CLOSE = "batcher.store.checkpoint:Checkpoint.close"
_RENAME = "pathlib:Path.rename"
_MIGRATE = "batcher.store.checkpoint:migrate"
_WATERMARK = "batcher.store.watermark:Watermark.write"
_PUT_IN_PLACE = "batcher.outputs.parquet_output:put_in_place"
_SYNC_FILE = "batcher.outputs.parquet_output:sync_file"
_FLUSH = "batcher.outputs.parquet_output:ParquetOutput._flush"
_SEAL = "batcher.outputs.seal:Seal.write"
_WRITE_JSON = "batcher.runner.record.status_file:write_json"
_WRITER_CLOSE = "batcher.store.writer:Writer.close"

# The points of a stage are in order: a run reaches a later point only after the earlier ones.
POINTS = (
    Point("creation", "before", _CREATE),
    Point("creation", "before", SQL, "CREATE TABLE checkpoint"),
    Point("creation", "after", SQL, "CREATE TABLE checkpoint"),
    Point("creation", "before", SQL, "CHECKPOINT c"),
    Point("creation", "during", SQL, "CHECKPOINT c", lasts_s=0.01),
    Point("creation", "before", _RENAME, "checkpoint.duckdb.new"),
    Point("creation", "after", _RENAME, "checkpoint.duckdb.new"),
    Point("migration", "before", _MIGRATE),
    Point("migration", "before", SQL, "CREATE TABLE rows_seen"),
    Point("migration", "after", SQL, "CREATE TABLE rows_seen"),
    Point("migration", "after", SQL, "UPDATE checkpoint SET schema_version"),
    Point("migration", "during", SQL, "COMMIT", lasts_s=0.004),
    Point("rows seen", "before", SQL, "INSERT INTO rows_seen"),
    Point("rows seen", "during", SQL, "INSERT INTO rows_seen", lasts_s=0.01),
    Point("rows seen", "after", SQL, "INSERT INTO rows_seen"),
    Point("rows seen", "after", "batcher.store.checkpoint:Checkpoint.add"),
    Point("commit", "before", _COMMIT, max_number=4),
    Point("commit", "after", SQL, "BEGIN", max_number=4),
    Point("commit", "before", SQL, "INSERT INTO outcomes", max_number=4),
    Point("commit", "after", SQL, "INSERT INTO outcomes", max_number=4),
    Point("commit", "before", SQL, "COMMIT", max_number=4),
    Point("commit", "during", SQL, "COMMIT", max_number=4, lasts_s=0.004),
    Point("commit", "after", SQL, "COMMIT", max_number=4),
    Point("commit", "before", _WATERMARK, max_number=4),
    Point("commit", "after", _WATERMARK, max_number=4),
    Point("commit", "after", _COMMIT, max_number=4),
    Point("commit", "before", "batcher.store.writer:_resolve", max_number=4),
    Point("checkpoint", "before", SQL, "CHECKPOINT c", max_number=2),
    Point("checkpoint", "during", SQL, "CHECKPOINT c", max_number=2, lasts_s=0.02),
    Point("checkpoint", "after", SQL, "CHECKPOINT c", max_number=2),
    Point("output", "before", "batcher.outputs.parquet_output:ParquetOutput.write"),
    Point("output", "during", _FLUSH, lasts_s=0.01),
    Point("output", "before", _SYNC_FILE),
    Point("output", "after", _SYNC_FILE),
    Point("output", "before", _PUT_IN_PLACE),
    Point("output", "before", "batcher.outputs.atomic:sync_folder"),
    Point("output in place", "after", _PUT_IN_PLACE),
    Point("output in place", "before", _SEAL),
    Point("output in place", "after", _SEAL),
    Point("replacing", "before", _RENAME, ".out.old"),
    Point("replacing", "after", _RENAME, ".out.old"),
    Point("replacing done", "after", _RENAME, ".out.new"),
    Point("shutdown", "before", _COMMIT),
    Point("shutdown", "after", _COMMIT),
    Point("shutdown", "before", "batcher.runner.sending.feed:Feed.close"),
    Point("shutdown", "before", SQL, "INSERT INTO run_ends"),
    Point("shutdown", "after", SQL, "INSERT INTO run_ends"),
    Point("shutdown", "before", _WRITE_JSON, "run.json"),
    Point("shutdown", "after", _WRITE_JSON, "run.json"),
    Point("shutdown", "before", _WRITER_CLOSE),
    Point("shutdown", "during", _CLOSE, lasts_s=0.03),
    Point("shutdown", "after", _WRITER_CLOSE),
)

_BATCHES = "batcher.runner.batches"
_EVENT = f"{_BATCHES}.open_batches:OpenBatches.record"

# The points of the batch delivery that no call marks; tests/crash/batches has the others.
BATCH_POINTS = (
    Point("intent", "before", f"{_BATCHES}.submitter:begin_batch", max_number=3),
    Point("intent", "before", SQL, "INSERT INTO batches", max_number=3),
    Point("intent", "after", SQL, "INSERT INTO batches", max_number=3),
    Point("intent", "after", f"{_BATCHES}.submitter:begin_batch", max_number=3),
    Point("creation", "before", _EVENT, "created", max_number=3),
    Point("creation", "before", "batcher.runner.record.events:Events.write", "batch_created"),
    Point("results", "before", _EVENT, "ended", max_number=3),
    Point("results", "before", f"{_BATCHES}.collector:Collector.collect", max_number=3),
    Point("results", "before", SQL, "INSERT INTO outcomes", max_number=3),
    Point("results", "after", SQL, "INSERT INTO outcomes", max_number=3),
    Point("results", "before", _EVENT, "fetched", max_number=3),
    Point("results", "before", f"{_BATCHES}.open_batches:OpenBatches.done_with", max_number=3),
    Point("rounds", "before", "batcher.runner.pipeline.batch:_plan_again", max_number=2),
    Point("priming", "before", f"{_BATCHES}.priming:Priming.on_primed"),
    Point("switch", "before", f"{_BATCHES}.watch:BatchWatch.cancel", max_number=2),
    Point("switch", "before", _EVENT, "cancel", max_number=2),
    Point("switch", "before", f"{_BATCHES}.auto:send_live"),
)
STAGES = tuple(dict.fromkeys(point.stage for point in POINTS))

SETTINGS: dict[str, dict[str, object]] = {
    "checkpoint": {"batcher.store.checkpoint:_WAL_BYTES": 40_000},
}
"""Settings of a stage that let a small job reach its points."""
