"""The labels of a job: what a request contains for them, and how answers are validated."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from batcher.core.answers.message import Message
from batcher.core.labels.label_columns import ColumnType, columns_of
from batcher.core.labels.schema.api_schema import AdaptedSchema, adapt
from batcher.core.labels.value_in_answer import NoValueError, value_of
from batcher.core.labels.verdict import Invalid, Valid
from batcher.late import late

if TYPE_CHECKING:
    from batcher.core.labels.schema.user_schema import check_schema
    from batcher.core.labels.validation import AnswerValidator
else:
    check_schema = late("batcher.core.labels.schema.user_schema", "check_schema")
    AnswerValidator = late("batcher.core.labels.validation", "AnswerValidator")

Via = Literal["format", "tool", "text"]

# These texts are part of requests and so of fingerprints: a change here would send answered rows
# again.
TOOL_NAME = "answer"
_TOOL_TEXT = "Gives the answer. Always answer by calling this tool, once."
_INSTRUCTION = "Answer with one JSON object by this JSON Schema, and nothing else:\n"


def choose_via(via: Via | Literal["auto"], model: str) -> Via:
    """Return how to ask for labels; every live Anthropic model has structured output."""
    if via != "auto":
        return via
    return "format" if model.startswith("claude-") else "text"


@dataclass(frozen=True, slots=True)
class Labels:
    """The schema of a job's answers, as the user wrote it and as the API accepts it.

    ``via`` is how requests ask for it: structured output, a strict tool, or an instruction in the
    system prompt for servers and models with neither.
    """

    schema: Mapping[str, Any]
    adapted: AdaptedSchema
    via: Via
    columns: Mapping[str, ColumnType]
    validator: "AnswerValidator" = field(repr=False)

    @classmethod
    def of(cls, schema: Mapping[str, Any], via: Via = "format") -> "Labels":
        """Prepare a schema; SchemaError for an invalid one, or one that the API cannot accept.

        An instruction in the system prompt contains the schema unchanged.
        """
        check_schema(schema)
        adapted = AdaptedSchema(schema, ()) if via == "text" else adapt(schema)
        return cls(schema, adapted, via, columns_of(schema), AnswerValidator(schema))

    def request_fields(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Return the fields of a request that ask for labels; ``fields`` are the job's own.

        A tool is offered and not forced (``tool_choice``), because several models refuse that.
        """
        if self.via == "format":
            output_format = {"type": "json_schema", "schema": self.adapted.schema}
            return {
                "output_config": {**(fields.get("output_config") or {}), "format": output_format}
            }
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
        """The text to add to the system prompt; None unless ``via`` is text."""
        if self.via != "text":
            return None
        return _INSTRUCTION + json.dumps(self.adapted.schema, ensure_ascii=False)

    def validate(self, message: Message) -> Valid | Invalid:
        """Find the value in an answer and validate it."""
        try:
            return self.validator.validate(value_of(message))
        except NoValueError as error:
            return Invalid(f"- {error}", str(error))

    def enforced_by_api(self) -> str:
        """Describe the rules that the API enforces."""
        if self.via == "text":
            return "nothing: the schema is only an instruction in the system prompt"
        rules = "names, types, choices and required keys"
        return rules if self.via == "format" else f"{rules}, when the model calls the tool"

    def checked_by_batcher(self) -> tuple[str, ...]:
        """Describe the rules that the API does not enforce; batcher checks answers against them."""
        if self.via == "text":
            return ("all of the schema",)
        return self.adapted.local_rules
