"""The JSON Schema of a job file agrees with the code that reads job files."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from batcher.core.job import Job
from batcher.core.job.job_schema import job_schema, schema_text
from batcher.core.job.known_keys import section_keys
from batcher.core.job.parameters import PARAMETERS
from batcher.core.job.reading import read_job

SCHEMA_FILE = Path(__file__).parents[2] / "schemas" / "job.schema.json"


def data(**sections: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a correct job with some keys changed; None removes a key."""
    plain: dict[str, Any] = {
        "input": {"path": "in.jsonl"},
        "request": {"model": "m", "max_tokens": 1, "prompt": "{{ x }}"},
    }
    for name, keys in sections.items():
        plain[name] = {**plain.get(name, {}), **keys}
        plain[name] = {key: value for key, value in plain[name].items() if value is not None}
    return plain


def test_the_schema_file_is_up_to_date() -> None:
    """``schemas/job.schema.json`` was regenerated with the code (``make schemas``)."""
    assert SCHEMA_FILE.read_text(encoding="utf-8") == schema_text()


def test_the_schema_is_valid_and_complete() -> None:
    """It is a valid JSON Schema with every key of the job file, each with a description."""
    schema = job_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert set(schema["properties"]) == set(Job.model_fields)
    for name, field in schema["properties"].items():
        section = schema["$defs"][field["$ref"].rsplit("/", 1)[-1]]
        assert set(section["properties"]) == section_keys(name)
        assert all(key.get("description") for key in section["properties"].values())
    assert set(PARAMETERS) <= set(schema["$defs"]["RequestSection"]["properties"])
    assert "null" not in schema_text()


@pytest.mark.parametrize(
    ("sections", "is_valid"),
    [
        ({}, True),
        ({"limits": {"timeout_s": 0.5}, "input": {"sample": 0.1}}, True),
        ({"request": {"system": [{"type": "text", "text": "a"}], "top_k": 3}}, True),
        ({"prices": {"overrides": {"m": {"input": 1, "output": 2.5, "cache_read": 0.1}}}}, True),
        ({"limits": {"timeout_s": 0}}, False),
        ({"input": {"sample": 2}}, False),
        ({"input": {"sample": "0.1"}}, False),
        ({"request": {"temprature": 3}}, False),
        ({"budget": {"max_cost_usd": 12.5, "per": "day"}}, True),
        ({"budget": {"max_cost_usd": 0}}, False),
        ({"labels": {}}, True),
        ({"labels": {"repairs": 11}}, False),
        ({"delivery": {}}, True),
        ({"delivery": {"mode": "auto", "deadline": "07:00", "allow_batch": True}}, True),
        ({"delivery": {"mode": "batches"}}, False),
        ({"delivery": {"batch_rows": 100_001}}, False),
        ({"delivery": {"poll_s": 0}}, False),
        ({"prices": {"overrides": {"m": {"input": -1, "output": 2}}}}, False),
    ],
)
def test_the_schema_agrees_with_the_code(sections: dict[str, Any], is_valid: bool) -> None:
    """An editor with the schema marks exactly what the reader refuses."""
    fields = data(**sections)
    assert jsonschema.Draft202012Validator(job_schema()).is_valid(fields) is is_valid
    exact = json.loads(json.dumps(fields), parse_float=Decimal)
    assert (read_job(exact).mistakes == ()) is is_valid
