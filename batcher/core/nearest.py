"""Suggests the nearest existing name for a misspelt one."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from batcher.late import late_module

if TYPE_CHECKING:
    import difflib
else:
    difflib = late_module("difflib")


def nearest(name: str, known: Iterable[str], *, list_first: int = 0) -> str | None:
    """Return a hint with the known name nearest to ``name``; None when none is similar.

    With ``list_first`` the hint then lists that many known names instead.
    """
    names = list(known)
    near = nearest_name(name, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if not list_first or not names:
        return None
    more = ", ..." if len(names) > list_first else ""
    return "available: " + ", ".join(f"`{name}`" for name in names[:list_first]) + more


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the known name nearest to ``name``; None when none is similar."""
    folded = {candidate.casefold(): candidate for candidate in known}
    matches = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    return folded[matches[0]] if matches else None
