"""The JSON Schema of a job file, generated from the code that reads job files.

``make schemas`` writes it; editors find it through ``#:schema`` in the job file.
"""

import json
from typing import Any

from batcher.core.job.job import Job
from batcher.core.job.parameters import PARAMETERS


def job_schema() -> dict[str, Any]:
    """Return the schema; the same code always gives the same schema."""
    schema = _plain(Job.model_json_schema())
    request = schema["$defs"]["RequestSection"]
    request["properties"] |= {name: {"description": text} for name, text in PARAMETERS.items()}
    request["additionalProperties"] = False
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "batcher job file",
        **schema,
    }


def schema_text() -> str:
    """Return the schema as the text of ``schemas/job.schema.json``."""
    return json.dumps(job_schema(), indent=2, ensure_ascii=False) + "\n"


def _plain(schema: Any) -> Any:
    """Remove titles, and what TOML does not have: null and numbers as text."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    node = {key: _plain(item) for key, item in schema.items()}
    if isinstance(node.get("title"), str):
        del node["title"]
    if "anyOf" in node:
        node = _without_null(node.pop("anyOf")) | node
    if node.get("default", ...) is None:
        del node["default"]
    if node.get("type") == "number" and isinstance(node.get("default"), str):
        node["default"] = float(node["default"])
    return node


def _without_null(choices: list[Any]) -> dict[str, Any]:
    kept = [choice for choice in choices if choice.get("type") != "null"]
    # Pydantic also accepts a Decimal as a string; job files have numbers only.
    numbers = [choice for choice in kept if choice.get("type") == "number"]
    kept = numbers or kept
    return dict(kept[0]) if len(kept) == 1 else {"anyOf": kept}
