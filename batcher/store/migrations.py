"""The version of the checkpoint's schema, its tables, and the migrations from older versions."""

from collections.abc import Mapping

from batcher.store.queries import script

SCHEMA_VERSION = 3
MIGRATIONS: Mapping[int, str] = {
    1: script("migration_1_to_2"),
    2: script("migration_2_to_3"),
}
"""SQL that migrates a schema version to the next one; all versions from 1 on stay supported."""

TABLES = (
    "runs",
    "run_ends",
    "attempts",
    "outcomes",
    "rows_seen",
    "replacements",
    "price_tables",
    "releases",
)
"""The tables whose rows count as records; their number must never decrease."""
