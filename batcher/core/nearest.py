"""Did you mean: the nearest of the names that exist."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str], *, shown: int = 0) -> str | None:
    """Suggest the known name nearest to ``name``, as a hint; None when none is near.

    With ``shown``, the first so many known names are listed instead of None.
    """
    names = list(known)
    folded = {candidate.casefold(): candidate for candidate in names}
    found = difflib.get_close_matches(name.casefold(), folded, n=1, cutoff=0.6)
    if found:
        return f"Did you mean `{folded[found[0]]}`?"
    if not shown or not names:
        return None
    more = ", ..." if len(names) > shown else ""
    return "There is: " + ", ".join(f"`{name}`" for name in names[:shown]) + more
