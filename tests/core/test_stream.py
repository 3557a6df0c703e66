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


@pytest.mark.parametrize(
    "payloads",
    [
        [START, START],
        [TOOL],
        [START, TOOL, TOOL],
        [START, json_delta("{}")],
        [DELTA],
        [STOP],
        [START, STOP],
        [START, {"type": "message_start"}],
        ["text"],
    ],
    ids=[
        "two starts",
        "block before start",
        "block twice",
        "delta of no block",
        "delta before start",
        "stop before start",
        "no final usage",
        "no message",
        "not an object",
    ],
)
def test_a_stream_out_of_order_has_a_fault(payloads: list[Any]) -> None:
    """Events out of order never make a message."""
    fold = fold_of(stream(*payloads, DELTA, STOP) if payloads[-1] != STOP else stream(*payloads))
    assert fold.fault
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
