"""Shapes of JSON values: each shape is a function that refuses values of another shape.

A refusal is a 400 in the API's words; it starts with the path of the refused value.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from batcher.simulator.api_error import ApiError

Shape = Callable[[Any, str], None]
REQUIRED = "Field required"
EXTRA = "Extra inputs are not permitted"


def refuse(path: str, message: str) -> ApiError:
    """Return the error for the value at a path."""
    return ApiError(400, f"{path}: {message}" if path else message)


def anything(value: object, path: str) -> None:
    """Accept every value."""


def text(minimum: int = 0, maximum: int | None = None, pattern: str | None = None) -> Shape:
    """Expect a string that matches a pattern, with a length in characters."""
    compiled = None if pattern is None else re.compile(pattern)

    def check(value: object, path: str) -> None:
        if not isinstance(value, str):
            raise refuse(path, "Input should be a valid string")
        if len(value) < minimum:
            raise refuse(path, f"String should have at least {_counted(minimum, 'character')}")
        if maximum is not None and len(value) > maximum:
            raise refuse(path, f"String should have at most {_counted(maximum, 'character')}")
        if compiled is not None and compiled.search(value) is None:
            raise refuse(path, f"String should match pattern '{compiled.pattern}'")

    return check


def integer(minimum: int | None = None) -> Shape:
    """Expect a whole number, not a boolean."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise refuse(path, "Input should be a valid integer")
        if minimum is not None and value < minimum:
            raise refuse(path, f"Input should be greater than or equal to {minimum}")

    return check


def number(minimum: float, maximum: float) -> Shape:
    """Expect a number within bounds."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise refuse(path, "Input should be a valid number")
        if value < minimum:
            raise refuse(path, f"Input should be greater than or equal to {minimum:g}")
        if value > maximum:
            raise refuse(path, f"Input should be less than or equal to {maximum:g}")

    return check


def flag(value: object, path: str) -> None:
    """Expect a boolean."""
    if not isinstance(value, bool):
        raise refuse(path, "Input should be a valid boolean")


def mapping(value: object, path: str) -> None:
    """Expect an object."""
    if not isinstance(value, dict):
        raise refuse(path, "Input should be a valid dictionary")


def one_of(*allowed: str) -> Shape:
    """Expect one of these strings."""

    def check(value: object, path: str) -> None:
        if value not in allowed:
            raise refuse(path, f"Input should be {_listed(allowed)}")

    return check


def nullable(shape: Shape) -> Shape:
    """Expect null, or the shape."""

    def check(value: object, path: str) -> None:
        if value is not None:
            shape(value, path)

    return check


def list_of(shape: Shape, minimum: int = 0, maximum: int | None = None) -> Shape:
    """Expect an array with items of one shape."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise refuse(path, "Input should be a valid list")
        if len(value) < minimum:
            raise refuse(path, f"List should have at least {_counted(minimum, 'item')}")
        if maximum is not None and len(value) > maximum:
            raise refuse(path, f"List should have at most {_counted(maximum, 'item')}")
        for index, item in enumerate(value):
            shape(item, f"{path}.{index}")

    return check


def text_or(shape: Shape) -> Shape:
    """Expect a string, or the shape."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, str):
            shape(value, path)

    return check


def record(required: Mapping[str, Shape], optional: Mapping[str, Shape] | None = None) -> Shape:
    """Expect an object with these keys and no others."""
    known = {**required, **(optional or {})}

    def check(value: object, path: str) -> None:
        mapping(value, path)
        assert isinstance(value, dict)  # noqa: S101
        prefix = f"{path}." if path else ""
        for key in required:
            if key not in value:
                raise refuse(prefix + key, REQUIRED)
        for key, item in value.items():
            shape = known.get(key)
            if shape is None:
                raise refuse(prefix + key, EXTRA)
            shape(item, prefix + key)

    return check


def tagged(shapes: Mapping[str, Shape]) -> Shape:
    """Expect an object whose ``type`` selects its shape; the shape does not list ``type``."""

    def check(value: object, path: str) -> None:
        mapping(value, path)
        assert isinstance(value, dict)  # noqa: S101
        if "type" not in value:
            raise refuse(f"{path}.type", REQUIRED)
        shape = shapes.get(value["type"]) if isinstance(value["type"], str) else None
        if shape is None:
            expected = ", ".join(f"'{name}'" for name in shapes)
            raise refuse(
                path,
                f"Input tag '{value['type']}' found using 'type' does not match any of the "
                f"expected tags: {expected}",
            )
        shape({key: item for key, item in value.items() if key != "type"}, path)

    return check


def _listed(names: tuple[str, ...]) -> str:
    quoted = [f"'{name}'" for name in names]
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s'[: count != 1]}"
