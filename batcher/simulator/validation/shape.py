"""A small language for the shape of JSON: each shape is a function that refuses what does not fit.

A refusal is a 400 that starts with the path of the culprit, in the words the API uses.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from batcher.simulator.api_error import ApiError

Shape = Callable[[Any, str], None]
REQUIRED = "Field required"
EXTRA = "Extra inputs are not permitted"


def refuse(path: str, message: str) -> ApiError:
    """Make the error to raise for what stands at a path."""
    return ApiError(400, f"{path}: {message}" if path else message)


def anything(value: object, path: str) -> None:
    """Accept everything."""


def text(least: int = 0, most: int | None = None, pattern: str | None = None) -> Shape:
    """Expect a string of a length in characters, matching a pattern."""
    compiled = None if pattern is None else re.compile(pattern)

    def check(value: object, path: str) -> None:
        if not isinstance(value, str):
            raise refuse(path, "Input should be a valid string")
        if len(value) < least:
            raise refuse(path, f"String should have at least {_counted(least, 'character')}")
        if most is not None and len(value) > most:
            raise refuse(path, f"String should have at most {_counted(most, 'character')}")
        if compiled is not None and compiled.search(value) is None:
            raise refuse(path, f"String should match pattern '{compiled.pattern}'")

    return check


def integer(least: int | None = None) -> Shape:
    """Expect a whole number, not a boolean."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, int) or isinstance(value, bool):
            raise refuse(path, "Input should be a valid integer")
        if least is not None and value < least:
            raise refuse(path, f"Input should be greater than or equal to {least}")

    return check


def number(least: float, most: float) -> Shape:
    """Expect a number within bounds."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise refuse(path, "Input should be a valid number")
        if value < least:
            raise refuse(path, f"Input should be greater than or equal to {least:g}")
        if value > most:
            raise refuse(path, f"Input should be less than or equal to {most:g}")

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
    """Expect one of some strings."""

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


def list_of(shape: Shape, least: int = 0, most: int | None = None) -> Shape:
    """Expect an array whose items all have the shape."""

    def check(value: object, path: str) -> None:
        if not isinstance(value, list):
            raise refuse(path, "Input should be a valid list")
        if len(value) < least:
            raise refuse(path, f"List should have at least {_counted(least, 'item')}")
        if most is not None and len(value) > most:
            raise refuse(path, f"List should have at most {_counted(most, 'item')}")
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
    """Expect an object whose ``type`` says which shape it has; that shape need not know the key."""

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
