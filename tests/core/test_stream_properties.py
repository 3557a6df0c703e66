"""Any message that is streamed folds to itself, and no bytes make the fold raise."""

import copy
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.answers.outcome import classify
from batcher.core.answers.response import Response
from batcher.core.answers.stream import MessageFold

Draw = Callable[..., Any]
Event = tuple[str, dict[str, Any]]

TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
COUNT = st.integers(0, 10**7)
SPLIT = {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 4}
BLOCKS = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, TEXT),
    st.builds(
        lambda text, citations: {"type": "text", "text": text, "citations": citations},
        TEXT,
        st.lists(st.dictionaries(TEXT, JSON, max_size=2), min_size=1, max_size=3),
    ),
    st.builds(
        lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, TEXT, TEXT
    ),
    st.builds(
        lambda value: {"type": "tool_use", "id": "t", "name": "n", "input": value},
        st.dictionaries(TEXT, JSON, max_size=3),
    ),
    st.builds(lambda value: {"type": "redacted_thinking", "data": value}, TEXT),
    st.builds(lambda value: {"type": "from_the_future", "what": value}, JSON),
)
MESSAGES = st.builds(
    lambda content, counts, details, tier: {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": details,
        "usage": {
            "input_tokens": counts[0],
            "cache_creation_input_tokens": 7,
            "cache_read_input_tokens": counts[1],
            "output_tokens": counts[2],
            "output_tokens_details": {"thinking_tokens": counts[3]},
            "cache_creation": SPLIT,
            "server_tool_use": None,
            "service_tier": tier,
            "inference_geo": "us",
            "speed": "fast",
        },
    },
    st.lists(BLOCKS, max_size=4),
    st.tuples(COUNT, COUNT, COUNT, COUNT),
    st.none() | st.just({"type": "refusal", "category": "bio"}),
    st.sampled_from(["standard", "priority"]),
)


def event(kind: str, **fields: Any) -> Event:
    """Return one event: its name and its payload."""
    return kind, {"type": kind, **fields}


def pieces(draw: Draw, text: Any) -> list[Any]:
    """Cut a text into random pieces."""
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    return [text[a:b] for a, b in pairwise([0, *cuts, len(text)])]


def events_of_block(draw: Draw, index: int, block: dict[str, Any]) -> Iterator[Event]:
    """Stream one block as the API does."""
    deltas = []
    start = copy.deepcopy(block)
    if block["type"] == "tool_use":
        start["input"] = {}
        if block["input"]:
            parts = pieces(draw, json.dumps(block["input"]))
            deltas = [{"type": "input_json_delta", "partial_json": part} for part in parts]
    elif block["type"] in {"text", "thinking"}:
        kind = block["type"]
        start[kind] = ""
        deltas = [{"type": f"{kind}_delta", kind: part} for part in pieces(draw, block[kind])]
    if "signature" in block:
        start["signature"] = ""
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
    if "citations" in block:
        start["citations"] = None
        deltas += [{"type": "citations_delta", "citation": cited} for cited in block["citations"]]
    yield event("content_block_start", index=index, content_block=start)
    for delta in deltas:
        yield event("content_block_delta", index=index, delta=delta)
    yield event("content_block_delta", index=index, delta={"type": "from_the_future", "x": 1})
    yield event("content_block_stop", index=index)


def events_of(draw: Draw, message: dict[str, Any]) -> Iterator[Event]:
    """Stream a message as the API does: provisional usage first, totals last."""
    start = copy.deepcopy(message) | {"content": [], "stop_reason": None, "stop_details": None}
    start["usage"] |= {"output_tokens": 1, "output_tokens_details": None}
    yield event("message_start", message=start)
    for index, block in enumerate(message["content"]):
        yield from events_of_block(draw, index, block)
        yield event("ping")
    usage = message["usage"]
    yield event("message_delta", delta={}, usage={"output_tokens": usage["output_tokens"] // 2})
    yield event("event_from_the_future", data=[])
    delta = {key: message[key] for key in ("stop_reason", "stop_sequence", "stop_details")}
    totals = {key: usage[key] for key in ("output_tokens", "output_tokens_details")}
    yield event("message_delta", delta=delta, usage=totals | {"cache_read_input_tokens": None})
    yield event("message_stop")


def bytes_of(draw: Draw, events: Any) -> bytes:
    """Write the events as bytes, with any line ending the standard allows and with comments."""
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    space = draw(st.sampled_from(["", " "]))
    text = draw(st.sampled_from(["", "\ufeff", ": hello" + newline]))
    for kind, payload in events:
        data = json.dumps(
            payload, ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))
        )
        lines = [f"event:{space}{kind}", *(f"data:{space}{line}" for line in data.split("\n"))]
        text += newline.join([*lines, ": comment", "id: 1", "retry", "", ""])
    if draw(st.booleans()):
        text = text.rstrip("\r\n")
    return text.encode()


def fold_of(*chunks: bytes) -> MessageFold:
    """Feed chunks to a fold and end it."""
    fold = MessageFold()
    for chunk in chunks:
        fold.feed(chunk)
    fold.end()
    return fold


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_streamed_message_folds_to_itself(data: st.DataObject) -> None:
    """This holds for any events and any chunks of bytes."""
    message = data.draw(MESSAGES)
    stream = bytes_of(data.draw, events_of(data.draw, message))
    chunks = pieces(data.draw, stream)
    if data.draw(st.booleans()):
        chunks = [stream[i : i + 1] for i in range(len(stream))]
    fold = fold_of(*chunks)
    assert fold.fault is None
    assert json.loads(fold.message_json()) == message


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_stream_that_was_cut_is_never_complete(data: st.DataObject) -> None:
    """Only the last event completes a message, at whatever byte the stream ends."""
    stream = bytes_of(data.draw, events_of(data.draw, data.draw(MESSAGES)))
    end = stream.rindex(b"}")  # of message_stop
    fold = fold_of(*pieces(data.draw, stream[: data.draw(st.integers(0, end))]))
    assert not fold.is_complete
    assert fold.error is None


ODD_MESSAGES = st.fixed_dictionaries(
    {"type": st.just("message"), "content": st.lists(BLOCKS, max_size=3)},
    optional={
        "id": st.none() | st.just("msg_1") | st.just(5),
        "model": st.none() | st.just("m") | st.just([]),
        "stop_reason": st.sampled_from([None, "end_turn", "max_tokens", "refusal", "new", 5]),
        "stop_details": st.none() | st.just({"category": "bio"}) | st.just("odd"),
        "usage": st.sampled_from(
            [None, [], {"input_tokens": 5, "output_tokens": 7}, {"output_tokens": 0}]
        ),
    },
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_a_stream_is_judged_like_the_same_message_without_streaming(data: st.DataObject) -> None:
    """The outcome is the same for any message, also an odd one: status, billing, text and usage."""
    message = data.draw(ODD_MESSAGES)
    start = {key: message[key] for key in ("type", "id", "model") if key in message}
    end = {key: message[key] for key in ("stop_reason", "stop_details") if key in message}
    usage = {"usage": message["usage"]} if "usage" in message else {}
    events = [event("message_start", message={**start, "content": []})]
    for index, block in enumerate(message["content"]):
        events += events_of_block(data.draw, index, block)
    events += [event("message_delta", delta=end, **usage), event("message_stop")]
    fold = fold_of(bytes_of(data.draw, events))
    assert fold.fault is None
    streamed = classify(Response(200, {}, fold.message_json(), 1.0))
    whole = classify(Response(200, {}, json.dumps(message).encode(), 1.0))
    assert streamed == whole


KINDS = st.sampled_from(["input_tokens", "cache_read_input_tokens", "output_tokens", "new_kind"])
TOTALS = st.dictionaries(KINDS, st.none() | st.integers(0, 10**6))


@settings(max_examples=150, deadline=None)
@given(TOTALS, st.lists(TOTALS, min_size=1, max_size=5))
def test_the_last_number_of_each_kind_is_its_total(
    start: dict[str, int | None], later: list[dict[str, int | None]]
) -> None:
    """Of several running totals the last one counts; null and absent kinds change nothing.

    The output tokens of message_start are provisional: without a later total they are unknown.
    """
    message = {"type": "message", "content": [], "usage": start}
    events = [{"type": "message_start", "message": message}]
    events += [{"type": "message_delta", "delta": {}, "usage": usage} for usage in later]
    events.append({"type": "message_stop"})
    fold = fold_of(*(f"data: {json.dumps(event)}\n\n".encode() for event in events))
    usage = json.loads(fold.message_json())["usage"]
    assert set(usage) == {"output_tokens"}.union(start, *later)
    for kind, total in usage.items():
        sources = later if kind == "output_tokens" else (start, *later)
        numbers = [totals[kind] for totals in sources if totals.get(kind) is not None]
        assert total == (numbers[-1] if numbers else None)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.binary(max_size=30)
        | st.sampled_from(
            [
                b"\n\n",
                b"\r",
                b"data:",
                b"event: message_start\n",
                b"data: [[[[\n\n",
                b'data: {"type":"message_start","message":{"content":5}}\n\n',
                b'data: {"type":"content_block_start","index":0,"content_block":{}}\n\n',
                b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta"}}\n\n',
                b'data: {"type":"content_block_delta","index":true,"delta":1}\n\n',
                b'data: {"type":"content_block_delta","index":[],"delta":{}}\n\n',
                b'data: {"type":"message_delta","delta":{"content":1},"usage":{"a":1}}\n\n',
                b'data: {"type":"message_delta","delta":null,"usage":[]}\n\n',
                b'data: {"type":[],"a":1e999}\n\n',
                b'data: {"type":"message_stop"}\n\n',
                b'data: {"type":"error"}\n\n',
                b"data: NaN\n\n",
                b"data: \xff\n\n",
            ]
        ),
        max_size=12,
    )
)
def test_no_bytes_make_it_raise(chunks: list[bytes]) -> None:
    """The fold is complete, has an error, has a fault, or is unfinished: never two of these."""
    fold = fold_of(*chunks)
    assert [fold.is_complete, fold.error is not None, fold.fault is not None].count(True) <= 1
    if fold.is_complete:
        assert isinstance(json.loads(fold.message_json()), dict)
