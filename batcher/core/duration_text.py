"""Reads a duration as people write it: ``5h``, ``90m``, ``1h30m``, ``45s``."""

import re

from batcher.errors import ConfigurationError

_PARTS = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?", re.ASCII)


def seconds_of(text: str) -> int:
    """Read hours, minutes and seconds, in this order; ConfigurationError for anything else."""
    match = _PARTS.fullmatch(text)
    hours, minutes, seconds = (int(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if not total:
        raise ConfigurationError(
            f"not a duration: {text!r}",
            hint="write hours, minutes and seconds like 5h, 90m, 1h30m or 45s",
        )
    return total
