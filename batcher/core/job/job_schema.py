"""The JSON Schema of a job file, made from the code that reads it.

``make schemas`` writes it; editors find it by ``#:schema`` in the job file.
"""

import json
from typing import Any

from batcher.core.job.job import Job
from batcher.core.job.parameters import PARAMETERS


def job_schema() -> dict[str, Any]:
    """Make the schema; equal for equal code."""
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
    """Take away what TOML cannot have (null, numbers as text) and what says nothing (titles)."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    node = {key: _plain(item) for key, item in schema.items()}
    if isinstance(node.get("title"), str):
        del node["title"]
    if "anyOf" in node:
        node = _one_of(node.pop("anyOf")) | node
    if node.get("default", ...) is None:
        del node["default"]
    if node.get("type") == "number" and isinstance(node.get("default"), str):
        node["default"] = float(node["default"])
    return node


def _one_of(choices: list[Any]) -> dict[str, Any]:
    kept = [choice for choice in choices if choice.get("type") != "null"]
    # Pydantic lets a Decimal be a string as well; a job file does not.
    numbers = [choice for choice in kept if choice.get("type") == "number"]
    kept = numbers or kept
    return dict(kept[0]) if len(kept) == 1 else {"anyOf": kept}
