"""The simulator's bill, by its own count and prices, is within the bound of the request."""

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tables import TABLE

from batcher.core.cache.marks import Level, markable, marked, with_ttl
from batcher.core.money.bound import worst_case
from batcher.core.request.canonical import canonical_json
from batcher.simulator.billing.model_table import models
from batcher.simulator.billing.prompt_cache import PromptCache
from batcher.simulator.billing.prompt_tokens import prompt_tokens, segments
from batcher.simulator.billing.usage import Usage, price

LIVE = sorted({model.id for model in models().values() if model.is_live})
LOOKUP_TOOL = {"name": "look", "description": "Looks it up.", "input_schema": {"type": "object"}}
FORMAT = {
    "type": "json_schema",
    "schema": {
        "type": "object",
        "properties": {"a": {"enum": ["x", "y"]}},
        "required": ["a"],
        "additionalProperties": False,
    },
}
MARK = {"type": "ephemeral"}

texts = st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=40), st.sampled_from([1, 1, 900])
)
texts_blocks = st.builds(lambda text: {"type": "text", "text": text}, texts)


def picture(width: int, height: int) -> dict[str, Any]:
    """Return an image block whose header states these dimensions in pixels."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", width, height)
    data = base64.b64encode(head).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


def document(pages: int) -> dict[str, Any]:
    """Return a PDF block with this number of pages."""
    data = base64.b64encode(b"%PDF-1.4 " + b"<</Type /Page>> " * pages).decode()
    source = {"type": "base64", "media_type": "application/pdf", "data": data}
    return {"type": "document", "source": source}


blocks = st.one_of(
    texts_blocks,
    st.builds(picture, st.integers(1, 5_000), st.integers(1, 5_000)),
    st.just({"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}),
    st.builds(document, st.integers(1, 40)),
    st.builds(lambda t: {"type": "document", "source": {"type": "text", "data": t}}, texts),
)
pictures = st.lists(st.builds(picture, st.integers(1_500, 5_000), st.just(2_000)), max_size=3)


@st.composite
def requests(draw: Any) -> tuple[str, dict[str, Any]]:
    """Draw a model and a request that the model accepts."""
    name = draw(st.sampled_from(LIVE) | st.just("claude-haiku-5-5"))  # it has long-prompt rates
    model = models()[name]
    # The bound of an image equals its bill: with many images the bound has no slack.
    content: list[Any] = draw(st.lists(blocks, max_size=4)) + draw(pictures) * draw(
        st.sampled_from([0, 1, 30])
    )
    messages = [{"role": "user", "content": [*content, draw(texts_blocks)]}]
    fields: dict[str, Any] = {"model": name, "max_tokens": draw(st.integers(0, 3_000))}
    if draw(st.booleans()):
        fields["system"] = draw(texts | st.lists(texts_blocks, min_size=1, max_size=3))
    if draw(st.booleans()):
        fields["tools"] = [LOOKUP_TOOL] * draw(st.integers(1, 3))
        call = {"type": "tool_use", "id": "t", "name": "look", "input": {"of": draw(texts)}}
        result = {"type": "tool_result", "tool_use_id": "t", "content": [draw(blocks)]}
        messages += [
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ]
        if model.accepts_forced_tool and draw(st.booleans()):
            fields["tool_choice"] = {"type": "any"}
    elif draw(st.booleans()):
        fields["output_config"] = {"format": FORMAT}
    if model.accepts_inference_geo:
        fields |= draw(st.sampled_from([{}, {"inference_geo": "us"}, {"inference_geo": "global"}]))
    if model.fast_rates is not None and draw(st.booleans()):
        fields["speed"] = "fast"
    return name, fields | {"messages": messages}


def own_marks(fields: dict[str, Any], kind: str) -> dict[str, Any]:
    """Add a mark as a user would: at the top level, or at the first block."""
    mark = MARK if kind.endswith("5m") else {**MARK, "ttl": "1h"}
    if kind.startswith("top"):
        return {**fields, "cache_control": mark}
    first, *rest = fields["messages"]
    content = [{**first["content"][0], "cache_control": mark}, *first["content"][1:]]
    return {**fields, "messages": [{**first, "content": content}, *rest]}


def sent_with(fields: dict[str, Any], ttl: Any) -> Any:
    """Return the request as it is sent, with all marks that batcher may add."""
    body = with_ttl(marked(fields, Level(markable(fields))), ttl)
    return json.loads(body)


def billed(cache: PromptCache, fields: dict[str, Any], output: int, region: str) -> Any:
    """Return the simulator's bill and usage for a request; None when the prompt is too long."""
    model = models()[fields["model"]]
    parts = segments(fields, model)
    if prompt_tokens(parts) > model.context_window:
        return None
    plan = cache.plan(parts, [model.id], model.min_cacheable_tokens, 0.0)
    cache.begin(plan, 0.0)
    cache.answered(plan)
    usage = Usage(
        input=plan.uncached,
        output=output,
        write_5m=plan.write_5m,
        write_1h=plan.write_1h,
        read=plan.read,
        inference_geo=fields.get("inference_geo") or region,
        speed=fields.get("speed") or "standard",
    )
    return price(model, usage), usage


MARKS = [None, "added 5m", "added 1h", "top 5m", "top 1h", "block 5m", "block 1h"]


@pytest.mark.parametrize("marks", MARKS)
@settings(max_examples=60, deadline=None)
@given(requests(), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(["global", "us"]))
def test_no_simulated_bill_exceeds_the_bound(
    marks: Any, drawn: Any, share: Any, region: Any
) -> None:
    """For any content, any marks, cache writes and reads, and any length of the answer.

    An empty answer counts up to 3 tokens. A workspace's default region counts, too, although no
    request states it.
    """
    name, fields = drawn
    added = marks[-2:] if marks is not None and marks.startswith("added") else None
    if marks is not None and added is None:
        fields = own_marks(fields, marks)
    bound = worst_case(canonical_json(fields), fields, TABLE.model(name), added)
    sent = fields if added is None else sent_with(fields, added)
    region = region if models()[name].accepts_inference_geo else "global"
    output = max(3, round(share * fields["max_tokens"]))
    cache = PromptCache()
    for _ in range(2):
        bill = billed(cache, sent, output, region)
        if bill is not None:
            usd, usage = bill
            event(f"written {usage.write_5m + usage.write_1h > 0}, read {usage.read > 0}")
            assert usd <= bound.usd
            assert usage.prompt <= bound.prompt_tokens
