"""The base class of the job file's sections, and the types of their values."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _exact(value: object) -> object:
    """Accept a whole number where a Decimal is expected; a string stays an error."""
    return Decimal(value) if type(value) is int else value


EXACT = BeforeValidator(_exact)

Count = Annotated[int, Field(ge=1, le=10**12)]  # DuckDB and exact dollars hold more
Positive = Annotated[Decimal, Field(gt=0), EXACT]
Share = Annotated[Decimal, Field(ge=0, le=1), EXACT]
Names = Annotated[tuple[str, ...], Field(strict=False)]
"""An array of column names."""


class Section(BaseModel):
    """A frozen section that refuses unknown keys and never converts a value to another type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, defer_build=True)
