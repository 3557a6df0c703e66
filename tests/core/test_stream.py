"""A stream folds to the message that it is without streaming, or has a fault."""

import json
from typing import Any

import pytest

from batcher.core.answers.stream import MessageFold


def fold_of(*chunks: bytes) -> MessageFold:
    """Feed chunks to a fold and end it."""
    fold = MessageFold()
    for chunk in chunks:
        fold.feed(chunk)
    fold.end()
    return fold


def stream(*payloads: Any) -> bytes:
    """Write events without names."""
    return b"".join(b"data: " + json.dumps(payload).encode() + b"\n\n" for payload in payloads)


START = {
    "type": "message_start",
    "message": {"content": [], "usage": {"input_tokens": 5, "output_tokens": 1}},
}
TOOL = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}},
}
DELTA = {
    "type": "message_delta",
    "delta": {"stop_reason": "max_tokens"},
    "usage": {"output_tokens": 2},
}
STOP = {"type": "message_stop"}


def json_delta(text: str) -> dict[str, Any]:
    """Return a delta with a fragment of a tool's input."""
    delta = {"type": "input_json_delta", "partial_json": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


def test_totals_replace_and_never_add() -> None:
    """Usage is a running total; null changes nothing."""
    late = DELTA | {"usage": {"output_tokens": 9, "input_tokens": None, "server_tool_use": None}}
    fold = fold_of(stream(START, DELTA, late, STOP))
    assert json.loads(fold.message_json())["usage"] == {
        "input_tokens": 5,
        "output_tokens": 9,
        "server_tool_use": None,
    }


def test_a_message_delta_does_not_change_id_content_or_usage() -> None:
    """Other new fields are added."""
    odd = DELTA | {"delta": {"content": 1, "id": "x", "usage": 2, "container": {"id": "c"}}}
    message = json.loads(fold_of(stream(START, odd, STOP)).message_json())
    assert (message["content"], message["container"]) == ([], {"id": "c"})
    assert "id" not in message


def test_a_tools_input_that_was_cut_off_is_kept_as_text() -> None:
    """max_tokens may end inside the JSON: the fragment is paid for, but it is not valid JSON."""
    fold = fold_of(stream(START, TOOL, json_delta('{"a": "x'), DELTA, STOP))
    [block] = json.loads(fold.message_json())["content"]
    assert (block["input"], block["partial_json"]) == ({}, '{"a": "x')


def test_a_surrogate_pair_split_between_deltas_is_one_character() -> None:
    """Deltas are cut anywhere: halves of a character are joined, and a lone half is kept."""
    text = [json_delta('"\ud83d'), json_delta('\ude00"')]
    [block] = json.loads(fold_of(stream(START, TOOL, *text, DELTA, STOP)).message_json())["content"]
    assert block["input"] == "\U0001f600"
    lone = [json_delta('"\ud83d"')]
    [block] = json.loads(fold_of(stream(START, TOOL, *lone, DELTA, STOP)).message_json())["content"]
    assert block["input"] == "\ud83d"


def test_a_byte_order_mark_is_not_part_of_the_first_line() -> None:
    """The first event is read, even when the mark arrives byte by byte."""
    data = "\ufeff".encode() + stream(START, DELTA, STOP)
    assert fold_of(data).is_complete
    assert fold_of(*(data[i : i + 1] for i in range(len(data)))).is_complete


def test_the_progress_of_a_stream() -> None:
    """It starts with message_start, has content with a delta, is complete with message_stop."""
    fold = MessageFold()
    progress = []
    for payload in (START, TOOL, json_delta("{}"), DELTA, STOP):
        fold.feed(stream(payload))
        progress.append((fold.has_started, fold.has_content, fold.is_complete))
    assert progress == [
        (True, False, False),
        (True, False, False),
        (True, True, False),
        (True, True, False),
        (True, True, True),
    ]
    with pytest.raises(ValueError, match="not ended"):
        MessageFold().message_json()


def test_an_error_event_is_kept_as_received() -> None:
    """An error event ends the stream; everything after it is ignored."""
    error = b'{"type": "error", "error": {"type": "overloaded_error", "message": "m"}}'
    fold = fold_of(stream(START) + b"event: error\ndata: " + error + b"\n\n" + stream(DELTA, STOP))
    assert (fold.error, fold.is_complete, fold.fault) == (error, False, None)


TEXT = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}


def text_delta(text: Any, index: Any = 0, **more: Any) -> dict[str, Any]:
    """Return a delta with a piece of text."""
    delta = {"type": "text_delta", "text": text} | more
    return {"type": "content_block_delta", "index": index, "delta": delta}


OTHER = {"type": "message_start", "message": START["message"] | {"id": "msg_2", "model": "other"}}
NO_USAGE = {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}}
RECOUNTED = {
    "type": "message_start",
    "message": START["message"] | {"usage": {"input_tokens": 9}},
}


@pytest.mark.parametrize(
    "payloads",
    [
        pytest.param([START, START, TEXT, text_delta("ja"), DELTA, STOP], id="two starts"),
        pytest.param([START, TEXT, START, text_delta("ja"), DELTA, STOP], id="a late second start"),
        pytest.param([START, RECOUNTED, TEXT, text_delta("ja"), DELTA, STOP], id="another usage"),
        pytest.param([START, TEXT, TEXT, text_delta("ja"), DELTA, STOP], id="block twice"),
        pytest.param([START, text_delta("j"), text_delta("a"), DELTA, STOP], id="no block start"),
        pytest.param(
            [START, TEXT, text_delta(None), text_delta("ja"), text_delta(None), DELTA, STOP],
            id="text is null",
        ),
        pytest.param(
            [START, TEXT, {**text_delta(""), "delta": {"type": "text_delta"}}, text_delta("ja"),
             DELTA, STOP],
            id="no text",
        ),
        pytest.param(
            [START, TEXT, text_delta("ja"), {"type": "content_block_stop", "index": 7}, DELTA,
             STOP],
            id="stop of no block",
        ),
        pytest.param([START, TEXT, text_delta("ja"), DELTA, b"[DONE]"], id="done instead of stop"),
        pytest.param([START, b"[DONE]", TEXT, text_delta("ja"), DELTA, STOP], id="done too early"),
        pytest.param([START, TEXT, text_delta("ja"), DELTA, STOP, b"[DONE]", START], id="done"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", [b"", b"event: message\n"], ids=["no name", "message"])
def test_a_stream_that_can_mean_only_one_thing_is_accepted(
    payloads: list[Any], name: bytes
) -> None:
    """Other servers repeat or leave out events; the text and the usage are what they sent."""
    events = [data if isinstance(data, bytes) else json.dumps(data).encode() for data in payloads]
    fold = fold_of(b"".join(name + b"data: " + data + b"\n\n" for data in events))
    assert fold.fault is None
    message = json.loads(fold.message_json())
    assert [block["text"] for block in message["content"]] == ["ja"]
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] == 2
    assert message["usage"]["input_tokens"] == 5


@pytest.mark.parametrize(
    ("start", "end", "usage"),
    [
        ({"content": []}, NO_USAGE, None),
        ({"content": [], "usage": None}, NO_USAGE, None),
        (START["message"], NO_USAGE, {"input_tokens": 5, "output_tokens": None}),
        (START["message"], NO_USAGE | {"usage": {}}, {"input_tokens": 5, "output_tokens": None}),
        (
            START["message"],
            NO_USAGE | {"usage": {"input_tokens": 6}},
            {"input_tokens": 6, "output_tokens": None},
        ),
    ],
)
def test_a_stream_without_a_final_usage_has_none(start: Any, end: Any, usage: Any) -> None:
    """The number in message_start is too low for a price: it never counts as the output."""
    fold = fold_of(stream({"type": "message_start", "message": start}, end, STOP))
    assert json.loads(fold.message_json()).get("usage") == usage


@pytest.mark.parametrize(
    ("payloads", "words"),
    [
        ([START, OTHER], "message_start came twice, with another id and model"),
        ([TOOL], "a content block started before message_start"),
        ([START, TOOL, TEXT], "content block 0 started twice"),
        ([START, TEXT, text_delta("a"), TEXT], "content block 0 started twice"),
        ([START, TEXT | {"index": "0"}], "started without an index"),
        ([START, json_delta("{}")], "content block 0, which did not start"),
        ([START, TEXT, text_delta("a", index=None)], "no index"),
        ([START, TEXT, text_delta(5)], "text of a delta is not a text"),
        ([text_delta("a")], "a delta came before message_start"),
        ([DELTA], "message_delta came before message_start"),
        ([STOP], "message_stop came before message_start"),
        ([START, {"type": "message_start"}], "no object under message"),
        (["my diary"], "no object under data"),
        ([START, b"my diary"], "not JSON"),
    ],
)
def test_a_stream_out_of_order_has_a_fault(payloads: list[Any], words: str) -> None:
    """What could mean two things is refused, with what was wrong and without the content."""
    events = [data if isinstance(data, bytes) else json.dumps(data).encode() for data in payloads]
    fold = fold_of(b"".join(b"data: " + data + b"\n\n" for data in events), stream(DELTA, STOP))
    assert words in (fold.fault or "")
    assert "diary" not in fold.fault
    assert not fold.is_complete


def test_deep_nesting_is_a_fault() -> None:
    """Nesting beyond the parser's depth raises nothing."""
    deep = b'{"type":"message_start","message":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001
    assert fold_of(b"data: " + deep + b"\n\n").fault == "nested too deep"


def test_a_fault_quotes_nothing() -> None:
    """It says what is wrong without the content of the response."""
    fold = fold_of(b"event: message_start\ndata: my secret diary\n\n")
    assert fold.fault
    assert "diary" not in fold.fault
