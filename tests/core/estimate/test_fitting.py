"""A prompt that cannot fit is no request, or is cut until it does; what may fit is sent."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.estimate.fitting import Fitting
from batcher.core.estimate.prompt import PromptRule
from batcher.core.estimate.room import Room, cut_texts
from batcher.core.job import Job
from batcher.core.request.build import Request, RequestBuilder, Unsendable
from batcher.core.template.template import Template

WINDOW = 2_000
RULE = PromptRule("claude-haiku-5-5", None)
PROMPT = "About {{ title }}:\n{{ text }}\nWhich topic?"


def fitting(prompt: str = PROMPT, max_tokens: int = 100) -> tuple[RequestBuilder, Fitting]:
    """How requests are made and fitted into a small context."""
    job = Job.model_validate(
        {
            "input": {"path": "x"},
            "request": {"model": "m", "max_tokens": max_tokens, "prompt": prompt},
        }
    )
    builder = RequestBuilder(job, system=None, prompt=Template(prompt, "p"))
    room = Room(WINDOW, WINDOW - max_tokens)
    return builder, Fitting(room, RULE, builder.build, builder.texts)


def made(builder: RequestBuilder, values: dict[str, Any]) -> Request:
    """A row's request as it is."""
    request = builder.build(values)
    assert isinstance(request, Request)
    return request


def test_what_fits_is_left_alone() -> None:
    """It is the same request, without a note."""
    builder, fit = fitting()
    request = made(builder, {"title": "a", "text": "word " * 100})
    assert fit.checked(request) == request
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
    refused = fit.checked(request)
    assert isinstance(refused, Unsendable)
    assert refused.error_type == "client.too_long"
    assert "the model's context holds 2,000" in refused.reason
    builder, fit = fitting("word " * 9_000 + "{{ text }}")
    assert isinstance(fit.cut(made(builder, {"text": "a"}), {"text": "a"}), Unsendable)


def test_what_may_fit_is_sent() -> None:
    """The estimate is not sure enough to keep a row back."""
    builder, fit = fitting()
    request = made(builder, {"title": "a", "text": "word " * 1_100})
    prompt = RULE.of(request.fields)
    assert prompt.total > WINDOW
    assert fit.room.may_not_hold(prompt)
    assert fit.checked(request) == request


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
    assert fit.room.excess(RULE.of(found.fields)) == 0
    assert found == fit.cut(request, values)
    assert (found.note is None) == (found.body == request.body)


@pytest.mark.parametrize("characters", [0, 3, 7, 10, 99])
def test_characters_go_from_the_longest_first(characters: int) -> None:
    """As many as were asked for, as far as there are any; what is no text stays."""
    values = {"a": "aaaaaaa", "b": "bbb", "n": 5, "c": "untouched"}
    cut = cut_texts(values, ["a", "b", "n"], characters)
    assert (cut["n"], cut["c"]) == (5, "untouched")
    assert len(str(cut["a"])) + len(str(cut["b"])) == max(0, 10 - characters)
    if characters < 7:
        assert cut["b"] == "bbb"
