"""Whether the value in an answer is valid, and why not."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Valid:
    """A valid value, in the schema's own spelling."""

    value: Any


@dataclass(frozen=True, slots=True)
class Invalid:
    """Why a value is invalid.

    ``complaint`` may quote the answer and is sent only to the model; ``reason`` names places and
    rules without content.
    """

    complaint: str = field(repr=False)
    reason: str
