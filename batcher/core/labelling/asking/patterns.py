"""Which texts' patterns and formats the API holds a model to."""

import re

FORMATS = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
"""Those that the documentation of structured outputs lists (October 2026)."""

# Lookaround, named groups, backreferences and word boundaries are refused. Of what is said nowhere
# (classes by property, escapes by number) nothing is tried.
_HARD = re.compile(r"\(\?(?!:)|\\(?![dwsDWStnr])[A-Za-z0-9]|[*+?}]\+")


def is_simple(pattern: str) -> bool:
    """Whether the API takes a regular expression, as far as it is known."""
    return _HARD.search(pattern) is None
