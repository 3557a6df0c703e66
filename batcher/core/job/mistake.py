"""One mistake in a job, by the key that has to change."""

import re
from dataclasses import dataclass

_BARE = re.compile(r"[A-Za-z0-9_-]+")

Key = tuple[str, ...]
"""A key from the top of the file: ``("request", "max_tokens")``."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a key, and what to do; the message never holds the text of a prompt."""

    key: Key
    message: str
    hint: str | None = None


def dotted(key: Key) -> str:
    """Write a key as TOML does."""
    return ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in key)
