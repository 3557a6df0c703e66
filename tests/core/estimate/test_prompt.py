"""The estimated prompt of a request has all its parts, and is near what the simulator counts."""

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
        {"messages": [*body()["messages"], {"role": "assistant", "content": [THOUGHT]}]},
        {"messages": [{"role": "user", "content": [{**NOTE, "title": "A long title"}]}]},
        {"messages": [{"role": "user", "content": [{**NOTE, "context": "Of last year"}]}]},
    ],
)
def test_every_part_counts(more: dict[str, Any]) -> None:
    """A request with something more in it has more tokens."""
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
    """Of every live model, and another one when a tool must be used."""
    fields = body(tools=[TOOL], tool_choice={"type": choice})
    of = PromptRule(name, None).of
    assert of(fields).exact - of(body()).exact == tokens


def test_built_in_tools_have_definitions_of_their_own() -> None:
    """A bash tool and an editor count the documented tokens besides what is sent of them."""
    bare = rule().of(body(tools=[{"type": "x_20250124", "name": "bash"}]))
    for kind, tokens in (("bash_20250124", 325), ("text_editor_20250728", 974)):
        more = rule().of(body(tools=[{"type": kind, "name": "bash"}]))
        assert more.exact - bare.exact == tokens


def test_images_are_as_the_simulator_counts_them() -> None:
    """To the token at any depth, and with no doubt; one behind an address is in doubt."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 3_000, 1_234)
    source = {"type": "base64", "data": base64.b64encode(head).decode()}
    image = {"type": "image", "source": source}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
    fields = body(messages=[{"role": "user", "content": [image, result]}])
    assert rule().of(fields).total == prompt_tokens(segments(fields, models()[MODEL]))
    assert rule().of(fields).sigma == 0
    unseen = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
    assert rule().of(body(messages=[{"role": "user", "content": [unseen]}])).sigma > 0


def test_the_signature_of_a_thought_counts_nothing() -> None:
    """A thought has the tokens of its text."""
    said = {"type": "text", "text": THOUGHT["thinking"]}
    one, other = (
        rule().of(body(messages=[{"role": "assistant", "content": [block]}]))
        for block in (THOUGHT, said)
    )
    assert one == other


def test_marks_for_the_cache_count_nothing() -> None:
    """A request has the same tokens with marks and without."""
    tool = {**TOOL, "cache_control": {"type": "ephemeral"}}
    assert rule().of(body(tools=[tool])) == rule().of(body(tools=[TOOL]))


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
    estimated = rule().of(fields)
    assert estimated.text.ascii == 2 * 2_250
    assert estimated.text.other > 2 * 1_500, "the picture of a page, of a size that nobody knows"


def test_pages_in_object_streams_are_counted() -> None:
    """As most programs write them; a stream that is broken or packed otherwise shows none."""
    packed = zlib.compress(b"<</Type/Page /Parent 1 0 R>> <</Type /Page>> <</Type /Pages>>")
    streams = [
        b"<</Type /ObjStm /N 3>> stream\r\n" + some + b"\nendstream "
        for some in (packed, b"not packed", packed)
    ]
    raw = b"%PDF-1.5 <</Type/Page>> " + b"".join(streams) + b"<</Type /ObjStm>> stream"
    assert pdf_pages({"type": "base64", "data": base64.b64encode(raw).decode()}) == 5
