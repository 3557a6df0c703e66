"""Finds out whether a JSON schema refers to itself."""

from collections.abc import Iterator, Mapping
from typing import Any


def is_recursive(schema: Mapping[str, Any]) -> bool:
    """Return whether the references of a schema form a cycle.

    References to other documents, or to nothing, are ignored.
    """
    finished: set[str] = set()

    def has_cycle(pointer: str, above: frozenset[str]) -> bool:
        if pointer in above:
            return True
        if pointer in finished:
            return False
        target = _resolve(schema, pointer)
        # A reference to an object that contains it is a cycle, too, by any pointer.
        is_cyclic = any(has_cycle(inner, above | {pointer}) for inner in _references(target))
        finished.add(pointer)
        return is_cyclic

    return has_cycle("#", frozenset())


def _references(node: object) -> Iterator[str]:
    pending = [node]
    while pending:
        value = pending.pop()
        if isinstance(value, Mapping):
            reference = value.get("$ref")
            if isinstance(reference, str):
                yield reference
            pending.extend(value.values())
        elif isinstance(value, list | tuple):
            pending.extend(value)


def _resolve(schema: Mapping[str, Any], pointer: str) -> object:
    if not pointer.startswith("#"):
        return None
    target: object = schema
    for part in pointer.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if isinstance(target, Mapping):
            target = target.get(name)
        elif isinstance(target, list | tuple) and name.isdecimal() and int(name) < len(target):
            target = target[int(name)]
        else:
            return None
    return target
