"""The section about typed labels."""

import warnings
from typing import Annotated, Literal

from pydantic import Field

from batcher.core.job.sections import Section

with warnings.catch_warnings():
    # The key is called schema as the job file's readers expect; pydantic's old method is not used.
    warnings.simplefilter("ignore", UserWarning)

    class LabelsSection(Section):
        """[labels]: which fields each answer has, and what becomes of answers that do not fit."""

        schema: str | None = Field(  # type: ignore[assignment]
            None,
            min_length=1,
            description="A file with the JSON Schema (2020-12) of one answer, an object; each of "
            "its properties becomes a column.",
        )
        fields: str | None = Field(
            None,
            min_length=1,
            description='The short way: "label: a|b|c, confidence float, reasons list".',
        )
        via: Literal["auto", "format", "tool", "text"] = Field(
            "auto",
            description="How it is asked for. format: structured output. tool: a strict tool. "
            "text: in the system prompt, for servers that have neither. auto: format for models of "
            "Anthropic's, else text.",
        )
        on_invalid: Literal["retry", "keep", "fail"] = Field(
            "retry",
            description="What becomes of an answer that does not fit the schema. retry: it is "
            "asked again with the complaint. keep: the row is invalid, which is no failure. fail: "
            "the row has failed.",
        )
        repairs: Annotated[int, Field(ge=0, le=10)] = Field(
            2, description="How often a row is asked again with a complaint, at most."
        )
        gold: str | None = Field(
            None,
            min_length=1,
            description="The input column with the right label, to compare with; empty where there "
            "is none.",
        )
        gold_field: str | None = Field(
            None,
            min_length=1,
            description="Which field it is compared with; default the first that is a choice.",
        )

        @property
        def is_set(self) -> bool:
            """Whether the job has typed labels."""
            return self.schema is not None or self.fields is not None
