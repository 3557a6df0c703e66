"""Whether a value is what the user's schema wants: spelt as it says and checked in full."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from batcher.core.labels.cell_values import unfit
from batcher.core.labels.complaint import (
    causes,
    complaint,
    place,
    place_without_content,
    property_names,
    reason,
)
from batcher.core.labels.label_columns import columns_of
from batcher.core.labels.schema.formats import FORMAT_CHECKER
from batcher.core.labels.schema_rules import RULES
from batcher.core.labels.spelling import respelt


@dataclass(frozen=True, slots=True)
class Valid:
    """A value that is right, in the schema's own spelling."""

    value: Any


@dataclass(frozen=True, slots=True)
class Invalid:
    """What is wrong with a value.

    ``complaint`` may quote the answer and goes back to the model, and nowhere else; ``reason``
    names places and rules only.
    """

    complaint: str = field(repr=False)
    reason: str


_TOO_DEEP = "nested too deep"
_TOO_LARGE = "a number that is too large"
_MOST_ERRORS = 50


class Judge:
    """Holds values against one schema, made once for a job."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._columns = columns_of(schema)
        self._names = property_names(schema)
        self._validator = RULES(schema, format_checker=FORMAT_CHECKER)

    def judge(self, value: Any) -> Valid | Invalid:
        """Judge a value; never raises for what it holds. Valid values have cells (``cell``)."""
        try:
            return self._judge(value)
        except RecursionError:
            return Invalid(f"- the answer: {_TOO_DEEP}", _TOO_DEEP)
        except ArithmeticError:
            return Invalid(f"- the answer has {_TOO_LARGE}", f"the answer: {_TOO_LARGE}")

    def _judge(self, value: Any) -> Valid | Invalid:
        normal = value
        if not self._validator.is_valid(value):
            normal = respelt(value, self._schema, self._validator)
            errors = causes(islice(self._validator.iter_errors(normal), _MOST_ERRORS))
            if errors:
                return Invalid(complaint(errors), reason(errors, self._names))
        if not isinstance(normal, Mapping):
            return Invalid("- the answer: must be an object", "the answer: must be an object")
        wrong = [
            found
            for name, column in self._columns.items()
            for found in unfit(normal.get(name), column, (name,))
        ]
        if wrong:
            path, said = wrong[0]
            where = place_without_content(path, self._names)
            return Invalid(f"- {place(path)}: {said}", f"{where}: {said}")
        return Valid(normal)
