"""How the files that batcher writes are recognized, so that no input has them by accident."""

import re
from collections.abc import Collection
from typing import Any, TypeGuard

METADATA_KEY = b"batcher"
"""The key of batcher's part of a Parquet file's metadata."""

_STATE_FILES = frozenset({"checkpoint.duckdb", "checkpoint.duckdb.wal", "watermark"})
_RUN_ID = re.compile(r"\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{6}")
_FINGERPRINT = "fingerprint"
_OUTPUT_COLUMNS = (_FINGERPRINT, "row", "status", "attempts", "cost_usd", "run_id")
_PLAN_KEYS = frozenset(
    {"job", "schema_version", "row_count", "rows", "requests", "form", "cap_usd"}
)


def is_state_folder(name: str, files: Collection[str]) -> bool:
    """Whether a folder with this name and these files holds the state of a job, or one run of it.

    A folder in which a run has only just begun holds a lock and a status file.
    """
    names = set(files)
    return bool(names & _STATE_FILES or {"lock", "status.json"} <= names or _RUN_ID.fullmatch(name))


def output_prefix(columns: Collection[str]) -> str | None:
    """Return the prefix of batcher's own columns among those of a row; None without them."""
    for name in columns:
        prefix = name.removesuffix(_FINGERPRINT)
        if prefix != name and all(prefix + own in columns for own in _OUTPUT_COLUMNS):
            return prefix
    return None


def is_plan(content: object) -> TypeGuard[dict[str, Any]]:
    """Whether the content of a JSON file is a plan of ``batcher estimate --out``."""
    return isinstance(content, dict) and content.keys() >= _PLAN_KEYS
