"""Bodies are parsed by type; invalid ones raise one error that quotes nothing."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.answers.message import (
    Message,
    UnreadableMessage,
    parse_error,
    parse_message,
    text_of_plain,
)

USAGE = {"input_tokens": 412, "output_tokens": 57, "cache_read_input_tokens": 0}
MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-5-5",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "text", "text": "one "},
        {"type": "from_the_future", "text": 7},
        {"type": "text", "text": "two"},
    ],
    "stop_reason": "end_turn",
    "stop_details": None,
    "usage": USAGE,
}


def parsed(**changes: Any) -> Message:
    """Parse MESSAGE with changes."""
    return parse_message(json.dumps(MESSAGE | changes).encode())


def test_blocks_are_picked_by_type() -> None:
    """Text and thinking are joined from all blocks of their type, not taken from content[0]."""
    message = parsed()
    assert (message.text, message.thinking, message.tool_input) == ("one two", "hm", None)
    assert (message.id, message.model) == ("msg_1", "claude-haiku-5-5")
    assert (message.stop_reason, message.usage, message.has_output) == ("end_turn", USAGE, True)


def test_the_input_of_a_tool_call() -> None:
    """The input of the first tool call is returned as JSON, a fragment as it is."""
    call = {
        "type": "tool_use",
        "id": "t",
        "name": "n",
        "input": {"label": "grün", "n": 12345678901234567890},
    }
    assert parsed(content=[call]).tool_input == '{"label": "grün", "n": 12345678901234567890}'
    assert parsed(content=[call | {"partial_json": '{"la'}]).tool_input == '{"la'


def test_a_refusal_without_output() -> None:
    """A refusal is a message with a category, and with or without output."""
    message = parsed(content=[], stop_reason="refusal", stop_details={"category": "bio"})
    assert (message.stop_reason, message.stop_category) == ("refusal", "bio")
    assert (message.has_output, message.text) == (False, "")
    assert parsed(stop_details={"category": None}).stop_category is None


def test_absent_fields_are_none() -> None:
    """They are neither zero nor empty."""
    message = parse_message(b'{"content": []}')
    assert (message.id, message.model, message.stop_reason, message.usage) == (None,) * 4


def test_parquet_can_store_the_text() -> None:
    """Lone surrogates are replaced by U+FFFD; all other characters stay, NUL included."""
    body = rb'{"id":"\ud800","content":[{"type":"text","text":"a\ud800b\ud83d\ude00\u0000"},'
    body += rb'{"type":"tool_use","input":{"\udfff":"x"}}]}'
    message = parse_message(body)
    assert message.text == "a\ufffdb\U0001f600\x00"
    assert (message.id, message.tool_input) == ("\ufffd", '{"\ufffd": "x"}')


@pytest.mark.parametrize(
    "changes",
    [
        {"content": [{"type": "text"}]}, {"content": [{"type": "text", "text": None}]},
        {"content": [{"type": "thinking", "thinking": None}, {"type": "text", "text": ""}]},
        {"content": [], "usage": []}, {"content": [], "usage": "none"}, {"content": [], "id": 1},
        {"content": [], "model": {}},
    ],
)  # fmt: skip
def test_what_is_missing_or_odd_beside_an_answer_does_not_spoil_it(changes: Any) -> None:
    """Null is no text, and an id, a model or a usage of the wrong type is none."""
    message = parsed(**changes)
    assert (message.text, message.thinking) == ("", "")
    for key in set(changes) - {"content"}:
        assert getattr(message, key) is None


@pytest.mark.parametrize(
    "body",
    [
        b"", b"my diary", b"<html>my diary</html>", b"null", b"[]", b'"my diary"', b"\xff\xfe{}",
        b'{"content": []', b'{"content": [], "x": NaN}', b'{"content": [], "x": Infinity}',
        b'{"content": [], "x": 1e999}', b'{"content": [], "x": -1e999}',
        b'{"content": [], "x": ' + b"9" * 5000 + b"}",
        b'{"content": ' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        b'{"content": [{"type":"tool_use","input":' + b"[" * 900 + b"]" * 900 + b"}],\xff}",
        b"{}", b'{"content": null}', b'{"content": "my diary"}', b'{"content": ["my diary"]}',
        b'{"content": [{"type": "text", "text": 1}]}',
        b'{"content": [{"type": "text", "text": []}]}',
        b'{"content": [{"type": "thinking", "thinking": ["my diary"]}]}',
        b'{"content": [], "stop_reason": 1}', b'{"content": [], "stop_details": "my diary"}',
        b'{"content": [], "stop_details": {"category": 1}}',
        b'{"type": "error", "error": {"type": "api_error", "message": "my diary"}}',
        b'{"type": 1, "content": []}',
    ],
    ids=lambda body: repr(body[:40]),
)  # fmt: skip
def test_a_body_that_is_not_a_message_is_unreadable(body: bytes) -> None:
    """Every invalid body raises the documented error, which quotes nothing of it."""
    with pytest.raises(UnreadableMessage) as caught:
        parse_message(body)
    assert isinstance(caught.value, ValueError)
    assert "diary" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(["type", "content", "text", "error", "message", "details", "error_code",
                         "detail", "msg", "usage", "input", "code", "request_id"]),
        inner | st.sampled_from(["message", "text", "tool_use"]), max_size=4),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_no_body_raises_anything_else(body: bytes) -> None:
    """A message is parsed or unreadable, an error is always parsed, and UTF-8 encodes all text."""
    error = parse_error(body)
    texts = [error.type, error.message, error.error_code or "", error.request_id or ""]
    try:
        message = parse_message(body)
    except UnreadableMessage:
        message = None
    if message is not None:
        texts += [message.text, message.thinking, message.tool_input or "", message.id or ""]
    for text in texts:
        text.encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {
                "type": "error",
                "error": {
                    "type": "rate_limit_error",
                    "message": "Slow down.",
                    "details": {"error_code": "ramp_limit_exceeded"},
                },
                "request_id": "req_1",
            },
            ("rate_limit_error", "Slow down.", "ramp_limit_exceeded", "req_1"),
        ),
        (
            {"type": "error", "error": {"type": "api_error", "message": "m", "details": None}},
            ("api_error", "m", None, None),
        ),
        ({"error": "text"}, ("", "text", None, None)),
        ({"error": {"message": "m", "code": "c", "type": None}}, ("", "m", "c", None)),
        ({"error": {"message": "m", "code": 400}}, ("", "m", "400", None)),
        ({"detail": "text"}, ("", "text", None, None)),
        ({"detail": [{"msg": "required", "input": "my diary"}]}, ("", "required", None, None)),
        ({"message": "text"}, ("", "text", None, None)),
        ({"error": {"type": [], "message": {}, "details": 5}}, ("", "", None, None)),
        ({"error": None, "request_id": 5}, ("", "", None, "5")),
        ([], ("", "", None, None)),
    ],
    ids=repr,
)
def test_errors_of_many_servers(body: bytes, expected: tuple[str | None, ...]) -> None:
    """The shapes of the API and of other servers are parsed; wrong types count as absent."""
    error = parse_error(json.dumps(body).encode())
    assert (error.type, error.message, error.error_code, error.request_id) == expected


@pytest.mark.parametrize("body", [b"", b"<html>my diary</html>", b"\xff", b"[" * 200_000])
def test_an_error_without_json_says_how_many_bytes_it_has(body: bytes) -> None:
    """A page of a proxy is not quoted."""
    error = parse_error(body)
    assert error.type == ""
    assert "diary" not in error.message
    assert (f"{len(body):,} bytes" in error.message) == bool(body)


def test_an_error_message_is_one_short_line_without_keys() -> None:
    """It may quote the request, so it is shortened and cleaned, and keys are removed."""
    text = "bad\r\n\x1b[31m \u202e\x00 key sk-ant-api03-abc_DEF\ud800 " + "x" * 1000
    error = parse_error(json.dumps({"error": {"message": text}}).encode())
    assert error.message.startswith("bad [31m key *** xxx")
    assert len(error.message) == 300
    assert text not in repr(error)


_ODD = st.sampled_from((None, 5, "text", "", [], {}, "end_turn", {"category": "x"}, True))
_BLOCKS = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(("text", "thinking", "tool_use", 3)),
            "text": st.text() | st.sampled_from(("\ud800", "", None, 5)),
            "thinking": st.just("hm"),
            "input": st.just({"a": 1}),
        },
    ),
    max_size=2,
)


@given(
    st.fixed_dictionaries(
        {"content": _BLOCKS | _ODD},
        optional={
            "type": st.sampled_from(("message", "error", 1)),
            "stop_reason": _ODD,
            "stop_details": _ODD,
            "usage": _ODD,
            "n": st.floats(),
        },
    ),
    st.booleans(),
)
def test_the_text_of_a_plain_message_is_that_of_the_parser(
    message: dict[str, object], is_compact: bool
) -> None:
    """Where the short way finds a text, the parser finds it, and nothing else that is written."""
    separators = (",", ":") if is_compact else None
    body = json.dumps(message, separators=separators).encode()
    text = text_of_plain(body)
    if text is not None:
        parsed = parse_message(body)
        assert (parsed.text, parsed.thinking, parsed.tool_input) == (text, "", None)


def test_an_ordinary_message_is_plain() -> None:
    """The short way is taken for it."""
    blocks = [{"type": "text", "text": "Yes \ud83d\ude00"}]
    body = {"type": "message", "content": blocks, "stop_reason": "end_turn", "stop_details": None}
    assert text_of_plain(json.dumps(body).encode()) == "Yes 😀"
