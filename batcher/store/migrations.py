"""The version of the checkpoint's schema, its tables, and how older ones become today's."""

from collections.abc import Mapping

from batcher.store.queries import script

SCHEMA_VERSION = 3
MIGRATIONS: Mapping[int, str] = {
    1: script("migration_1_to_2"),
    2: script("migration_2_to_3"),
}
"""SQL that leads from a schema version to the next; every one from 1 on stays here for ever."""

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
"""The tables whose rows are the records that a checkpoint must never hold less of."""
