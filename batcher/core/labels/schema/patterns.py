"""Which patterns of texts the API holds a model to."""

import re

# Lookaround, named groups, backreferences and word boundaries are refused. Of what is said nowhere
# (classes by property, escapes by number) nothing is tried.
_HARD = re.compile(r"\(\?(?!:)|\\(?![dwsDWStnr])[A-Za-z0-9]|[*+?}]\+")


def is_simple(pattern: str) -> bool:
    """Whether the API takes a regular expression, as far as it is known."""
    return _HARD.search(pattern) is None
