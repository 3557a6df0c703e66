"""Expressions: conditions on a row."""

from datetime import date
from decimal import Decimal

import pytest

from batcher.core.template.template import Expression
from batcher.errors import TemplateError


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("section == 'games'", True),
        ("section == 'Games'", False),
        ("score > 0.5 and section in ['games', 'x']", True),
        ("score == 0.6", True),
        ("precise > 1.12345678901234", True),
        ("gone is defined", False),
        ("nothing is none", True),
        ("section | upper == 'GAMES'", True),
        ("row['my col'] == 3", True),
        ("tags", False),
        ("day >= '2026-01-01'", True),
        ("'%}' == '%}'", True),
        ("section\n== 'games'", True),
    ],
)
def test_expressions(source: str, expected: bool) -> None:
    """An expression compares the values of a row."""
    values = {
        "section": "games",
        "score": Decimal("0.6"),
        "precise": Decimal("1.12345678901234567890"),
        "nothing": None,
        "tags": [],
        "day": date(2026, 1, 2),
        "my col": 3,
    }
    assert Expression(source).is_true(values) is expected


@pytest.mark.parametrize(
    "source",
    ["", "a ==", "a }} {{ b", "a %}{% if b", "a %}y{% endif %}{% if b", "a # b", "%}{% else"],
)
def test_text_that_is_not_one_expression_is_refused(source: str) -> None:
    """An expression cannot add tags of its own."""
    with pytest.raises(TemplateError):
        Expression(source)


def test_an_error_shows_its_place_in_the_expression() -> None:
    """Positions count from the start of the expression; the missing column is named."""
    with pytest.raises(TemplateError) as caught:
        Expression("a and scoer > 1", "input.where").is_true({"a": 1, "score": 2})
    assert caught.value.message.startswith("input.where, line 1: there is no column `scoer`\n")
    assert caught.value.hint == "did you mean `score`?"
    assert Expression("a and b > 1").names() == {"a", "b"}
