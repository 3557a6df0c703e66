"""The named points at which a run is killed: where in the code, and when."""

from dataclasses import dataclass
from typing import Literal

SQL = "duckdb:connect"
"""The target that stands for every statement executed on the connections made by it."""


@dataclass(frozen=True, slots=True)
class Point:
    """A call during which, before or after which a run is killed.

    ``target`` is ``module:name``, or ``SQL``. Only calls with ``match`` in a text or path among
    their arguments count. The kill comes at the n-th of them; n is at most ``most``. ``during``
    is at a random instant within ``lasts_s``, or right after a call that was shorter.
    """

    stage: str
    moment: Literal["before", "during", "after"]
    target: str
    match: str = ""
    most: int = 1
    lasts_s: float = 0.0

    @property
    def name(self) -> str:
        """What the point is called on a command line."""
        _, _, called = self.target.partition(":")
        what = self.match if self.target == SQL else f"{called} {self.match}".strip()
        return f"{self.stage}: {self.moment} {what}"


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

# Within a stage in this order: the later ones are only come to when the earlier ones are passed.
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
    Point("notes", "before", SQL, "INSERT INTO rows_seen"),
    Point("notes", "during", SQL, "INSERT INTO rows_seen", lasts_s=0.01),
    Point("notes", "after", SQL, "INSERT INTO rows_seen"),
    Point("notes", "after", "batcher.store.checkpoint:Checkpoint.add"),
    Point("commit", "before", _COMMIT, most=4),
    Point("commit", "after", SQL, "BEGIN", most=4),
    Point("commit", "before", SQL, "INSERT INTO outcomes", most=4),
    Point("commit", "after", SQL, "INSERT INTO outcomes", most=4),
    Point("commit", "before", SQL, "COMMIT", most=4),
    Point("commit", "during", SQL, "COMMIT", most=4, lasts_s=0.004),
    Point("commit", "after", SQL, "COMMIT", most=4),
    Point("commit", "before", _WATERMARK, most=4),
    Point("commit", "after", _WATERMARK, most=4),
    Point("commit", "after", _COMMIT, most=4),
    Point("commit", "before", "batcher.store.writer:_resolve", most=4),
    Point("checkpoint", "before", SQL, "CHECKPOINT c", most=2),
    Point("checkpoint", "during", SQL, "CHECKPOINT c", most=2, lasts_s=0.02),
    Point("checkpoint", "after", SQL, "CHECKPOINT c", most=2),
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
STAGES = tuple(dict.fromkeys(point.stage for point in POINTS))

SETTINGS: dict[str, dict[str, object]] = {
    "checkpoint": {"batcher.store.checkpoint:_WAL_BYTES": 40_000},
}
"""What is set differently in a stage, so that its points are come to in a small job."""
