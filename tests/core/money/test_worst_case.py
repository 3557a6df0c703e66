"""No attempt costs more than its worst case."""

import base64
import json
import struct
import unicodedata
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import examples
from tables import TABLE

from batcher.core.job import PriceOverride
from batcher.core.money.bound import Bound, UnboundedError, worst_case
from batcher.core.money.cost import cost
from batcher.core.money.usage import Usage


def bytes_of(request: Any, *, ascii_only: Any = False) -> bytes:
    """Write a request as compact JSON."""
    return json.dumps(request, ensure_ascii=ascii_only, separators=(",", ":")).encode()


def bound(request: Any, model: Any = "claude-opus-5-5", **options: Any) -> Decimal:
    """Bound a request for a model of the table."""
    return worst_case(bytes_of(request), request, TABLE.model(model), **options).usd


def ask(text: Any = "hello", **more: Any) -> Any:
    """Make a small request."""
    return {"max_tokens": 100, "messages": [{"role": "user", "content": text}], **more}


@st.composite
def attempts(draw: Any) -> Any:
    """Draw a request and a possible usage: at most one token per byte, in any split."""
    model = draw(st.sampled_from(TABLE.ids()))
    prices = TABLE.model(model)
    text = draw(st.sampled_from([1, 40, 60_000, 101_000, 250_000])) * draw(
        st.sampled_from(["a", "é", "ﷺ", "\x01"])
    )
    is_batch = draw(st.booleans())
    is_fast = not is_batch and prices.fast is not None and draw(st.booleans())
    images = draw(st.integers(0, 3))
    request = ask(text, max_tokens=draw(st.integers(0, 5_000)))
    request["messages"][0]["content"] = [
        {"type": "text", "text": text},
        *[{"type": "image", "source": {"type": "url", "url": "x"}}] * images,
    ]
    if is_fast:
        request["speed"] = "fast"
    geo = draw(st.sampled_from([None, "us", "global"]))
    if geo is not None:
        request["inference_geo"] = geo
    normalised = unicodedata.normalize("NFKC", text)
    most = len(normalised.encode()) + images * (
        4_784 if prices.facts.image_tier == "high" else 1_568
    )
    most = min(most, prices.facts.context_window)
    prompt = draw(st.just(most) | st.integers(0, most))
    cuts = sorted(draw(st.tuples(*[st.sampled_from([0, prompt]) | st.integers(0, prompt)] * 3)))
    usage = Usage(
        input_tokens=cuts[0],
        cache_creation_5m_input_tokens=cuts[1] - cuts[0],
        cache_creation_1h_input_tokens=cuts[2] - cuts[1],
        cache_read_input_tokens=prompt - cuts[2],
        output_tokens=draw(st.integers(0, request["max_tokens"])),
        service_tier="batch" if is_batch else draw(st.sampled_from(["standard", "priority"])),
        inference_geo=geo or draw(st.sampled_from(["us", "global", None])),
        speed="fast" if is_fast else "standard",
    )
    body = bytes_of(request, ascii_only=draw(st.booleans()))
    return body, request, prices, is_batch, usage


@settings(max_examples=examples(40), deadline=None)
@given(attempts())
def test_no_possible_usage_costs_more(attempt: Any) -> None:
    """For any split, tier, region and speed of a response, its cost is within the bound."""
    body, request, prices, is_batch, usage = attempt
    assert cost(usage, prices) <= worst_case(body, request, prices, is_batch=is_batch).usd


@settings(max_examples=examples(40), deadline=None)
@given(attempts(), st.sampled_from([None, "5m", "1h"]))
def test_without_a_mark_nothing_is_written(attempt: Any, marks: Any) -> None:
    """The bound is lower without marks, or with 5-minute marks only, and still holds.

    Without a mark nothing is written to the cache; a 5-minute mark writes at the 5-minute rate.
    """
    body, request, prices, is_batch, usage = attempt
    short, long = usage.cache_creation_5m_input_tokens, usage.cache_creation_1h_input_tokens
    if marks is None:
        usage = replace(
            usage,
            input_tokens=usage.input_tokens + short + long,
            cache_creation_5m_input_tokens=0,
            cache_creation_1h_input_tokens=0,
        )
    elif marks == "5m":
        usage = replace(
            usage, cache_creation_5m_input_tokens=short + long, cache_creation_1h_input_tokens=0
        )
    assert cost(usage, prices) <= worst_case(body, request, prices, marks, is_batch=is_batch).usd


@pytest.mark.parametrize(("ttl", "added"), [(None, "5m"), ("5m", "5m"), ("1h", "1h")])
def test_marks_in_the_request_are_found(ttl: Any, added: Any) -> None:
    """In a block and at the top level, they give the same bound as marks that batcher adds."""
    mark = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
    plain = ask()
    prices = TABLE.model("claude-opus-5-5")
    for marked in (
        ask([{"type": "text", "text": "a", "cache_control": mark}]),
        ask(cache_control=mark),
    ):
        body = bytes_of(marked)
        found = worst_case(body, marked, prices, None)
        assert found == worst_case(body, marked, prices, added)
        assert found.usd > worst_case(bytes_of(plain), plain, prices, None).usd


def test_an_image_counts_by_its_size() -> None:
    """A small image counts its patches; an unreadable one counts its tier's maximum."""
    head = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 56, 28)
    small = base64.b64encode(head).decode()
    prices = TABLE.model("claude-opus-5-5")
    tokens = {}
    for name, data in (("small", small), ("unreadable", "a" * len(small))):
        request = ask([{"type": "image", "source": {"type": "base64", "data": data}}])
        tokens[name] = worst_case(bytes_of(request), request, prices).prompt_tokens
    assert tokens["unreadable"] - tokens["small"] == 4_784 - 2


SHARED = {
    "plain": {},
    "global": {"inference_geo": "global"},
    "tools": {"tools": [{"name": "x", "input_schema": {"type": "object"}}]},
    "web": {"tools": [{"type": "web_search_20260318", "name": "w", "max_uses": 2}]},
}


@pytest.mark.parametrize("more", SHARED.values(), ids=SHARED)
@pytest.mark.parametrize("model", ["claude-opus-5-5", "claude-haiku-5-5"])
@settings(max_examples=examples(25), deadline=None)
@given(
    texts=st.lists(
        st.text(max_size=30) | st.sampled_from(["a" * 99_000, "a" * 102_000, "\u0644" * 200_000]),
        min_size=2,
        max_size=4,
    ),
    system=st.none() | st.text(max_size=9),
)
def test_a_shared_bound_equals_the_bound_of_each_request(
    model: Any, more: Any, texts: Any, system: Any
) -> None:
    """Results computed once, or cached by length, equal those of each request alone."""
    shared = Bound(ask("", **more), TABLE.model(model))
    for text in [*texts, *texts]:
        request = ask(text, **more) | ({} if system is None else {"system": system})
        alone = bound(request, model)
        assert shared.of(bytes_of(request), request).usd == alone


def test_a_shared_bound_counts_the_content_of_each_request() -> None:
    """Images and documents are in the messages, so every request is searched for them."""
    shared = Bound(ask(), TABLE.model("claude-opus-5-5"))
    image = {"type": "image", "source": {"type": "base64", "data": "a" * 4_000}}
    document = {"type": "document", "source": {"type": "base64", "data": "a"}}
    upload = {"type": "container_upload", "file_id": "f"}
    for block in (image, document):
        request = ask([block])
        assert shared.of(bytes_of(request), request).usd == bound(request)
    request = ask([{"type": "tool_result", "content": [upload]}])
    with pytest.raises(UnboundedError):
        shared.of(bytes_of(request), request)


def test_by_hand() -> None:
    """Bytes and hidden tokens at the one-hour rate, max_tokens at the output rate, x 1.1."""
    request = ask()
    prompt, output = len(bytes_of(request)) + 100, 100 + 8
    expected = (prompt * Decimal(8) + output * Decimal(20)) * Decimal("1.1") / 1_000_000
    assert bound(request) == expected
    assert bound(ask(inference_geo="global")) < expected


def test_the_long_rates_apply_above_the_threshold() -> None:
    """A prompt that may exceed 100,000 tokens is bounded at the long rates, with its output."""
    short, long = ask("a" * 90_000), ask("a" * 110_000)
    assert bound(long, "claude-haiku-5-5") > 5 * bound(short, "claude-haiku-5-5")


MORE_EXPENSIVE = {
    "fast": {"speed": "fast"},
    "tools": {"tools": [{"name": "x", "input_schema": {"type": "object"}}]},
    "format": {"output_config": {"format": {"type": "json_schema", "schema": {}}}},
    "old format": {"output_format": {"type": "json_schema", "schema": {}}},
    "more output": {"max_tokens": 101},
    "tool call": {"messages": [{"content": [{"type": "tool_use", "input": {"a": [1, 2]}}]}]},
    "web search": {"tools": [{"type": "web_search_20260318", "name": "w", "max_uses": 2}]},
}


@pytest.mark.parametrize("more", MORE_EXPENSIVE.values(), ids=MORE_EXPENSIVE)
def test_every_surcharge_raises_the_bound(more: Any) -> None:
    """Each surcharge raises the bound by more than the bytes of its parameter."""
    padding = "p" * (len(bytes_of(ask(**more))) - len(bytes_of(ask())))
    assert bound(ask(**more)) > bound(ask("hello" + padding))


def test_batches_are_bounded_at_half() -> None:
    """A batch is never billed at live rates."""
    assert bound(ask(), is_batch=True) * 2 == bound(ask())


def test_characters_count_by_their_longest_normal_form() -> None:
    """A ligature of 3 bytes may become 33 bytes, also when it is escaped."""
    request, prices = ask("\ufdfa" * 1_000), TABLE.model("claude-opus-5-5")
    minimum = 33_000 * Decimal(8) * Decimal("1.1") / 1_000_000
    for ascii_only in (True, False):
        assert worst_case(bytes_of(request, ascii_only=ascii_only), request, prices).usd > minimum


def test_an_image_counts_its_maximum_not_its_bytes() -> None:
    """A small file may hold many pixels, and a large one never counts more than the maximum."""

    def with_image(data: Any) -> Any:
        source = {"type": "base64", "media_type": "image/png", "data": data}
        return ask([{"type": "image", "source": source}])

    small, large = with_image("A" * 10), with_image("A" * 500_000)
    assert bound(small) == bound(large)
    assert bound(small) > 4_784 * Decimal(8) / 1_000_000
    nested = ask([{"type": "tool_result", "content": with_image("A")["messages"][0]["content"]}])
    assert bound(nested) > bound(small)


def test_a_pdf_counts_the_whole_context() -> None:
    """Nothing in a PDF's bytes bounds its tokens; the context window does."""
    pdf = ask([{"type": "document", "source": {"type": "base64", "data": "A"}}])
    text = ask([{"type": "document", "source": {"type": "text", "data": "A"}}])
    assert bound(pdf) > 1_000_000 * Decimal(8) / 1_000_000
    assert bound(text) < Decimal("0.1")


def test_no_prompt_counts_more_than_the_context() -> None:
    """A body of more bytes than the window has tokens is bounded by the window."""
    assert bound(ask("a" * 300_000), "claude-haiku-4-5") == bound(
        ask("a" * 900_000), "claude-haiku-4-5"
    )


def test_the_bound_includes_searches() -> None:
    """Each allowed search may cost its fee; fetches have no fee."""

    def with_tool(kind: Any) -> Any:
        return ask(tools=[{"type": kind, "name": "w", "max_uses": 4}])

    assert bound(with_tool("web_search_1")) - bound(with_tool("web_fetch_12")) == Decimal("0.04")
    assert bound(with_tool("web_search_1")) > 5 * 8


UNBOUNDED = {
    "search without max_uses": {"tools": [{"type": "web_search_20260318", "name": "w"}]},
    "code execution": {"tools": [{"type": "code_execution_20260521", "name": "c"}]},
    "an unknown tool": {"tools": [{"type": "psychic_20270101", "name": "c", "max_uses": 1}]},
    "tools are strings": {"tools": ["x"]},
    "fallbacks": {"fallbacks": [{"model": "claude-opus-5"}]},
    "context management": {"context_management": {"edits": []}},
    "remote servers": {"mcp_servers": [{}]},
    "container": {"container": "c_1"},
    "no max_tokens": {"max_tokens": None},
    "max_tokens is true": {"max_tokens": True},
    "an upload": {"messages": [{"role": "user", "content": [{"type": "container_upload"}]}]},
}


@pytest.mark.parametrize("more", UNBOUNDED.values(), ids=UNBOUNDED)
def test_an_unbounded_cost_is_an_error(more: Any) -> None:
    """A request without an upper bound is refused and names the parameter."""
    with pytest.raises(UnboundedError) as caught:
        bound(ask(**more))
    assert caught.value.key in more


def test_a_model_of_the_job_file_is_bounded_by_bytes() -> None:
    """With the larger image maximum; PDFs and fast mode are unbounded."""
    own = PriceOverride(input=Decimal(4), output=Decimal(20))
    prices = TABLE.with_overrides({"mine": own}).model("mine")
    request = ask()
    assert worst_case(bytes_of(request), request, prices).usd == bound(request)
    pdf = ask([{"type": "document", "source": {"type": "url", "url": "x"}}])
    for unbounded in (pdf, ask(speed="fast")):
        with pytest.raises(UnboundedError):
            worst_case(bytes_of(unbounded), unbounded, prices)


@pytest.mark.parametrize("own", [None, "5m", "1h"])
@pytest.mark.parametrize("marks", [None, "5m", "1h"])
def test_a_longer_prompt_costs_no_less(own: Any, marks: Any) -> None:
    """A growing prompt is bounded at the same rates, up to the context window."""
    mark = {"cache_control": {"type": "ephemeral"} | ({} if own is None else {"ttl": own})}
    block = {"type": "text", "text": "word " * 2_000} | ({} if own is None else mark)
    fields = ask(system=[block])
    bound = Bound(fields, TABLE.model("claude-haiku-4-5-20251001"))
    worst = [bound.of(bytes_of(fields), fields, marks)]
    for _ in range(300):
        worst.append(bound.with_more_tokens(worst[-1], 1_500))
    usd = [bounded.usd for bounded in worst]
    assert usd == sorted(usd)
    assert {bounded.ttl for bounded in worst} == {worst[0].ttl}
    assert worst[1].usd - worst[0].usd == bound.with_more_tokens(worst[1], 1_500).usd - worst[1].usd
    assert usd[-1] == usd[-2], "no prompt is longer than the context window"
