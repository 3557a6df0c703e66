"""The estimated prompt of a request has all its parts, and is near what the simulator counts."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.cache.marks import Level
from batcher.core.estimate.prompt import PromptRule, pdf_pages
from batcher.simulator.billing.catalogue import models
from batcher.simulator.billing.prompt import prompt_tokens, segments

MODEL = "claude-haiku-5-5"
TOOL = {"name": "look", "description": "Looks it up.", "input_schema": {"type": "object"}}
SCHEMA = {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {}}}}
TEXTS = st.text(st.characters(codec="ascii", categories=["L", "Zs"]), min_size=1, max_size=400)


def rule() -> PromptRule:
    """The rule for a model of the new tokenizer."""
    return PromptRule(MODEL, None)


def body(**fields: Any) -> dict[str, Any]:
    """A request's fields."""
    return {"messages": [{"role": "user", "content": "Which one is it?"}], **fields}


@given(TEXTS, TEXTS, st.booleans(), st.booleans())
def test_plain_requests_are_estimated_as_simulated(
    system: str, text: str, has_tools: bool, has_format: bool
) -> None:
    """English letters: within a tenth and a few tokens of the simulator's own count."""
    fields = body(system=system, messages=[{"role": "user", "content": text}])
    if has_tools:
        fields["tools"] = [TOOL]
    if has_format:
        fields["output_config"] = {"format": SCHEMA}
    model = models()[MODEL]
    assert rule().of(fields).total == pytest.approx(
        prompt_tokens(segments(fields, model)), rel=0.15, abs=25
    )


@pytest.mark.parametrize(
    "more",
    [
        {"system": "Be short."},
        {"tools": [TOOL]},
        {"output_config": {"format": SCHEMA}},
        {"messages": [*body()["messages"], {"role": "assistant", "content": "It is"}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "text", "text": "Which one is it? This?"}]}
            ]
        },
    ],
)
def test_every_part_counts(more: dict[str, Any]) -> None:
    """A request with something more in it has more tokens."""
    assert rule().of(body(**more)).total > rule().of(body()).total


def test_a_prefix_is_what_rows_share() -> None:
    """The system level has no message, the longer one all blocks but the last."""
    document = {"type": "text", "text": "A long document. " * 50}
    fields = body(
        system="Answer the question.",
        messages=[{"role": "user", "content": [document, {"type": "text", "text": "Why?"}]}],
    )
    system = rule().of_prefix(fields, Level.SYSTEM).total
    longer = rule().of_prefix(fields, Level.MESSAGES).total
    assert 0 < system < longer < rule().of(fields).total


def test_pages_of_a_pdf_are_counted() -> None:
    """By the marks of pages, not of the list of pages; at least one."""
    raw = b"%PDF-1.4 /Type /Pages /Kids [] /Type /Page /Type/Page /Type /PageLabel"

    source = {"type": "base64", "data": base64.b64encode(raw).decode()}
    assert pdf_pages(source) == 2
    assert pdf_pages({"type": "url"}) == 1
    block = {"type": "document", "source": source}
    fields = body(messages=[{"role": "user", "content": [block]}])
    assert rule().of(fields).counted > 2 * 2_250
