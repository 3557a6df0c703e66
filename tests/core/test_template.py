"""Templates: exact text from values, errors that name the place and never the value."""

import contextlib
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

import minijinja
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.request.template import MAX_CHARACTERS, Expression, Template
from batcher.core.request.template_filters import FILTERS, OWN, WITHDRAWN
from batcher.core.request.template_tags import find_tags
from batcher.errors import TemplateError

SECRET = "the-secret-of-a-row"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def render(source: str, **values: object) -> str:
    """Render a template of no importance once."""
    return Template(source, "prompt").render(values)


def failure(source: str, **values: object) -> TemplateError:
    """Render a template that must fail."""
    with pytest.raises(TemplateError) as caught:
        Template(source, "prompt").render(values)
    return caught.value


@given(TEXT)
def test_text_is_written_as_it_is(text: str) -> None:
    """A text column is inert: whatever it holds, it comes out unchanged."""
    assert render("{{ x }}", x=text) == text
    assert render("a{{ row['x'] }}\n", x=text) == f"a{text}\n"


@given(st.lists(TEXT, min_size=1, max_size=4), st.lists(TEXT, min_size=5, max_size=5))
def test_output_is_the_sum_of_its_parts(values: list[str], literals: list[str]) -> None:
    """Text around columns stays, to the last line break, and adds nothing of its own."""
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
    """A whole number is its digits, however many there are."""
    assert render("{{ x }}", x=number) == str(number)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_read_the_same(number: float) -> None:
    """A float is the shortest text that reads back as the same float."""
    assert render("{{ x }}", x=number) == repr(number)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=12))
def test_decimals_are_as_written(number: Decimal) -> None:
    """A decimal keeps all its digits, trailing zeros included."""
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
    """Every kind of value has its fixed text, directly and by way of row, a join and a macro."""
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
        (object(), "not something a prompt can hold"),
        pytest.param(10**5000, "a number with too many digits", id="huge"),
    ],
)
def test_what_has_no_text_is_refused(value: object, reason: str) -> None:
    """Nothing is guessed: null, NaN, bytes and the like are errors that name the column."""
    error = failure("Hello\n{{ other }} {{ x }}", x=value, other="fine")
    assert error.message.startswith(f"prompt, line 2: column `x` is {reason}\n")


@pytest.mark.parametrize("name", sorted(set(OWN) - {"tojson", "join", "replace"}))
def test_no_filter_writes_null_as_a_word(name: str) -> None:
    """A null that goes through a filter that makes text is refused, not written as None."""
    error = failure(f"{{{{ x | {name} }}}}", x=None)
    assert "column `x` is null" in error.message
    assert error.hint is not None
    assert "default" in error.hint


def test_null_has_ways_out() -> None:
    """Null can be given a default, tested, and stands in JSON."""
    assert render("{{ x | default('-', true) }}{{ gone | default('+') }}", x=None) == "-+"
    assert render("{% if x is none %}no{% endif %}", x=None) == "no"
    assert render("{{ x | tojson }}", x=[None]) == "[null]"


def test_null_inside_a_join_is_refused() -> None:
    """A null in a list of labels does not become the word None."""
    assert "null" in failure("{{ x | join(', ') }}", x=["a", None]).message


@pytest.mark.parametrize(
    ("source", "values", "text"),
    [
        ("{{ x | upper }}", {"x": "aé"}, "AÉ"),
        ("{{ x | title }}", {"x": "it's a DAY"}, "It's A Day"),
        ("{{ x | capitalize }}", {"x": "aB"}, "Ab"),
        ("{{ x | trim }}", {"x": " a "}, "a"),
        ("{{ x | replace('a', 'b') }}", {"x": "aa"}, "bb"),
        ("{{ x | truncate(5) }}", {"x": "abcdefgh"}, "ab..."),
        ("{{ x | truncate(5, '') }}", {"x": "abcdefgh"}, "abcde"),
        ("{{ x | indent(2) }}", {"x": "a\n\nb"}, "a\n\n  b"),
        ("{{ x | indent(2, true) }}", {"x": "a"}, "  a"),
        ("{{ x | split(',') | join('+') }}", {"x": "a,b"}, "a+b"),
        ("{{ x | lines | length }}", {"x": "a\nb"}, "2"),
        ("{{ x | map('upper') | join }}", {"x": ["a", "b"]}, "AB"),
        ("{{ x | sum }}", {"x": [1, 2]}, "3"),
        ("{{ x | float | round(1) }}", {"x": Decimal("1.26")}, "1.3"),
        (
            "{% for k, v in x | items %}{{ k }}={{ v }};{% endfor %}",
            {"x": {"b": 1, "a": 2}},
            "b=1;a=2;",
        ),
        ("{% for i in x %}{{ loop.index }}{{ i }}{% endfor %}", {"x": ["a", "b"]}, "1a2b"),
        ("{% raw %}{{ x }}{% endraw %}", {}, "{{ x }}"),
        ("{# {{ gone }} #}a", {}, "a"),
        ("{{ x.b['c d'][0] }}", {"x": {"b": {"c d": [7]}}}, "7"),
        ("{{ '}}' }}{{ {'a': {'b': x}} | tojson }}", {"x": 1}, '}}{"a":{"b":1}}'),
    ],
)
def test_the_language(source: str, values: dict[str, object], text: str) -> None:
    """Filters, loops, macros and literals do what their names say."""
    assert render(source, **values) == text


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
    ],
)
def test_a_number_is_exact_unless_calculated_with(source: str, text: str) -> None:
    """A number keeps its text, and where it is compared it is compared as a number."""
    assert render(source, x=Decimal("1.10"), section="a") == text.strip()


@given(st.decimals(-1000, 1000, places=4), st.decimals(-1000, 1000, places=4))
def test_comparisons_are_of_numbers(one: Decimal, other: Decimal) -> None:
    """Decimals, floats and whole numbers compare by value, wherever the comparison stands."""
    for source in (
        "{% if x > y %}1{% endif %}",
        "{{ '1' if x > y else '' }}",
        "{% for a in [x] %}{% if a > y %}1{% endif %}{% endfor %}",
        "{% set a = y %}{% if x > a %}1{% endif %}",
        "{% macro f(a) %}{% if a > y %}1{% endif %}{% endmacro %}{{ f(x) }}",
        "{{ '1' if [x, y] | max != y else '' }}",
        "{{ '1' if row.x > row.y else '' }}",
    ):
        assert render(source, x=one, y=float(other)) == ("1" if one > other else ""), source


def test_a_number_that_would_lose_digits_is_not_compared() -> None:
    """Refused rather than rounded: what a template compares, it may also write."""
    error = failure("{% if x > 1 %}{{ x }}{% endif %}", x=Decimal("1.12345678901234567890"))
    assert "column `x` is a number with too many digits" in error.message
    assert "too large" in failure("{{ x + 1 }}", x=2**200).message


def test_a_missing_column_is_an_error_with_the_nearest_name() -> None:
    """The error has the template's name, line, a picture of the place and a suggestion."""
    error = failure("Hi\n  é {{ txet }}", text=SECRET)
    assert error.message == (
        "prompt, line 2: there is no column `txet`\n      é {{ txet }}\n           ^^^^"
    )
    assert error.hint == "Did you mean `text`?"


def test_a_missing_column_of_row_is_named() -> None:
    """``row["..."]`` says which column is missing, and lists what there is."""
    error = failure("{{ row['my cal'] }}", **{"my col": 1})
    assert error.message.startswith("prompt, line 1: there is no column `my cal`\n")
    assert error.hint == "Did you mean `my col`?"
    assert failure("{{ row.zzz }}", a=1, b=2).hint == "There is: `a`, `b`"


@pytest.mark.parametrize(
    "source",
    [
        *(
            "{{ x + 1 }}",
            "{{ x | int }}",
            "{{ x | foo }}",
            "{{ x.foo }}",
            "{{ x.foo() }}",
            "{{ x() }}",
        ),
        *(
            "{{ d[x] }}",
            "{{ d.pop(x) }}",
            "{{ n.foo(x) }}",
            "{{ x | round }}",
            "{{ x | round(x) }}",
        ),
        *(
            "{{ [1] | map(x) | list }}",
            "{{ [1] | select(x) | list }}",
            "{{ gone }}",
            "{{ x is foo }}",
        ),
        *(
            "{{ big * big }}",
            "{{ 1 / zero + x }}",
            "{{ x | items }}",
            "{{ x | batch(x) }}",
            "{{ d(x) }}",
        ),
        *(
            "{{ range(x) }}",
            "{{ x | dictsort }}",
            "{% include x %}",
            "{{ [b, x] }}",
            "{{ x.__class__ }}",
        ),
        *(
            "{% for i in n %}{{ x }}{% endfor %}",
            "{{ x | truncate(x) }}",
            "{{ [d, x] | join }}{{ nil }}",
        ),
    ],
)
def test_no_error_repeats_a_value(source: str) -> None:
    """Whatever goes wrong, neither the message, the hint nor the cause's text has a row's value."""
    big = 123456789 * 10**29
    values = {"x": SECRET, "d": {"k": SECRET}, "n": 987654321, "big": big, "zero": 0, "b": b"bytes"}
    with pytest.raises(TemplateError) as caught:
        Template(source, "prompt").render({**values, "nil": None})
    error = caught.value
    shown = f"{error!r} {error.message} {error.hint}"
    for word in (SECRET, "123456789", "987654321", SECRET[4:]):
        assert word not in shown
    assert error.__suppress_context__ or error.__context__ is None


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("a\n{{ x ", "line 2: unexpected end of input"),
        ("{% if %}", "line 1: unexpected end of block"),
        ("{% for x in y %}", "line 1: unexpected end of input"),
        ("{% frob %}", "line 1: unknown statement frob"),
        ("{{ x | uper }}", "line 1: there is no filter `uper`"),
        ("{{ x | random }}", "line 1: there is no filter `random`"),
        ("{{ x | safe }}", "line 1: there is no filter `safe`"),
        ("{% include 'a' %}", "line 1: {% include %} is not available"),
        ("{%- import 'a' as b -%}", "line 1: {% import %} is not available"),
        ("{% extends 'a' %}", "line 1: {% extends %} is not available"),
        ("{% autoescape true %}{% endautoescape %}", "{% autoescape %} is not available"),
        ("{{ x ~ y }}", "line 1: the operator ~ is not available"),
        ("\n{{ range }}", "line 2: `range` is no column here"),
        ("{{ self }}", "line 1: `self` is no column here"),
        ("{{ " + "(" * 5000 + " }}", "line 1: "),
    ],
)
def test_a_template_that_cannot_be_read_is_refused_when_it_is_made(source: str, what: str) -> None:
    """Mistakes show before there is a row, with their line."""
    with pytest.raises(TemplateError) as caught:
        Template(source, "prompt")
    assert caught.value.message.startswith("prompt, ")
    assert what in caught.value.message


@pytest.mark.parametrize(
    "source",
    [
        "{{ x.today() }}",
        "{{ x.__class__ }}",
        "{{ x.__init__() }}",
        "{{ y.__class__ }}",
        "{{ y.__len__() }}",
        "{{ z.__class__.__mro__ }}",
        "{{ z.as_tuple() }}",
        "{{ z._text }}",
        "{{ row._values }}",
        "{{ row.__class__ }}",
        "{{ debug() }}",
        "{{ now() }}",
        "{{ random() }}",
        "{{ cycler }}",
        "{{ joiner() }}",
        "{{ y.items }}",
        "{{ y.items() }}",
    ],
)
def test_python_is_out_of_reach(source: str) -> None:
    """No attribute, clock, randomness or internals of the engine can get into a prompt."""
    failure(source, x=date(2026, 1, 2), y={"a": 1}, z=Decimal(1))


def test_rendering_changes_no_row() -> None:
    """What a template does to a list or struct, it does to a copy."""
    values: dict[str, object] = {"x": [3, 1], "y": {"a": [1]}}
    source = "{% set _ = x.append(5) %}{% set _ = y.pop('a') %}{{ x }}{{ y }}"
    source += "{{ row.x.append(1) is none }}"
    template = Template(source, "prompt")
    assert template.render(values) == template.render(values) == "[3,1,5]{}true"
    assert values == {"x": [3, 1], "y": {"a": [1]}}


def test_every_filter_of_the_engine_is_allowed_or_withdrawn() -> None:
    """A filter that a later engine brings is looked at before a prompt can depend on it."""
    dump = minijinja.Environment().render_str("{{ debug() }}")
    listed = dump.split("filters: [")[1].split("]")[0]
    names = {name.strip(' ",\n') for name in listed.split(",")} - {""}
    assert names == (FILTERS | set(WITHDRAWN))


def test_an_endless_loop_ends() -> None:
    """A template that would take for ever runs out of fuel instead."""
    loop = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
    assert "too many steps" in failure(loop).message


def test_a_text_that_grows_without_end_is_cut_off() -> None:
    """The text is refused when it passes the largest request, not when the memory is full."""
    error = failure("{% for i in range(90000) %}{{ x }}{% endfor %}", x="a" * 1_000_000)
    assert f"longer than {MAX_CHARACTERS:,} characters" in error.message


def test_names_are_the_columns_used() -> None:
    """Columns are named, but not functions, loop variables, macros or ``row``."""
    template = Template(
        "{% for i in items %}{{ i }}{{ loop.index }}{% endfor %}{% macro f(a) %}{{ a }}{{ b }}"
        "{% endmacro %}{{ f(c.d) | default(e) }}{{ range(3) }}{{ namespace(x=g) | tojson }}",
        "prompt",
    )
    assert template.names() == {"items", "b", "c", "e", "g"}
    assert not template.uses_row


def test_row_reaches_any_column() -> None:
    """Columns whose names are no identifiers, or are taken, are reached by ``row``."""
    template = Template(
        "{{ row['my col'] }}{{ row['a.b'] }}{{ row['row'] }}{{ row.range }}", "prompt"
    )
    assert template.uses_row
    assert template.names() == frozenset()
    assert template.render({"my col": 1, "a.b": 2, "row": 3, "range": 4}) == "1234"
    assert render("{{ row }}", row=1, b=None) == '{"row":1,"b":null}'


def test_columns_may_be_called_like_withdrawn_functions_and_arguments() -> None:
    """``dict``, ``debug``, ``name``, ``state`` and the like are columns like any other."""
    names = ("dict", "debug", "cycler", "joiner", "name", "value", "state", "template_name", "ä")
    source = "".join(f"{{{{ {name} }}}}" for name in names)
    assert Template(source, "prompt").names() == set(names)
    assert render(source, **dict.fromkeys(names, "1")) == "1" * len(names)


def test_only_used_columns_are_looked_at() -> None:
    """A column that no template names cannot fail a row."""
    assert render("{{ a }}", a="x", b="\ud800", c=object()) == "x"


def test_threads_do_not_disturb_each_other() -> None:
    """One template may be rendered by many threads at once."""
    template = Template("{% for i in range(50) %}{{ x }}{% endfor %}", "prompt")
    wrong: list[str] = []

    def work(text: str) -> None:
        wrong.extend(text for _ in range(50) if template.render({"x": text * 300}) != text * 15_000)

    threads = [threading.Thread(target=work, args=(letter,)) for letter in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@settings(max_examples=300)
@given(st.text(alphabet="{}%#-+|~'\"\\ \nxif()[]raw.endfor=1<", max_size=40))
def test_any_template_is_read_or_refused(source: str) -> None:
    """No text makes the reader do anything but accept it or raise a TemplateError."""
    find_tags(source)
    with contextlib.suppress(TemplateError):
        Template(source, "prompt").render({"x": 1})
    with contextlib.suppress(TemplateError):
        Expression(source).is_true({"x": 1})


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
    """An expression over a row is true or false by value."""
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
def test_what_is_not_one_expression_is_refused(source: str) -> None:
    """An expression cannot break out of its place."""
    with pytest.raises(TemplateError):
        Expression(source)


def test_an_expression_shows_its_place() -> None:
    """Errors count from the expression's own start and name the missing column."""
    with pytest.raises(TemplateError) as caught:
        Expression("a and scoer > 1", "input.where").is_true({"a": 1, "score": 2})
    assert caught.value.message.startswith("input.where, line 1: there is no column `scoer`\n")
    assert caught.value.hint == "Did you mean `score`?"
    assert Expression("a and b > 1").names() == {"a", "b"}
