"""The estimated prompt includes all parts, and is close to the simulator's count."""

import base64
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.cache.marks import Level
from batcher.core.estimate.prompt import PromptRule, pdf_pages
from batcher.simulator.billing.model_table import models
from batcher.simulator.billing.prompt_tokens import prompt_tokens, segments

MODEL = "claude-haiku-5-5"
TOOL = {"name": "look", "description": "Looks it up.", "input_schema": {"type": "object"}}
SCHEMA = {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {}}}}
THOUGHT = {"type": "thinking", "thinking": "It may be", "signature": "c2lnbmVk"}
NOTE = {"type": "document", "source": {"type": "text", "data": "Which one is it?"}}
TEXTS = st.text(st.characters(codec="ascii", categories=["L", "Zs"]), min_size=1, max_size=400)


def rule() -> PromptRule:
    """Return the rule of a model with the new tokenizer."""
    return PromptRule(MODEL, None)


def body(**fields: Any) -> dict[str, Any]:
    """Return the fields of a request."""
    return {"messages": [{"role": "user", "content": "Which one is it?"}], **fields}


@given(TEXTS, TEXTS, st.booleans(), st.booleans())
def test_plain_requests_are_estimated_as_simulated(
    system: str, text: str, has_tools: bool, has_format: bool
) -> None:
    """For English letters, within 15 % or 25 tokens of the simulator's own count."""
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
        {"messages": [*body()["messages"], {"role": "assistant", "content": [THOUGHT]}]},
        {"messages": [{"role": "user", "content": [{**NOTE, "title": "A long title"}]}]},
        {"messages": [{"role": "user", "content": [{**NOTE, "context": "Of last year"}]}]},
    ],
)
def test_every_part_counts(more: dict[str, Any]) -> None:
    """A request with an additional part has more tokens."""
    assert rule().of(body(**more)).total > rule().of(body()).total


TOOL_PROMPTS = [
    (model.id, choice, tokens)
    for model in {model.id: model for model in models().values() if model.is_live}.values()
    for choice, tokens in (
        ("auto", model.tool_prompt_tokens),
        ("any", model.forced_tool_prompt_tokens),
    )
    if tokens is not None
]


@pytest.mark.parametrize(("name", "choice", "tokens"), TOOL_PROMPTS)
def test_the_hidden_tool_prompt_is_the_documented_one(name: str, choice: str, tokens: int) -> None:
    """For every live model, with an optional and a required tool."""
    fields = body(tools=[TOOL], tool_choice={"type": choice})
    of = PromptRule(name, None).of
    assert of(fields).exact - of(body()).exact == tokens


def test_built_in_tools_count_their_definitions() -> None:
    """The bash tool and the text editor add the documented tokens to those of the request."""
    bare = rule().of(body(tools=[{"type": "x_20250124", "name": "bash"}]))
    for kind, tokens in (("bash_20250124", 325), ("text_editor_20250728", 974)):
        more = rule().of(body(tools=[{"type": kind, "name": "bash"}]))
        assert more.exact - bare.exact == tokens


def test_images_count_as_in_the_simulator() -> None:
    """Exact at any depth; only an image behind a URL is uncertain."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 3_000, 1_234)
    source = {"type": "base64", "data": base64.b64encode(head).decode()}
    image = {"type": "image", "source": source}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
    fields = body(messages=[{"role": "user", "content": [image, result]}])
    assert rule().of(fields).total == prompt_tokens(segments(fields, models()[MODEL]))
    assert rule().of(fields).sigma == 0
    by_url = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
    assert rule().of(body(messages=[{"role": "user", "content": [by_url]}])).sigma > 0


def test_the_signature_of_a_thinking_block_counts_nothing() -> None:
    """A thinking block has the tokens of its text."""
    text_block = {"type": "text", "text": THOUGHT["thinking"]}
    of_thought, of_text = (
        rule().of(body(messages=[{"role": "assistant", "content": [block]}]))
        for block in (THOUGHT, text_block)
    )
    assert of_thought == of_text


def test_cache_marks_count_nothing() -> None:
    """A request has the same tokens with and without marks."""
    tool = {**TOOL, "cache_control": {"type": "ephemeral"}}
    assert rule().of(body(tools=[tool])) == rule().of(body(tools=[TOOL]))


def test_a_prefix_has_only_the_shared_part() -> None:
    """The system level has no messages; the messages level has all blocks except the last."""
    document = {"type": "text", "text": "A long document. " * 50}
    fields = body(
        system="Answer the question.",
        messages=[{"role": "user", "content": [document, {"type": "text", "text": "Why?"}]}],
    )
    system = rule().of_prefix(fields, Level.SYSTEM).total
    longer = rule().of_prefix(fields, Level.MESSAGES).total
    assert 0 < system < longer < rule().of(fields).total


def test_pages_of_a_pdf_are_counted() -> None:
    """Page objects count, page lists and labels do not; the minimum is one."""
    raw = b"%PDF-1.4 /Type /Pages /Kids [] /Type /Page /Type/Page /Type /PageLabel"

    source = {"type": "base64", "data": base64.b64encode(raw).decode()}
    assert pdf_pages(source) == 2
    assert pdf_pages({"type": "url"}) == 1
    block = {"type": "document", "source": source}
    fields = body(messages=[{"role": "user", "content": [block]}])
    estimated = rule().of(fields)
    assert estimated.text.ascii == 2 * 2_250
    assert estimated.text.other > 2 * 1_500, "the image of a page, of unknown size"


def test_pages_in_object_streams_are_counted() -> None:
    """As most programs write them; a broken or uncompressed stream has none."""
    packed = zlib.compress(b"<</Type/Page /Parent 1 0 R>> <</Type /Page>> <</Type /Pages>>")
    streams = [
        b"<</Type /ObjStm /N 3>> stream\r\n" + content + b"\nendstream "
        for content in (packed, b"not packed", packed)
    ]
    raw = b"%PDF-1.5 <</Type/Page>> " + b"".join(streams) + b"<</Type /ObjStm>> stream"
    assert pdf_pages({"type": "base64", "data": base64.b64encode(raw).decode()}) == 5
