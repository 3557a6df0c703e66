"""The values of a row become exact text, or are an error."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.template.filters import OWN_FILTERS
from batcher.core.template.template import Template
from batcher.errors import TemplateError

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def render(source: str, **values: object) -> str:
    """Render a template for one row."""
    return Template(source, "prompt").render(values)


def failure(source: str, **values: object) -> TemplateError:
    """Return the error of a template that must fail."""
    with pytest.raises(TemplateError) as caught:
        Template(source, "prompt").render(values)
    return caught.value


@given(TEXT)
def test_text_is_written_as_it_is(text: str) -> None:
    """Any text in a column is written unchanged; it is never a template."""
    assert render("{{ x }}", x=text) == text
    assert render("a{{ row['x'] }}\n", x=text) == f"a{text}\n"


@given(st.lists(TEXT, min_size=1, max_size=4), st.lists(TEXT, min_size=5, max_size=5))
def test_output_is_the_literals_and_the_columns(values: list[str], literals: list[str]) -> None:
    """The text around columns stays, to the last line break, and nothing is added."""
    literals = [literal.replace("{", "(").replace("\r", "") for literal in literals]
    names = [f"c{number}" for number in range(len(values))]
    source = literals[4] + "".join(
        f"{literal}{{{{ {name} }}}}" for literal, name in zip(literals, names, strict=False)
    )
    expected = literals[4] + "".join(
        literal + value for literal, value in zip(literals, values, strict=False)
    )
    assert expected == render(source, **dict(zip(names, values, strict=True)))


@given(st.integers())
def test_integers_keep_every_digit(number: int) -> None:
    """A whole number is written with all its digits, however many there are."""
    assert render("{{ x }}", x=number) == str(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_are_written_exactly(number: float) -> None:
    """A float is written as the shortest text of the same float."""
    assert render("{{ x }}", x=number) == repr(number)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_decimals_are_as_written(number: Decimal) -> None:
    """A decimal keeps all its digits, with trailing zeros."""
    assert render("{{ x }}|{{ [x] }}", x=number) == f"{number:f}|[{number:f}]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"),
        (False, "false"),
        (1.0, "1.0"),
        (1e22, "1e+22"),
        (10**40, "1" + "0" * 40),
        (-(2**127) - 1, "-170141183460469231731687303715884105729"),
        (Decimal("1.10"), "1.10"),
        (Decimal("0E-10"), "0.0000000000"),
        (date(2026, 11, 22), "2026-11-22"),
        (datetime(2026, 11, 22, 10, 30, tzinfo=UTC), "2026-11-22T10:30:00+00:00"),
        (time(10, 30, 1, 500), "10:30:01.000500"),
        (timedelta(days=1, hours=2, seconds=0.5), "P1DT2H0.5S"),
        (timedelta(minutes=-61), "-PT1H1M"),
        (timedelta(0), "PT0S"),
        (timedelta(days=3), "P3D"),
        ([1, 'é"', None, True, Decimal("1.10"), 2.0], '[1,"é\\"",null,true,1.10,2.0]'),
        ({"b": [], "a": {"x": date(2026, 1, 2)}}, '{"b":[],"a":{"x":"2026-01-02"}}'),
        ({1: "<&>"}, '{"1":"<&>"}'),
    ],
)
def test_values_have_one_text(value: object, text: str) -> None:
    """Every value has one text: directly, and through ``row``, a join and a macro."""
    assert render("{{ x }}", x=value) == text
    assert render("{{ row.x }}", x=value) == text
    assert render("{% macro m(a) %}{{ a }}{% endmacro %}{{ m(x) }}", x=value) == text
    if not isinstance(value, list | dict):
        assert render("{{ [x, x] | join('+') }}", x=value) == f"{text}+{text}"


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "null"),
        (float("nan"), "not a finite number"),
        (float("inf"), "not a finite number"),
        (Decimal("NaN"), "not a finite number"),
        (Decimal("sNaN"), "not a finite number"),
        ([float("nan")], "not a finite number"),
        (b"bytes", "bytes"),
        ({"a": b"bytes"}, "bytes"),
        ("\ud800", "text that is not valid Unicode"),
        (["\ud800"], "text that is not valid Unicode"),
        (object(), "not of a type that a prompt can contain"),
        pytest.param(10**5000, "a number with too many digits", id="huge"),
    ],
)
def test_values_without_text_are_refused(value: object, reason: str) -> None:
    """Null, NaN and bytes are errors that name the column; nothing is guessed."""
    error = failure("Hello\n{{ other }} {{ x }}", x=value, other="fine")
    assert error.message.startswith(f"prompt, line 2: column `x` is {reason}\n")


@pytest.mark.parametrize("name", sorted(set(OWN_FILTERS) - {"tojson", "join", "replace"}))
def test_no_filter_writes_null_as_a_word(name: str) -> None:
    """A null in a filter that writes text is an error, not written as None."""
    error = failure(f"{{{{ x | {name} }}}}", x=None)
    assert "column `x` is null" in error.message
    assert error.hint is not None
    assert "default" in error.hint


def test_null_can_be_handled() -> None:
    """Null can have a default, be tested, and be part of JSON."""
    assert render("{{ x | default('-', true) }}{{ gone | default('+') }}", x=None) == "-+"
    assert render("{% if x is none %}no{% endif %}", x=None) == "no"
    assert render("{{ x | tojson }}", x=[None]) == "[null]"


def test_null_inside_a_join_is_refused() -> None:
    """A null in a list is not written as None."""
    assert "null" in failure("{{ x | join(', ') }}", x=["a", None]).message


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ x }}", "1.10 "),
        ("{% if x %}{{ x }}{% endif %}", "1.10"),
        ("{% if section == 'a' %}{{ x }}{% endif %}", "1.10"),
        ("{% for i in [x] %}{{ i }}{% endfor %}", "1.10"),
        ("{% if x > 1 %}{{ x }}{% endif %}", "1.1"),
        ("{% set y = x %}{% if y > 1 %}{{ x }}{% endif %}", "1.1"),
        ("{{ x * 2 }}", "2.2"),
        ("{{ -x }}", "-1.1"),
        ("{{- x -}}", "1.10"),
        ("{{ x | abs }}", "1.1"),
        ("{% if x in [1.1] %}{{ x }}{% endif %}", "1.1"),
        ("{% for a in [x] if a in [1.1] %}{{ a }}{% endfor %}", "1.1"),
    ],
)
def test_a_number_is_exact_unless_calculated_with(source: str, text: str) -> None:
    """A number keeps its text; where a template compares or calculates, it is a number."""
    assert render(source, x=Decimal("1.10"), section="a") == text.strip()


@given(st.decimals(-1000, 1000, places=4), st.decimals(-1000, 1000, places=4))
def test_numbers_are_compared_by_value(first: Decimal, second: Decimal) -> None:
    """This holds for decimals and floats, and for a comparison anywhere in a template."""
    for source in (
        "{% if x > y %}1{% endif %}",
        "{{ '1' if x > y else '' }}",
        "{% for a in [x] %}{% if a > y %}1{% endif %}{% endfor %}",
        "{% set a = y %}{% if x > a %}1{% endif %}",
        "{% macro f(a) %}{% if a > y %}1{% endif %}{% endmacro %}{{ f(x) }}",
        "{{ '1' if [x, y] | max != y else '' }}",
        "{{ '1' if row.x > row.y else '' }}",
    ):
        assert render(source, x=first, y=float(second)) == ("1" if first > second else ""), source


def test_a_number_that_would_lose_digits_is_not_compared() -> None:
    """It is an error and not rounded, because the template may also write it."""
    error = failure("{% if x > 1 %}{{ x }}{% endif %}", x=Decimal("1.12345678901234567890"))
    assert "column `x` is a number with too many digits" in error.message
    assert "too large" in failure("{{ x + 1 }}", x=2**200).message
