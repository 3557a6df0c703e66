"""The labels of a job: what is asked of the API for them, and what their answers come to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from batcher.core.answers.message import Message
from batcher.core.labels.label_columns import ColumnType, columns_of
from batcher.core.labels.schema.api_schema import Adapted, adapt
from batcher.core.labels.schema.user_schema import check_schema
from batcher.core.labels.validation import Invalid, Judge, Valid
from batcher.core.labels.value_in_answer import NoValueError, value_of

Via = Literal["format", "tool", "text"]

TOOL_NAME = "answer"
_TOOL_TEXT = "Gives the answer. Always answer by calling this tool, once."
_ASKED = "Answer with one JSON object by this JSON Schema, and nothing else:\n"


def way_of(said: Via | Literal["auto"], model: str) -> Via:
    """How labels are asked for: every live model of Anthropic's has structured output."""
    if said != "auto":
        return said
    return "format" if model.startswith("claude-") else "text"


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
        """Prepare a schema; SchemaError for one that is none, or that cannot be asked for.

        A server that is only told the schema in words gets it as it is.
        """
        check_schema(schema)
        adapted = Adapted(schema, ()) if via == "text" else adapt(schema)
        return cls(schema, adapted, via, columns_of(schema), Judge(schema))

    def asked(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a request that ask for it, given those that the job sets itself.

        A tool is offered and not forced (``tool_choice``), which several models refuse.
        """
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

    def held_by_api(self) -> str:
        """What the API holds the model to, in words."""
        if self.via == "text":
            return "nothing: the server is only asked for it"
        what = "names, types, choices and required keys"
        return what if self.via == "format" else f"{what}, when the model calls the tool"

    def enforced(self) -> tuple[str, ...]:
        """What the API does not hold the model to and we check, in words."""
        if self.via == "text":
            return ("all of the schema",)
        return self.adapted.left_to_us
