"""Converts frozen dataclasses to JSON and back."""

from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")

_CONVERTERS: dict[type[Any], TypeAdapter[Any]] = {}


class JsonRecord:
    """The base of frozen dataclasses that are JSON objects in a file."""

    __slots__ = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON object; amounts of money are exact text."""
        return to_json(self)


def to_json(value: object) -> dict[str, Any]:
    """Return a dataclass as a JSON object; amounts of money are exact text."""
    content: dict[str, Any] = _converter(type(value)).dump_python(value, mode="json")
    return content


def from_json(kind: type[T], content: object) -> T:
    """Read a JSON object and ignore keys that ``kind`` does not have; raise ValueError."""
    value: T = _converter(kind).validate_python(content)
    return value


def _converter(kind: type[Any]) -> TypeAdapter[Any]:
    """Return the converter of a kind of dataclass; to make one takes milliseconds."""
    if kind not in _CONVERTERS:
        _CONVERTERS[kind] = TypeAdapter(kind)
    return _CONVERTERS[kind]
