"""The version of the checkpoint's schema, its tables, and the migrations from older versions."""

from collections.abc import Callable, Mapping
from pathlib import Path

from batcher.errors import CheckpointError
from batcher.store.queries import script

SCHEMA_VERSION = 5
READABLE_VERSION = 3
"""From this version on a checkpoint can be read without a migration."""

VERSION_WITH_WATERMARK = 2
"""From this version on there is a watermark as soon as there are records."""

VERSION_WITH_ID = 4
"""From this version on there always is a watermark, with the id of the checkpoint."""

VERSION_WITH_SETTLED = 5
"""From this version on there is the table ``settled``."""

MIGRATIONS: Mapping[int, str] = {
    1: script("migration_1_to_2"),
    2: script("migration_2_to_3"),
    3: script("migration_3_to_4"),
    4: script("migration_4_to_5"),
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
    "settled",
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


def migrate(execute: Callable[..., None], version: int, migrations: Mapping[int, str]) -> None:
    """Update an older schema, one version at a time, each in its own transaction."""
    while version in migrations:
        execute("BEGIN")
        execute(migrations[version])
        execute("UPDATE checkpoint SET schema_version = $next", next=version + 1)
        execute("COMMIT")
        version += 1
