"""Templates: exact text from values, errors that show the place and never a value."""

import contextlib
import threading
import tracemalloc
from datetime import date
from decimal import Decimal

import minijinja
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.template import template as template_module
from batcher.core.template.allowance import MAX_BYTES
from batcher.core.template.filters import FILTERS, REMOVED_FILTERS
from batcher.core.template.tags import find_tags
from batcher.core.template.template import Expression, Template
from batcher.errors import TemplateError

SECRET = "the-secret-of-a-row"


def render(source: str, **values: object) -> str:
    """Render a template for one row."""
    return Template(source, "prompt").render(values)


def failure(source: str, **values: object) -> TemplateError:
    """Return the error of a template that must fail."""
    with pytest.raises(TemplateError) as caught:
        Template(source, "prompt").render(values)
    return caught.value


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
    """Filters, loops and literals work as documented."""
    assert render(source, **values) == text


def test_a_missing_column_is_an_error_with_the_nearest_name() -> None:
    """The error has the template's name, line, a picture of the place and a suggestion."""
    error = failure("Hi\n  é {{ txet }}", text=SECRET)
    assert error.message == (
        "prompt, line 2: there is no column `txet`\n      é {{ txet }}\n           ^^^^"
    )
    assert error.hint == "did you mean `text`?"


def test_a_missing_column_of_row_is_named() -> None:
    """For ``row["..."]`` the error names the missing column and lists the existing ones."""
    error = failure("{{ row['my cal'] }}", **{"my col": 1})
    assert error.message.startswith("prompt, line 1: there is no column `my cal`\n")
    assert error.hint == "did you mean `my col`?"
    assert failure("{{ row.zzz }}", a=1, b=2).hint == "available: `a`, `b`"


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
def test_no_error_quotes_a_value(source: str) -> None:
    """Neither message, hint nor cause of any error contains a value of the row."""
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
    ("source", "problem"),
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
        ("\n{{ range }}", "line 2: `range` is not a column here"),
        ("{{ self }}", "line 1: `self` is not a column here"),
        ("{{ " + "(" * 5000 + " }}", "line 1: "),
    ],
)
def test_an_invalid_template_is_refused_before_any_row(source: str, problem: str) -> None:
    """The error has the line of the mistake."""
    with pytest.raises(TemplateError) as caught:
        Template(source, "prompt")
    assert caught.value.message.startswith("prompt, ")
    assert problem in caught.value.message


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
        "{{ [x] | map('pprint') | join }}",
        "{{ [x] | map('safe') | join }}",
    ],
)
def test_python_is_out_of_reach(source: str) -> None:
    """No attribute, clock, random number or internal state of the engine can enter a prompt."""
    failure(source, x=date(2026, 1, 2), y={"a": 1}, z=Decimal(1))


def test_rendering_changes_no_row() -> None:
    """A template changes only copies of lists and structs."""
    values: dict[str, object] = {"x": [3, 1], "y": {"a": [1]}}
    source = "{% set _ = x.append(5) %}{% set _ = y.pop('a') %}{{ x }}{{ y }}"
    source += "{{ row.x.append(1) is none }}"
    template = Template(source, "prompt")
    assert template.render(values) == template.render(values) == "[3,1,5]{}true"
    assert values == {"x": [3, 1], "y": {"a": [1]}}


def test_every_filter_of_the_engine_is_allowed_or_removed() -> None:
    """A new filter of a later engine must be reviewed before a prompt can use it."""
    dump = minijinja.Environment().render_str("{{ debug() }}")
    listed = dump.split("filters: [")[1].split("]")[0]
    names = {name.strip(' ",\n') for name in listed.split(",")} - {""}
    assert names == (FILTERS | set(REMOVED_FILTERS))


def test_an_endless_loop_ends() -> None:
    """A template that would run for ever runs out of fuel instead."""
    loop = "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}"
    assert "too many steps" in failure(loop).message


def test_a_text_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused when it exceeds the largest request, not when the memory is full."""
    calls: list[int] = []
    text_of = template_module.text_of
    monkeypatch.setattr(template_module, "text_of", lambda value: calls.append(1) or text_of(value))
    error = failure("{% for i in range(90000) %}{{ x }}{% endfor %}", x="a" * 1_000_000)
    assert "longer than 32 MB" in error.message
    assert len(calls) <= MAX_BYTES // 1_000_000 + 1


TOO_MUCH = [
    "{{ text | replace(find, long) }}",
    "{{ text | replace('', long) | length }}",
    "{{ letters | join(long) }}",
    "{{ text | list | join(long) | length }}",
    "{{ lines | indent(many) }}",
    "{{ letters | map('replace', 'a', long) | join }}",
    "{{ text | replace('', long) | replace('', long) | default('') | upper }}",
    "{{ text * many }}",
    "{{ ('ab' * many) | length }}",
    "{{ ([text] * many) | join }}",
    "{{ letters * many }}",
    "{{ many * letters }}",
    "{{ ((letters + letters) * many) | tojson }}",
    "{% for n in range(many2) %}{{ text }}{% endfor %}",
    "{% for n in letters %}" + "literal " * 1_000 + "{% endfor %}",
    "{% set ns = namespace(t='') %}{% for n in letters %}{% set ns.t = ns.t + long %}{% endfor %}",
    "{% set t %}{% for n in letters %}{{ long }}{% endfor %}{% endset %}{{ t | length }}",
    "{% macro m() %}{{ long }}{% endmacro %}{% for n in letters %}{% do m() %}{% endfor %}",
]


@pytest.mark.parametrize("source", TOO_MUCH)
def test_what_a_row_makes_is_bounded_before_it_is_made(source: str) -> None:
    """A text that grows with the product of two values is an error, and needs little memory."""
    row: dict[str, object] = {
        "text": "y" * 20_000,
        "find": "",
        "long": "z" * 100_000,
        "letters": ["a"] * 20_000,
        "lines": "line\n" * 10_000,
        "many": 10**8,
        "many2": 90_000,
    }
    tracemalloc.start()
    try:
        message = failure(source, **row).message
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert any(text in message for text in ("longer than 32 MB", "too many steps", "too often"))
    assert peak < 300 * 2**20


def test_ordinary_products_are_no_problem() -> None:
    """A number times a number, a short line, and large texts through several filters work."""
    assert render("{{ price * count }}", price=2_000_000, count=3_000_000) == str(6 * 10**12)
    assert render("{{ items[0] * n }}{{ items | length * n }}", items=[7], n=2_000_000) == (
        "140000002000000"
    )
    assert render("{{ '-' * 20 }}{{ [x] * 2 }}", x="a") == "-" * 20 + '["a","a"]'
    text = "a, b\n" * 1_000_000
    assert render("{{ x | upper | replace(', ', ';') | trim }}", x=text) == (
        text.upper().replace(", ", ";").strip()
    )
    assert len(render("{{ x | lines | join('; ') }}", x=text)) == 6_000_000 - 2


def test_names_are_the_columns_used() -> None:
    """Functions, loop variables, macros and ``row`` are not columns."""
    template = Template(
        "{% for i in items %}{{ i }}{{ loop.index }}{% endfor %}{% macro f(a) %}{{ a }}{{ b }}"
        "{% endmacro %}{{ f(c.d) | default(e) }}{{ range(3) }}{{ namespace(x=g) | tojson }}",
        "prompt",
    )
    assert template.names() == {"items", "b", "c", "e", "g"}
    assert not template.uses_row


def test_row_has_any_column() -> None:
    """``row`` has the columns whose names are not identifiers, or are reserved."""
    template = Template(
        "{{ row['my col'] }}{{ row['a.b'] }}{{ row['row'] }}{{ row.range }}", "prompt"
    )
    assert template.uses_row
    assert template.names() == frozenset()
    assert template.render({"my col": 1, "a.b": 2, "row": 3, "range": 4}) == "1234"
    assert render("{{ row }}", row=1, b=None) == '{"row":1,"b":null}'


def test_columns_may_have_the_names_of_removed_functions_and_arguments() -> None:
    """``dict``, ``debug``, ``name`` and ``state`` are ordinary columns."""
    names = ("dict", "debug", "cycler", "joiner", "name", "value", "state", "template_name", "ä")
    source = "".join(f"{{{{ {name} }}}}" for name in names)
    assert Template(source, "prompt").names() == set(names)
    assert render(source, **dict.fromkeys(names, "1")) == "1" * len(names)


def test_only_used_columns_are_checked() -> None:
    """A column that the template does not use cannot cause an error."""
    assert render("{{ a }}", a="x", b="\ud800", c=object()) == "x"


def test_threads_can_share_a_template() -> None:
    """One template can be rendered by many threads at once."""
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
def test_any_template_is_accepted_or_refused(source: str) -> None:
    """Any text is a valid template, or raises a TemplateError."""
    find_tags(source)
    with contextlib.suppress(TemplateError):
        Template(source, "prompt").render({"x": 1})
    with contextlib.suppress(TemplateError):
        Expression(source).is_true({"x": 1})
