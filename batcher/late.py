"""Functions and modules that are imported at their first use: for what most commands never use.

The same import stands beside each of them under ``TYPE_CHECKING``, so that types are checked as
usual; a test compares both.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def late(module: str, name: str) -> Callable[..., Any]:
    """Return a function that imports its module when it is called."""

    def call(*args: Any, **kwargs: Any) -> Any:
        return getattr(import_module(module), name)(*args, **kwargs)

    return call


class _LateModule:
    """A module that is imported when something of it is used; each part is looked up once."""

    def __init__(self, name: str) -> None:
        self._late_name = name

    def __getattr__(self, name: str) -> Any:
        value = getattr(import_module(self._late_name), name)
        setattr(self, name, value)
        return value


def late_module(name: str) -> Any:
    """Return a module that is imported when something of it is used."""
    return _LateModule(name)
