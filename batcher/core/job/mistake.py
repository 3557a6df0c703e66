"""One mistake in a job file, with the key to change."""

import re
from dataclasses import dataclass

_BARE = re.compile(r"[A-Za-z0-9_-]+")

Key = tuple[str, ...]
"""The full path of a key: ``("request", "max_tokens")``."""


@dataclass(frozen=True, slots=True)
class Mistake:
    """What is wrong with a key, and what to do; the message never quotes the text of a prompt."""

    key: Key
    message: str
    hint: str | None = None


def dotted(key: Key) -> str:
    """Write a key as TOML does."""
    return ".".join(part if _BARE.fullmatch(part) else f'"{part}"' for part in key)
