"""The labels of a job, from the schema file or the fields that it names."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from batcher.core.job import Job
from batcher.core.job.mistake import Key, Mistake
from batcher.core.labels.labels import Labels, way_of
from batcher.core.labels.schema.fields import FieldsError, schema_of_fields
from batcher.core.labels.schema.references import SchemaError
from batcher.core.labels.schema.user_schema import schema_of_json
from batcher.core.nearest import nearest
from batcher.core.quality.gold import Gold


def read_labels(job: Job, folder: Path) -> tuple[Labels | None, list[Mistake]]:
    """Read them; None when the job has none, or when something is wrong with them."""
    said = job.labels
    if not said.is_set:
        return None, []
    key: Key = ("labels", "fields" if said.schema is None else "schema")
    try:
        via = way_of(said.via, str(job.request.model))
        labels = Labels.of(_schema(job, folder), via)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return None, [Mistake(key, f"labels.schema: {reason}: {folder / str(said.schema)}")]
    except FieldsError as error:
        return None, [Mistake(key, f"labels.fields: {error}")]
    except (SchemaError, ValueError) as error:
        return None, [Mistake(key, f"{'.'.join(map(str, key))}: {error}")]
    return labels, list(_gold_mistakes(job, labels))


def _gold_mistakes(job: Job, labels: Labels) -> Iterator[Mistake]:
    """A field that gold cannot be compared with."""
    named = job.labels.gold_field
    if named is not None and named not in labels.columns:
        hint = nearest(named, labels.columns) or f"It has: {', '.join(labels.columns)}."
        yield Mistake(("labels", "gold_field"), f"there is no label {named!r}", hint)
    elif job.labels.gold is not None:
        gold = Gold.of(labels, job.labels.gold, named)
        if not gold.is_comparable:
            key: Key = ("labels", "gold" if named is None else "gold_field")
            message = f"gold cannot be compared with the label {gold.field!r}: it has several parts"
            yield Mistake(key, message, "Name another with labels.gold_field.")


def _schema(job: Job, folder: Path) -> Any:
    if job.labels.schema is None:
        return schema_of_fields(str(job.labels.fields))
    return schema_of_json((folder / job.labels.schema).read_bytes())
