"""The text formats as a format checker of the JSON Schema library."""

from collections.abc import Callable

import jsonschema

from batcher.core.labels.schema.formats import PARSERS


def _check_texts(parse: Callable[[str], object]) -> Callable[[object], bool]:
    def check(value: object) -> bool:
        if isinstance(value, str):
            parse(value)
        return True

    return check


FORMAT_CHECKER = jsonschema.FormatChecker(formats=())
"""Checks texts only: values of other types conform to every format."""

for _name, _parse in PARSERS.items():
    FORMAT_CHECKER.checks(_name, raises=ValueError)(_check_texts(_parse))
