"""Counts with their noun, in singular or plural."""


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Write a number and its noun: ``1 row``, ``12,000 rows``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
