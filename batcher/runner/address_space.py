"""Whether the limits on this process's memory (ulimit -v, ulimit -d) leave a run what it needs."""

import os
import resource
from pathlib import Path

from batcher.errors import ConfigurationError

NEEDED_BYTES = 1400 << 20
"""What a run reserves on top of its modules: measured as 1,150 MiB, most of it never used."""

# The limit, what sets it, and the field of /proc/self/statm with the pages that count.
_LIMITS = (
    (resource.RLIMIT_AS, "of address space (ulimit -v)", 0),
    (resource.RLIMIT_DATA, "of data (ulimit -d)", 5),
)


def check_address_space() -> None:
    """Raise ConfigurationError when a run would end for lack of memory with answers in flight.

    Systems without /proc are not checked; macOS does not enforce these limits.
    """
    try:
        pages = Path("/proc/self/statm").read_text("ascii").split()
    except OSError:
        return
    for limit, name, field in _LIMITS:
        allowed, _ = resource.getrlimit(limit)
        needed = int(pages[field]) * os.sysconf("SC_PAGE_SIZE") + NEEDED_BYTES
        if allowed != resource.RLIM_INFINITY and allowed < needed:
            raise ConfigurationError(
                f"this process may have {allowed >> 20:,} MiB {name}, and a run needs "
                f"{needed >> 20:,} MiB",
                hint=f"raise it to {needed >> 10} or more, or remove it, then run the same command",
            )
