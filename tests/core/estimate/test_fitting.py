"""A prompt that cannot fit is refused, or cut until it fits; one that may fit is sent."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import batcher
from batcher.core.estimate.context_fitting import PromptFitter, common_length
from batcher.core.estimate.context_window import ContextWindow
from batcher.core.estimate.prompt import PromptRule
from batcher.core.job import Job
from batcher.core.money.prices import PriceTable
from batcher.core.request.build import Request, RequestBuilder, Unsendable
from batcher.core.template.template import Template

TABLE = PriceTable.parse((Path(batcher.__file__).parent / "data" / "models.json").read_text())
WINDOW = 2_000
RULE = PromptRule("claude-haiku-5-5", None)
PROMPT = "About {{ title }}:\n{{ text }}\nWhich topic?"


def fitter_of(prompt: str = PROMPT, max_tokens: int = 100) -> tuple[RequestBuilder, PromptFitter]:
    """Return a builder of requests, and a fitter with a small context window."""
    job = Job.model_validate(
        {
            "input": {"path": "x"},
            "request": {"model": "m", "max_tokens": max_tokens, "prompt": prompt},
        }
    )
    builder = RequestBuilder(job, system=None, prompt=Template(prompt, "p"))
    window = ContextWindow(WINDOW, WINDOW - max_tokens)
    return builder, PromptFitter(
        window, RULE, builder.build, builder.text_columns, builder.non_text_columns
    )


def build(builder: RequestBuilder, values: dict[str, Any]) -> Request:
    """Build the request of a row without cutting."""
    request = builder.build(values)
    assert isinstance(request, Request)
    return request


def test_a_request_that_fits_is_unchanged() -> None:
    """The request is the same, and has no note."""
    builder, fitter = fitter_of()
    request = build(builder, {"title": "a", "text": "word " * 100})
    assert fitter.check(request) == request
    assert fitter.cut(request, {"title": "a", "text": "word " * 100}) == request


def test_the_longest_text_is_cut_and_the_template_stays() -> None:
    """The text of the template is never cut; the note says how much of the column remains."""
    builder, fitter = fitter_of()
    values = {"title": "a title", "text": "word " * 5_000, "unused": "long " * 9_000}
    found = fitter.cut(build(builder, values), values)
    assert isinstance(found, Request)
    text = found.fields["messages"][0]["content"]
    assert text.startswith("About a title:\nword word")
    assert text.endswith("Which topic?")
    assert found.note is not None
    assert found.note.startswith("the column 'text' was cut to ")
    assert "of 25,000 characters" in found.note
    assert 1_000 < RULE.of(found.fields).total < WINDOW


def test_a_request_is_refused_by_check_or_when_nothing_can_be_cut() -> None:
    """The reason contains the estimated length and the limit."""
    builder, fitter = fitter_of()
    request = build(builder, {"title": "a", "text": "word " * 9_000})
    refused = fitter.check(request)
    assert isinstance(refused, Unsendable)
    assert refused.error_type == "client.too_long"
    assert "the limit is 2,000" in refused.reason
    builder, fitter = fitter_of("word " * 9_000 + "{{ text }}")
    assert isinstance(fitter.cut(build(builder, {"text": "a"}), {"text": "a"}), Unsendable)


def test_a_request_that_may_fit_is_sent() -> None:
    """The estimate is not certain enough to refuse a row."""
    builder, fitter = fitter_of()
    request = build(builder, {"title": "a", "text": "word " * 1_100})
    prompt = RULE.of(request.fields)
    assert prompt.total > WINDOW
    assert fitter.window.may_not_fit(prompt)
    assert fitter.check(request) == request


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["title", "text"]), st.text(max_size=40), min_size=2),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_a_cut_request_fits(words: dict[str, str], first: int, second: int) -> None:
    """By the safe estimate, with the same result each time, in any script."""
    builder, fitter = fitter_of()
    values = {"title": words["title"] * first, "text": words["text"] * second}
    request = builder.build(values)
    if isinstance(request, Unsendable):
        return
    found = fitter.cut(request, values)
    assert isinstance(found, Request)
    assert fitter.window.safe_tokens(RULE.of(found.fields)) <= fitter.window.target
    assert found == fitter.cut(request, values)
    assert (found.note is None) == (found.body == request.body)


@pytest.mark.parametrize(
    ("lengths", "kept", "expected"),
    [([10, 4, 7], 21, 10), ([10, 4, 7], 12, 4), ([10, 4, 7], 18, 7), ([5, 5, 5], 6, 2), ([], 0, 0)],
)
def test_the_longest_are_cut_first(lengths: list[int], kept: int, expected: int) -> None:
    """To a common length; equal texts are cut equally, and none is removed."""
    assert common_length(lengths, kept) == expected
    assert sum(min(length, expected) for length in lengths) <= kept


def test_equal_texts_are_cut_equally() -> None:
    """Three columns of the same length keep the same length."""
    builder, fitter = fitter_of("{{ a }} {{ b }} {{ c }}")
    values = dict.fromkeys("abc", "word " * 4000)
    found = fitter.cut(build(builder, values), values)
    assert isinstance(found, Request)
    words = found.fields["messages"][0]["content"].split()
    assert found.note is not None
    assert len({part.split(" was ")[1] for part in found.note.split("; ")}) == 1
    assert len(words) > 600


def test_columns_outside_the_prompt_are_unchanged() -> None:
    """Also when a template could use any column; the window is used well."""
    builder, fitter = fitter_of('{% set name = "a" %}{{ row[name] }} {{ row["b"] }}')
    assert fitter.text_columns is None
    values = {"a": "word " * 5_000, "b": "short", "unused": "long " * 90_000}
    found = fitter.cut(build(builder, values), values)
    assert isinstance(found, Request)
    assert found.note is not None
    assert "unused" not in found.note
    assert fitter.window.safe_tokens(RULE.of(found.fields)) > 0.9 * fitter.window.target


@pytest.mark.parametrize("words", [1_000, 4_000, 40_000])
def test_a_long_template_leaves_little_space_and_no_row_fails(words: int) -> None:
    """A row of any length keeps as much text as fits."""
    builder, fitter = fitter_of("word " * 700 + "{{ text }}")
    values = {"text": "word " * words}
    found = fitter.cut(build(builder, values), values)
    assert isinstance(found, Request)
    target = fitter.window.target
    assert 0.9 * target < fitter.window.safe_tokens(RULE.of(found.fields)) <= target


def test_the_limit_of_the_job_is_enforced() -> None:
    """The server does not refuse a prompt above it, and would bill it."""
    builder, fitter = fitter_of()
    request = build(builder, {"title": "a", "text": "word " * 1_100})
    assert fitter.check(request) == request
    facts = TABLE.facts("claude-haiku-5-5")
    assert facts is not None
    job_limit = replace(fitter, window=ContextWindow.of(facts, 100, WINDOW))
    assert isinstance(job_limit.check(request), Unsendable)
    assert not ContextWindow.of(facts, 100).is_job_limit


def test_a_request_that_may_fit_does_not_fail_because_of_cutting() -> None:
    """A template above the safe estimate is sent, as without cutting."""
    builder, fitter = fitter_of("word " * 1_000 + "{{ text }}")
    request = build(builder, {"text": "a"})
    assert fitter.window.safe_tokens(RULE.of(request.fields)) > fitter.window.target
    assert fitter.cut(request, {"text": "a"}) == request


@given(st.text(), st.integers(1, 30))
def test_a_request_that_surely_fits_does_fit(text: str, times: int) -> None:
    """With any characters, so that no estimate is needed."""
    builder, _ = fitter_of("{{ text }}")
    request = builder.build({"text": text * times})
    if isinstance(request, Request):
        window = ContextWindow(400, 300)
        prompt = RULE.of(request.fields)
        if window.surely_fits(request.body):
            assert window.safe_tokens(prompt) <= window.target
            assert not window.cannot_fit(prompt)
