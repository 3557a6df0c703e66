"""The labels of a job: what is asked of the API for them, and what their answers come to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import jsonschema

from batcher.core.answers.message import Message
from batcher.core.labelling.adapt import Adapted, adapt
from batcher.core.labelling.answer import NoValueError, value_of
from batcher.core.labelling.columns import ColumnType, columns_of
from batcher.core.labelling.judge import Invalid, Judge, Valid
from batcher.core.labelling.references import SchemaError, resolved

Via = Literal["format", "tool", "text"]

TOOL_NAME = "answer"
_TOOL_TEXT = "Gives the answer. Always answer by calling this tool, once."
_ASKED = "Answer with one JSON object by this JSON Schema, and nothing else:\n"


@dataclass(frozen=True, slots=True)
class Labels:
    """The schema of a job's answers as the user wrote it, and as the API takes it.

    ``via`` is how it is asked for: structured output, a strict tool, or a line in the system prompt
    for servers and models that have neither.
    """

    schema: Mapping[str, Any]
    adapted: Adapted
    via: Via
    columns: Mapping[str, ColumnType]
    judge: Judge = field(repr=False)

    @classmethod
    def of(cls, schema: Mapping[str, Any], via: Via = "format") -> "Labels":
        """Prepare a schema; SchemaError for one that is none, or that cannot be asked for."""
        try:
            jsonschema.Draft202012Validator.check_schema(schema)
        except jsonschema.SchemaError as error:
            place = "/".join(map(str, error.path)) or "its top"
            raise SchemaError(
                f"it is no JSON Schema (2020-12): {error.message} at {place}"
            ) from None
        top = resolved(schema, schema)
        if top.get("type", "object") != "object" or not top.get("properties"):
            raise SchemaError("it must describe an object with properties: each becomes a column")
        return cls(schema, adapt(schema), via, columns_of(schema), Judge(schema))

    def asked(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a request that ask for it, given those that the job sets itself."""
        if self.via == "format":
            form = {"type": "json_schema", "schema": self.adapted.schema}
            return {"output_config": {**(fields.get("output_config") or {}), "format": form}}
        if self.via == "tool":
            tool = {
                "name": TOOL_NAME,
                "description": _TOOL_TEXT,
                "input_schema": self.adapted.schema,
                "strict": True,
            }
            return {"tools": [*(fields.get("tools") or ()), tool]}
        return {}

    @property
    def instruction(self) -> str | None:
        """What is added to the system prompt; None unless the answer is asked for in words."""
        if self.via != "text":
            return None
        return _ASKED + json.dumps(self.adapted.schema, ensure_ascii=False)

    def judged(self, message: Message) -> Valid | Invalid:
        """Read and judge an answer."""
        try:
            return self.judge.judge(value_of(message))
        except NoValueError as error:
            return Invalid(f"- {error}", str(error))

    def enforced(self) -> tuple[str, ...]:
        """What the API does not hold the model to and we check, in words."""
        if self.via == "text":
            return ("all of the schema: the server is only asked for it", *self.adapted.left_to_us)
        return self.adapted.left_to_us
