"""The SQL of the checkpoint, read from the .sql files beside this one."""

from functools import cache
from importlib import resources


def script(name: str) -> str:
    """Return the text of an .sql file."""
    return resources.files("batcher.store").joinpath("sql", f"{name}.sql").read_text("utf-8")


@cache
def queries(name: str) -> dict[str, str]:
    """Return the queries of an .sql file, by the name in their ``-- name:`` line."""
    parts = script(name).split("-- name: ")[1:]
    return {part.split("\n", 1)[0].strip(): part.split("\n", 1)[1].strip() for part in parts}
