"""The counts that a usage may have, and a quick check that it has no other numbers."""

from collections.abc import Collection, Mapping

_TOP = (
    "input_tokens",
    "output_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
)
_INSIDE = {
    "cache_creation": ("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens"),
    "output_tokens_details": ("thinking_tokens",),
    "server_tool_use": ("web_search_requests",),
}
COUNTED = frozenset(
    (*_TOP, *(f"{parent}.{name}" for parent, names in _INSIDE.items() for name in names))
)
PATHS = {path: tuple(path.split(".")) for path in COUNTED}
"""The keys that lead to a count."""


def has_only_counts(raw: Mapping[str, object]) -> bool:
    """Return whether it surely holds no number above zero but known counts.

    It is right about the usage of most responses, at a fifth of what the search in ``usage`` takes.
    """
    return _are_counts(raw, _TOP) and all(
        _are_counts(value, _INSIDE.get(key, ())) and not any(map(_is_object, value.values()))
        for key, value in raw.items()
        if isinstance(value, dict)
    )


def _are_counts(raw: Mapping[str, object], known: Collection[str]) -> bool:
    """Return whether the values are known counts, zeros, texts, null, or objects."""
    for key, value in raw.items():
        if isinstance(value, int):
            if value > 0 and value is not True and key not in known:
                return False
        elif value is not None and not isinstance(value, str | dict):
            return False
    return True


def _is_object(value: object) -> bool:
    return isinstance(value, dict)
