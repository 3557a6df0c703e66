"""Suggests the nearest existing name for a misspelt one."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, list_first: int = 0) -> str | None:
    """Return a hint with the known name nearest to ``name``; None when none is similar.

    With ``list_first`` the hint then lists that many known names instead.
    """
    names = list(known)
    folded = {candidate.casefold(): candidate for candidate in names}
    matches = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if matches:
        return f"did you mean `{folded[matches[0]]}`?"
    if not list_first or not names:
        return None
    more = ", ..." if len(names) > list_first else ""
    return "available: " + ", ".join(f"`{name}`" for name in names[:list_first]) + more
