"""The section about typed labels."""

import warnings
from typing import Annotated, Literal

from pydantic import Field

from batcher.core.job.section import Section

with warnings.catch_warnings():
    # Pydantic warns that the key schema hides an old method of its own, which nothing here uses.
    warnings.simplefilter("ignore", UserWarning)

    class LabelsSection(Section):
        """[labels]: which fields an answer has, and what happens to answers that do not fit."""

        schema: str | None = Field(  # type: ignore[assignment]
            None,
            min_length=1,
            description="A file with a JSON Schema (2020-12) that describes one answer, an object; "
            "each of its properties becomes an output column. Set schema or fields, not both. "
            "Default: answers are plain text.",
        )
        fields: str | None = Field(
            None,
            min_length=1,
            description="The fields of an answer in short form, such as "
            '"label: a|b|c, confidence float, reasons list"; each becomes an output column.',
        )
        via: Literal["auto", "format", "tool", "text"] = Field(
            "auto",
            description="How the request asks for the labels. format: structured output. tool: a "
            "strict tool. text: instructions in the system prompt, for servers with neither. auto: "
            "format for models whose name starts with claude-, text for all others.",
        )
        on_invalid: Literal["retry", "keep", "fail"] = Field(
            "retry",
            description="What happens to an answer that does not fit the schema. retry: the model "
            "is asked to correct it, up to repairs times; after that the row is invalid and counts "
            "as failed. keep: the row is invalid and does not count as failed. fail: the row is "
            "invalid and counts as failed.",
        )
        repairs: Annotated[int, Field(ge=0, le=10)] = Field(
            2,
            description="How many times the model is asked to correct an answer of a row, when "
            "on_invalid is retry; each time is billed.",
        )
        gold: str | None = Field(
            None,
            min_length=1,
            description="The input column with the correct label, to measure quality; it may be "
            "empty in some rows. Default: no comparison.",
        )
        gold_field: str | None = Field(
            None,
            min_length=1,
            description="The label that is compared with gold. Default: the first label with a "
            "fixed set of values, otherwise the first label.",
        )

        @property
        def is_set(self) -> bool:
            """Whether the job has typed labels."""
            return self.schema is not None or self.fields is not None
