"""What a template makes of one row is bounded before it is made, whatever it does to its values."""

import tracemalloc
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.template.growth import weighed
from batcher.core.template.tags import find_tags
from batcher.core.template.template import Template
from batcher.errors import TemplateError

MOST_BYTES = 192 * 2**20
"""Peak of Python's memory in one rendering; without a bound these templates need gigabytes."""

KEPT_BYTES = 2**20


@pytest.fixture(scope="module", autouse=True)
def less_is_kept() -> Iterator[None]:
    """A smaller bound for what is assigned, so that it is reached sooner."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("batcher.core.template.growth.KEPT_BYTES", KEPT_BYTES)
        yield


VALUES = {"xs": ["a"] * 100, "text": "some text " * 50, "d": {"k": ["b"] * 20}, "n": 40}
LOOP = (
    "{{% set ns = namespace(x={start}) %}}{{% for i in range(n) %}}{{% set ns.x = {step} %}}"
    "{{% endfor %}}{end}"
)
EACH = LOOP.replace("i in range(n)", "x in xs")
STARTS = ["xs", "text", "d", "[]", "[1, [2]]"]
STEPS = [
    "ns.x + ns.x", "[ns.x, ns.x]", "{'a': ns.x, 'b': [ns.x]}", "ns.x + xs + ns.x",
    "[ns.x] + [ns.x]", "[ns.x | list, ns.x | reverse]", "[ns.x, text | list]",
    "(ns.x | join) * 3", "(ns.x | string) + (ns.x | string)", "ns.x | tojson | tojson",
    "(ns.x | string) | replace('e', text)", "(ns.x | string) | split('')",
    "[ns.x | string, text] | join(text)", "[ns.x | string | indent(50), ns.x]",
]  # fmt: skip
ENDS = [
    "{{ ns.x }}", "{{ ns.x | join }}", "{{ ns.x | tojson | length }}", "{{ ns.x | string }}",
    "{{ [ns.x, ns.x] | join(',') }}", "{% for y in ns.x %}{{ y }}{% endfor %}",
]  # fmt: skip
OTHERS = {
    "a macro that calls itself": "{% macro f(x, k) %}{% if k > 0 %}{{ f(x + x, k - 1) }}{% else %}"
    "{{ x | join }}{% endif %}{% endmacro %}{{ f(xs, n) }}",
    "a macro with a nested list": "{% macro f(x, k) %}{% if k > 0 %}{{ f([x, x], k - 1) }}"
    "{% else %}{{ x }}{% endif %}{% endmacro %}{{ f(xs, n) }}",
    "set again and again": "{% set x = xs %}" + "{% set x = x + x %}" * 30 + "{{ x | join }}",
    "with": "{% with x = xs %}" + "{% with x = x + x %}" * 30 + "{{ x | join }}"
    + "{% endwith %}" * 31,
    "two names in turn": "{% set ns = namespace(x=xs, y=xs) %}{% for i in range(n) %}"
    "{% set ns.y = ns.x + ns.y %}{% set ns.x = ns.y + ns.x %}{% endfor %}{{ ns.x | join }}",
    "a list times a number": "{% set b = xs %}{{ (b * 100000000) | join }}",
    "an item times a number": "{% for b in [xs] %}{{ (b * 100000000) | join(', ') }}{% endfor %}",
    "trimmed tags": "{%- set ns = namespace(x=xs) -%}{%- for i in range(n) -%}"
    "{%- set ns.x = ns.x + ns.x -%}{%- endfor -%}{{- ns.x | join -}}",
}  # fmt: skip


def peak_of(source: str) -> int:
    """Render a template, or see it refused; return the peak of Python's memory."""
    template = Template(source, "prompt")
    tracemalloc.start()
    try:
        template.render(VALUES)
    except TemplateError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@settings(max_examples=4, deadline=None)
@given(st.sampled_from(STARTS), st.sampled_from(STEPS), st.sampled_from(ENDS))
def test_what_grows_in_a_loop_is_bounded(start: str, step: str, end: str) -> None:
    """Whatever doubles: lists, texts, maps, and lists that contain themselves twice."""
    assert peak_of(LOOP.format(start=start, step=step, end=end)) < MOST_BYTES


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(st.sampled_from(STARTS), st.sampled_from(STEPS), st.sampled_from(ENDS))
def test_what_grows_in_a_loop_is_bounded_in_all_ways(start: str, step: str, end: str) -> None:
    """The same for more of them."""
    assert peak_of(LOOP.format(start=start, step=step, end=end)) < MOST_BYTES


@pytest.mark.parametrize("source", OTHERS.values(), ids=OTHERS.keys())
def test_other_ways_to_grow_are_bounded(source: str) -> None:
    """Macros, names that are set again, and lists times a number; the row is bad."""
    with pytest.raises(TemplateError):
        Template(source, "prompt").render(VALUES)
    assert peak_of(source) < MOST_BYTES


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% set a = xs + ['b'] -%}\n  {{ a | length }}", "101"),
        ("{% set a, b = [1, 2] %} {{ a + b }}", " 3"),
        ("{% with a = 1 + 1, b = [a] | length %} {{ a }}{% endwith %}", " 2"),
        ("{% macro f(y=[1, 2]) -%} {{ y | join('| join') }} {%- endmacro %}{{ f() }}", "1| join2"),
        ("{{ (xs * 2) | join('| join') | length }}", str(200 + 199 * 6)),
        (EACH.format(start="0", step="ns.x + 1", end="{{ ns.x }}"), "100"),
        (EACH.format(start="[]", step="ns.x + [x]", end="{{ ns.x|join('|join') | length }}"),
         str(100 + 99 * 5)),
        (LOOP.format(start="[]", step="ns.x + ns.x", end="{{ ns.x | length }}"), "0"),
        ("{{ 'abc' | join('-') }}{{ {'p': 1, 'q': 2} | join }}", "a-b-cpq"),
        ("{% raw %}{% set x = xs + xs %}{{ x | join }}{% endraw %}",
         "{% set x = xs + xs %}{{ x | join }}"),
    ],
)  # fmt: skip
def test_weighing_changes_no_text(source: str, text: str) -> None:
    """White space, defaults, several names and literals are as without it."""
    with_columns = dict(VALUES, f="x")
    assert Template(source, "prompt").render(with_columns) == text


def test_a_template_without_growth_is_rendered_as_it_is() -> None:
    """Nothing is added to a template that assigns only texts and columns."""
    source = (
        "{% set a = 'x' %}{% set b = text %}{% for x in xs %}{{ x | upper }}{% endfor %}{{ b }}"
    )
    assert weighed(source, find_tags(source)) == source
