"""How the files that batcher writes are recognized, so that no input has them by accident."""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeGuard

METADATA_KEY = b"batcher"
"""The key of batcher's part of a Parquet file's metadata."""

_MARKS = ("checkpoint.duckdb", "checkpoint.duckdb.wal", "watermark")
_JOURNAL = "checkpoint.duckdb.journal"
_STATE_FILES = frozenset(
    {*_MARKS, _JOURNAL, "lock", "ballast", "status.json", "output.json", "consent.json"}
)
_RUN_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}")
_FINGERPRINT = "fingerprint"
_OUTPUT_COLUMNS = (_FINGERPRINT, "row", "status", "attempts", "cost_usd", "run_id")
_PLAN_KEYS = frozenset(
    {"job", "schema_version", "row_count", "rows", "requests", "form", "cap_usd"}
)


def is_state_folder(has_file: Callable[[str], bool]) -> bool:
    """Whether a folder that has these files holds the state of a job.

    The folder of a job that has only just begun holds a lock and a status file.
    """
    return any(map(has_file, _MARKS)) or all(map(has_file, ("lock", "status.json")))


def is_state_file(name: str) -> bool:
    """Whether a file in a state folder is one that batcher writes."""
    return name in _STATE_FILES


def is_run_folder(name: str) -> bool:
    """Whether a folder has the name of a run, which is its id."""
    return _RUN_ID.fullmatch(name) is not None


def output_prefix(columns: Collection[str]) -> str | None:
    """Return the prefix of batcher's own columns among those of a row; None without them."""
    for name in columns:
        prefix = name.removesuffix(_FINGERPRINT)
        if prefix != name and all(prefix + own in columns for own in _OUTPUT_COLUMNS):
            return prefix
    return None


def is_batch_result(row: Mapping[str, object]) -> bool:
    """Whether a row is a line of Message Batches results, as an export or the API writes them."""
    result = row.get("result")
    return row.keys() == {"custom_id", "result"} and isinstance(result, dict) and "type" in result


def is_plan(content: object) -> TypeGuard[dict[str, Any]]:
    """Whether the content of a JSON file is a plan of ``batcher estimate --out``."""
    return isinstance(content, dict) and content.keys() >= _PLAN_KEYS
