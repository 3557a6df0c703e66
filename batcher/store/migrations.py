"""The version of the checkpoint's schema, its tables, and the migrations from older versions."""

from collections.abc import Callable, Mapping
from pathlib import Path

from batcher.errors import CheckpointError
from batcher.store.queries import script

SCHEMA_VERSION = 7
READABLE_VERSION = 3
"""From this version on a checkpoint can be read without a migration."""

VERSION_WITH_WATERMARK = 2
"""From this version on there is a watermark as soon as there are records."""

VERSION_WITH_ID = 4
"""From this version on there always is a watermark, with the id of the checkpoint."""

MIGRATIONS: Mapping[int, str] = {
    1: script("migration_1_to_2"),
    2: script("migration_2_to_3"),
    3: script("migration_3_to_4"),
    4: script("migration_4_to_5"),
    5: script("migration_5_to_6"),
    6: script("migration_6_to_7"),
}
"""SQL that migrates a schema version to the next one; all versions from 1 on stay supported."""

_TABLES_ADDED: Mapping[int, str] = {
    5: script("without_settled"),
    6: script("without_batches"),
    7: script("without_body_parts"),
}
"""SQL that makes the tables of a version empty for a reader of an older one."""

TABLES = (
    "runs",
    "run_ends",
    "attempts",
    "outcomes",
    "rows_seen",
    "replacements",
    "price_tables",
    "releases",
    "settled",
    "batches",
    "batch_items",
    "batch_events",
    "body_parts",
)
"""The tables whose rows count as records; their number must never decrease."""


def check_version(path: Path, version: int, *, is_read_only: bool) -> None:
    """Raise CheckpointError for a newer schema, and for one that a reader would have to migrate."""
    if version > SCHEMA_VERSION:
        raise CheckpointError(
            f"{path} was written by a newer batcher: it has schema {version}, "
            f"this batcher has schema {SCHEMA_VERSION}",
            hint="use the batcher that wrote it, or a newer one",
        )
    if is_read_only and version < READABLE_VERSION:
        raise CheckpointError(
            f"{path} was written by an older batcher: it has schema {version}, "
            f"this batcher has schema {SCHEMA_VERSION}",
            hint="update it first: batcher run JOB",
        )


def add_missing_tables(execute: Callable[..., None], version: int) -> None:
    """Give a reader of an older schema the tables that it lacks; the file stays as it is."""
    for added, sql in _TABLES_ADDED.items():
        if version < added:
            execute(sql)


def migrate(execute: Callable[..., None], version: int, migrations: Mapping[int, str]) -> None:
    """Update an older schema, one version at a time, each in its own transaction."""
    while version in migrations:
        execute("BEGIN")
        execute(migrations[version])
        execute("UPDATE checkpoint SET schema_version = $next", next=version + 1)
        execute("COMMIT")
        version += 1
