"""Reads the labels of a job, from its schema file or its fields."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batcher.core.job import Job
from batcher.core.job.mistake import Key, Mistake
from batcher.core.labels.labels import Labels, choose_via
from batcher.core.labels.schema.fields import FieldsError, schema_of_fields
from batcher.core.labels.schema.references import SchemaError
from batcher.core.nearest import nearest
from batcher.core.quality.gold_labels import GoldLabels
from batcher.late import late

if TYPE_CHECKING:
    from batcher.core.labels.schema.user_schema import schema_of_json
else:
    schema_of_json = late("batcher.core.labels.schema.user_schema", "schema_of_json")


def read_labels(job: Job, folder: Path) -> tuple[Labels | None, list[Mistake]]:
    """Read a job's labels; None when it has none or when there are mistakes."""
    section = job.labels
    if not section.is_set:
        return None, []
    key: Key = ("labels", "fields" if section.schema is None else "schema")
    try:
        via = choose_via(section.via, str(job.request.model))
        labels = Labels.of(_schema(job, folder), via)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return None, [Mistake(key, f"labels.schema: {reason}: {folder / str(section.schema)}")]
    except FieldsError as error:
        return None, [Mistake(key, f"labels.fields: {error}")]
    except (SchemaError, ValueError) as error:
        return None, [Mistake(key, f"{'.'.join(map(str, key))}: {error}")]
    return labels, list(_gold_mistakes(job, labels))


def _gold_mistakes(job: Job, labels: Labels) -> Iterator[Mistake]:
    """Yield a mistake when gold names no label, or a label that cannot be compared."""
    field = job.labels.gold_field
    if field is not None and field not in labels.columns:
        hint = nearest(field, labels.columns) or f"the labels are {', '.join(labels.columns)}"
        yield Mistake(("labels", "gold_field"), f"there is no label {field!r}", hint)
    elif job.labels.gold is not None:
        gold = GoldLabels.of(labels, job.labels.gold, field)
        if not gold.is_comparable:
            key: Key = ("labels", "gold" if field is None else "gold_field")
            message = (
                f"gold cannot be compared with the label {gold.field!r}: it is a list or an object"
            )
            yield Mistake(key, message, "set labels.gold_field to a label that is one value")


def _schema(job: Job, folder: Path) -> Any:
    if job.labels.schema is None:
        return schema_of_fields(str(job.labels.fields))
    return schema_of_json((folder / job.labels.schema).read_bytes())
