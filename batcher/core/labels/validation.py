"""Validates an answer against the user's schema, after writing its choices as the schema does."""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from batcher.core.labels.cell_values import Path, misfits
from batcher.core.labels.complaint import (
    causes,
    complaint,
    place,
    place_without_content,
    property_names,
    reason,
)
from batcher.core.labels.label_columns import columns_of
from batcher.core.labels.schema.format_checker import FORMAT_CHECKER
from batcher.core.labels.schema_rules import SchemaValidator
from batcher.core.labels.spelling import with_schema_spelling
from batcher.core.labels.verdict import Invalid, Valid

_TOO_DEEP = "nested too deep"
_TOO_LARGE = "a number that is too large"
_MAX_ERRORS = 50


class AnswerValidator:
    """Validates values against one schema; a job creates it once."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema
        self._columns = columns_of(schema)
        self._names = property_names(schema)
        self._validator = SchemaValidator(schema, format_checker=FORMAT_CHECKER)

    def validate(self, value: Any) -> Valid | Invalid:
        """Validate a value; never raises. A valid value can be converted to cells (``cell``)."""
        try:
            return self._validate(value)
        except RecursionError:
            return Invalid(f"- the answer: {_TOO_DEEP}", _TOO_DEEP)
        except ArithmeticError:
            return Invalid(f"- the answer has {_TOO_LARGE}", f"the answer: {_TOO_LARGE}")

    def _validate(self, value: Any) -> Valid | Invalid:
        normal = value
        if not self._validator.is_valid(value):
            normal = with_schema_spelling(value, self._schema, self._validator)
            errors = causes(islice(self._validator.iter_errors(normal), _MAX_ERRORS))
            if errors:
                return Invalid(complaint(errors), reason(errors, self._names))
        if not isinstance(normal, Mapping):
            return Invalid("- the answer: must be an object", "the answer: must be an object")
        misfit = next(self._misfits(normal), None)
        if misfit is None:
            return Valid(normal)
        path, expected = misfit
        public_place = place_without_content(path, self._names)
        return Invalid(f"- {place(path)}: {expected}", f"{public_place}: {expected}")

    def _misfits(self, value: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
        for name, column in self._columns.items():
            yield from misfits(value.get(name), column, (name,))
