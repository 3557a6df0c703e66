"""The page about faults: what it says about billing is so, and the tests that it names exist."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from batcher.core.answers.outcome import classify
from batcher.core.answers.response import Response

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "faults.md").read_text("utf-8")
OWN = json.dumps({"type": "error", "error": {"type": "api_error", "message": "x"}}).encode()
OTHER = (b"", b"<html>Bad gateway</html>", b'{"error": {"message": "x", "type": "server_error"}}')


def table(heading: str) -> list[list[str]]:
    """Return the cells of the first table under a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def numbers(text: str) -> set[int]:
    """Return the statuses that a cell names: ``400 to 499 except 408``."""
    named, _, excepted = text.partition(" except ")
    found = (
        set(range(int(first), int(last or first) + 1))
        for first, last in re.findall(r"(\d{3})(?: to (\d{3}))?", named)
    )
    return set().union(*found) - (numbers(excepted) if excepted else set())


def billing(status: int, *, is_own: bool) -> Iterator[str]:
    """Yield what the page says about an error with this status."""
    for cell, error, says, _ in table("Which errors may have been billed"):
        whose = ("the API's own", "any") if is_own else ("another", "any")
        if status in numbers(cell) and (error in whose or status < 300):
            yield says


@pytest.mark.parametrize("is_own", [True, False])
def test_every_status_is_billed_as_the_page_says(is_own: bool) -> None:
    """Each status from 200 to 999 has one line for each error, and the program agrees."""
    for status in range(200, 1000):
        says = list(billing(status, is_own=is_own))
        assert len(says) == 1, (status, says)
        for body in (OWN,) if is_own else OTHER:
            assert classify(Response(status, {}, body, 0.1)).billing == says[0], (status, body)


def test_every_line_names_its_tests() -> None:
    """The tables of files and of data name functions that exist in tests/."""
    exist = {
        node.name
        for path in (ROOT / "tests").rglob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef)
    }
    lines = table("Files, folders and signals") + table("What may be wrong with the data")
    assert len(lines) > 20
    for *what, tests in lines:
        named = re.findall(r"`(\w+)`", tests)
        assert named, what
        assert [name for name in named if name not in exist] == [], what
