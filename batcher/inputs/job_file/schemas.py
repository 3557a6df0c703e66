"""The labels of a job, from the schema file or the fields that it names."""

from pathlib import Path
from typing import Any

from batcher.core.job import Job
from batcher.core.job.mistake import Key, Mistake
from batcher.core.labelling.fields import FieldsError, schema_of_fields
from batcher.core.labelling.labels import Labels, Via
from batcher.core.labelling.references import SchemaError
from batcher.core.labelling.schema import schema_of_json


def read_labels(job: Job, folder: Path) -> tuple[Labels | None, list[Mistake]]:
    """Read them; None when the job has none, or when something is wrong with them."""
    said = job.labels
    if not said.is_set:
        return None, []
    key: Key = ("labels", "fields" if said.schema is None else "schema")
    try:
        schema = _schema(job, folder)
        return Labels.of(schema, _via(job)), []
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        return None, [Mistake(key, f"labels.schema: {reason}: {folder / str(said.schema)}")]
    except FieldsError as error:
        return None, [Mistake(key, f"labels.fields: {error}")]
    except (SchemaError, ValueError) as error:
        return None, [Mistake(key, f"{'.'.join(map(str, key))}: {error}")]


def _schema(job: Job, folder: Path) -> Any:
    if job.labels.schema is None:
        return schema_of_fields(str(job.labels.fields))
    return schema_of_json((folder / job.labels.schema).read_bytes())


def _via(job: Job) -> Via:
    if job.labels.via != "auto":
        return job.labels.via
    return "format" if str(job.request.model).startswith("claude-") else "text"
