"""A prompt that cannot fit is no request, or is cut until it does; what may fit is sent."""

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


def fitting(prompt: str = PROMPT, max_tokens: int = 100) -> tuple[RequestBuilder, PromptFitter]:
    """How requests are made and fitted into a small context."""
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


def made(builder: RequestBuilder, values: dict[str, Any]) -> Request:
    """A row's request as it is."""
    request = builder.build(values)
    assert isinstance(request, Request)
    return request


def test_what_fits_is_left_alone() -> None:
    """It is the same request, without a note."""
    builder, fit = fitting()
    request = made(builder, {"title": "a", "text": "word " * 100})
    assert fit.check(request) == request
    assert fit.cut(request, {"title": "a", "text": "word " * 100}) == request


def test_the_longest_text_is_cut_and_the_question_stays() -> None:
    """What the prompt says itself is never cut; the note says how much is left."""
    builder, fit = fitting()
    values = {"title": "a title", "text": "word " * 5_000, "unused": "long " * 9_000}
    found = fit.cut(made(builder, values), values)
    assert isinstance(found, Request)
    text = found.fields["messages"][0]["content"]
    assert text.startswith("About a title:\nword word")
    assert text.endswith("Which topic?")
    assert found.note is not None
    assert found.note.startswith("the column 'text' was cut to ")
    assert "of 25,000 characters" in found.note
    assert 1_000 < RULE.of(found.fields).total < WINDOW


def test_it_is_refused_when_told_to_or_when_nothing_can_be_cut() -> None:
    """With about how long it is."""
    builder, fit = fitting()
    request = made(builder, {"title": "a", "text": "word " * 9_000})
    refused = fit.check(request)
    assert isinstance(refused, Unsendable)
    assert refused.error_type == "client.too_long"
    assert "the limit is 2,000" in refused.reason
    builder, fit = fitting("word " * 9_000 + "{{ text }}")
    assert isinstance(fit.cut(made(builder, {"text": "a"}), {"text": "a"}), Unsendable)


def test_what_may_fit_is_sent() -> None:
    """The estimate is not sure enough to keep a row back."""
    builder, fit = fitting()
    request = made(builder, {"title": "a", "text": "word " * 1_100})
    prompt = RULE.of(request.fields)
    assert prompt.total > WINDOW
    assert fit.window.may_not_fit(prompt)
    assert fit.check(request) == request


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["title", "text"]), st.text(max_size=40), min_size=2),
    st.integers(0, 400),
    st.integers(0, 400),
)
def test_whatever_is_cut_fits_and_is_made_of_beginnings(
    words: dict[str, str], first: int, second: int
) -> None:
    """On the safe side of the estimate, the same each time, in any script."""
    builder, fit = fitting()
    values = {"title": words["title"] * first, "text": words["text"] * second}
    request = builder.build(values)
    if isinstance(request, Unsendable):
        return
    found = fit.cut(request, values)
    assert isinstance(found, Request)
    assert fit.window.safe_tokens(RULE.of(found.fields)) <= fit.window.target
    assert found == fit.cut(request, values)
    assert (found.note is None) == (found.body == request.body)


@pytest.mark.parametrize(
    ("lengths", "kept", "expected"),
    [([10, 4, 7], 21, 10), ([10, 4, 7], 12, 4), ([10, 4, 7], 18, 7), ([5, 5, 5], 6, 2), ([], 0, 0)],
)
def test_the_longest_are_cut_first(lengths: list[int], kept: int, expected: int) -> None:
    """To a common length; of equal ones none is spared, and none is deleted."""
    assert common_length(lengths, kept) == expected
    assert sum(min(length, expected) for length in lengths) <= kept


def test_equal_texts_are_cut_alike() -> None:
    """Three columns of the same length lose the same."""
    builder, fit = fitting("{{ a }} {{ b }} {{ c }}")
    values = dict.fromkeys("abc", "word " * 4000)
    found = fit.cut(made(builder, values), values)
    assert isinstance(found, Request)
    words = found.fields["messages"][0]["content"].split()
    assert found.note is not None
    assert len({part.split(" was ")[1] for part in found.note.split("; ")}) == 1
    assert len(words) > 600


def test_columns_that_are_not_asked_about_are_left_alone() -> None:
    """Also when a template could reach every column; the room is used."""
    builder, fit = fitting('{{ row["a"] }} {{ row["b"] }}')
    assert fit.text_columns is None
    values = {"a": "word " * 5_000, "b": "short", "unused": "long " * 90_000}
    found = fit.cut(made(builder, values), values)
    assert isinstance(found, Request)
    assert found.note is not None
    assert "unused" not in found.note
    assert fit.window.safe_tokens(RULE.of(found.fields)) > 0.9 * fit.window.target


@pytest.mark.parametrize("words", [1_000, 4_000, 40_000])
def test_a_long_template_leaves_little_and_no_row_fails_for_it(words: int) -> None:
    """However long the row is, as much is kept as there is room for."""
    builder, fit = fitting("word " * 700 + "{{ text }}")
    values = {"text": "word " * words}
    found = fit.cut(made(builder, values), values)
    assert isinstance(found, Request)
    assert (
        0.9 * fit.window.target < fit.window.safe_tokens(RULE.of(found.fields)) <= fit.window.target
    )


def test_a_line_that_the_job_draws_is_kept() -> None:
    """No server refuses what is over it: it would be paid for."""
    builder, fit = fitting()
    request = made(builder, {"title": "a", "text": "word " * 1_100})
    assert fit.check(request) == request
    facts = TABLE.facts("claude-haiku-5-5")
    assert facts is not None
    own = replace(fit, window=ContextWindow.of(facts, 100, WINDOW))
    assert isinstance(own.check(request), Unsendable)
    assert not ContextWindow.of(facts, 100).is_job_limit


def test_what_may_fit_is_not_failed_for_being_cut() -> None:
    """A template that is over the safe side by itself is sent, as without cutting."""
    builder, fit = fitting("word " * 1_000 + "{{ text }}")
    request = made(builder, {"text": "a"})
    assert fit.window.safe_tokens(RULE.of(request.fields)) > fit.window.target
    assert fit.cut(request, {"text": "a"}) == request


@given(st.text(), st.integers(1, 30))
def test_what_surely_fits_fits(text: str, times: int) -> None:
    """Whatever its characters: nobody has to estimate it."""
    builder, _ = fitting("{{ text }}")
    request = builder.build({"text": text * times})
    if isinstance(request, Request):
        window = ContextWindow(400, 300)
        prompt = RULE.of(request.fields)
        if window.surely_fits(request.body):
            assert window.safe_tokens(prompt) <= window.target
            assert not window.cannot_fit(prompt)
