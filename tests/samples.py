"""How many random examples a test tries: a few in make test, more in make test-all."""

from hypothesis import settings

IN_FULL = "full"
"""The profile of hypothesis that make test-all and make crash choose (``--hypothesis-profile``)."""

_TIMES = 5


def examples(count: int) -> int:
    """Return ``count`` in make test, and five times as many in make test-all."""
    return count * _TIMES if settings.get_current_profile_name() == IN_FULL else count
