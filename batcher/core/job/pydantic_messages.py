"""Converts pydantic's errors to plain messages, which may quote numbers and never quote text."""

from collections.abc import Callable
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from batcher.core.job.known_keys import unknown_key
from batcher.core.job.mistake import Key, Mistake, dotted
from batcher.core.nearest import nearest

_TYPES = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "decimal_type": "a number",
    "is_instance_of": "a number",
    "finite_number": "a finite number",
    "tuple_type": "an array",
    "list_type": "an array",
    "dict_type": "a table",
    **dict.fromkeys(
        ["date_type", "date_parsing", "date_from_datetime_parsing", "date_from_datetime_inexact"],
        "a day, such as 2026-11-22",
    ),
}
_BOUNDS: dict[str, tuple[str, str]] = {
    "greater_than": ("gt", "more than"),
    "greater_than_equal": ("ge", "at least"),
    "less_than": ("lt", "less than"),
    "less_than_equal": ("le", "at most"),
}
_PATTERNS: dict[Key, str] = {
    (
        "job",
        "name",
    ): "may have letters, digits, '.', '_' and '-', must start with a letter or "
    "digit, and has at most 100 characters",
    ("output", "prefix"): "may have letters, digits and '_', and must not start with a digit",
    ("api", "key_env"): "must be the name of an environment variable, not the key itself",
    (
        "notify",
        "webhook_env",
    ): "must be the name of an environment variable, not the address "
    "itself: the address is a secret, and job files are shared and kept",
    ("notify", "token_env"): "must be the name of an environment variable, not the token itself",
}


_LONGEST_SHOWN = 10**30  # Python does not write numbers of thousands of digits


def mistakes_of(error: ValidationError) -> list[Mistake]:
    """Return all mistakes that a validation found, one for each key."""
    mistakes: dict[Key, Mistake] = {}
    for details in error.errors(include_url=False):
        mistake = _mistake(details)
        mistakes.setdefault(mistake.key, mistake)
    return list(mistakes.values())


def _mistake(details: ErrorDetails) -> Mistake:
    location = details["loc"]
    # Pydantic also names the member of a union that it tried.
    members = location[:2] if location[:2] == ("request", "system") else location
    key = tuple(part for part in members if isinstance(part, str))
    kind = details["type"]
    if key == ("request", "system"):
        return Mistake(key, "request.system must be text or text blocks")
    if kind == "extra_forbidden":
        return unknown_key(key)
    if kind == "missing":
        name = f"the section [{key[0]}]" if len(key) == 1 else dotted(key)
        return Mistake(key, f"{name} is missing")
    if kind in {"model_type", "model_attributes_type"}:
        message = (
            f"[{key[0]}] must be a section" if len(key) == 1 else f"{dotted(key)} must be a table"
        )
        return Mistake(key, message)
    explain = _BY_KIND.get(kind, _any)
    message, hint = explain(key, details)
    item = "each item of " if len(members) > len(key) else ""
    return Mistake(key, f"{item}{dotted(key)} {message}", hint)


def _type(_key: Key, details: ErrorDetails) -> tuple[str, str | None]:
    return f"must be {_TYPES[details['type']]}", None


def _bound(_key: Key, details: ErrorDetails) -> tuple[str, str | None]:
    name, words = _BOUNDS[details["type"]]
    given = details["input"]
    got = f", got {given}" if -_LONGEST_SHOWN < given < _LONGEST_SHOWN else ""
    return f"must be {words} {_context(details)[name]}{got}", None


def _choice(_key: Key, details: ErrorDetails) -> tuple[str, str | None]:
    expected = str(_context(details)["expected"])
    choices = [choice.strip("' ") for choice in expected.replace(" or ", ", ").split(", ")]
    given = details["input"]
    hint = nearest(given, choices) if isinstance(given, str) else None
    return f"must be one of {', '.join(choices)}", hint


def _pattern(key: Key, _details: ErrorDetails) -> tuple[str, str | None]:
    return _PATTERNS.get(key, "has the wrong form"), None


def _empty(_key: Key, _details: ErrorDetails) -> tuple[str, str | None]:
    return "must not be empty", None


def _places(_key: Key, details: ErrorDetails) -> tuple[str, str | None]:
    return f"may have at most {_context(details)['decimal_places']} decimal places", None


def _digits(_key: Key, details: ErrorDetails) -> tuple[str, str | None]:
    context = _context(details)
    limit = context.get("whole_digits", context.get("max_digits"))
    return f"may have at most {limit} digits", None


def _any(_key: Key, _details: ErrorDetails) -> tuple[str, str | None]:
    return "has a wrong value", None


def _context(details: ErrorDetails) -> dict[str, Any]:
    return details.get("ctx", {})


_BY_KIND: dict[str, Callable[[Key, ErrorDetails], tuple[str, str | None]]] = {
    **dict.fromkeys(_TYPES, _type),
    **dict.fromkeys(_BOUNDS, _bound),
    "literal_error": _choice,
    "string_pattern_mismatch": _pattern,
    "string_too_short": _empty,
    "decimal_max_places": _places,
    "decimal_max_digits": _digits,
    "decimal_whole_digits": _digits,
}
