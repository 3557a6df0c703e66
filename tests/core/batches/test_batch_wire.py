"""What the Message Batches API sends becomes values; bytes of any kind become one kind of error."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.batches.wire import (
    BatchCounts,
    UnreadableBatch,
    UnreadableResult,
    is_deleted,
    parse_batch,
    parse_page,
    parse_result,
)

COUNTS = {"processing": 0, "succeeded": 3, "errored": 2, "canceled": 1, "expired": 4}
BATCH: dict[str, Any] = {
    "id": "msgbatch_1",
    "type": "message_batch",
    "processing_status": "ended",
    "request_counts": COUNTS,
    "created_at": "2026-11-30T10:00:00.123456Z",
    "expires_at": "2026-12-01T10:00:00.123456+00:00",
    "ended_at": "2026-11-30T10:20:00Z",
    "archived_at": None,
    "cancel_initiated_at": None,
    "results_url": "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results",
}


def text(value: Any) -> bytes:
    """Return a value as JSON."""
    return json.dumps(value).encode()


def test_a_batch() -> None:
    """All fields are read; the total counts every item; later fields of the API do not disturb."""
    batch = parse_batch(text(BATCH | {"new": {"field": 1}}))
    assert batch.id == "msgbatch_1"
    assert (batch.counts, batch.total) == (BatchCounts(**COUNTS), 10)
    assert batch.created_at == datetime(2026, 11, 30, 10, 0, 0, 123456, UTC)
    assert (batch.has_ended, batch.archived_at) == (True, None)
    assert batch.results_url == BATCH["results_url"]


@pytest.mark.parametrize("status", ["in_progress", "canceling", "paused"])
def test_only_ended_is_ended(status: str) -> None:
    """A state that is not known is one in which something may still be billed."""
    assert not parse_batch(text(BATCH | {"processing_status": status})).has_ended


@pytest.mark.parametrize("change", [
    {"id": ""}, {"id": None}, {"id": 5}, {"id": "a\nb"}, {"type": "message"},
    {"processing_status": None}, {"request_counts": None}, {"request_counts": {}},
    {"request_counts": COUNTS | {"paused": 1}}, {"request_counts": COUNTS | {"expired": -1}},
    {"request_counts": COUNTS | {"expired": True}}, {"request_counts": COUNTS | {"expired": 1.0}},
    {"created_at": None}, {"created_at": "today"}, {"created_at": 5},
    {"created_at": "2026-11-30T10:00:00"}, {"expires_at": None}, {"ended_at": ""},
    {"results_url": ""}, {"results_url": ["x"]},
], ids=str)  # fmt: skip
def test_what_is_no_batch(change: dict[str, Any]) -> None:
    """A field that decides something is never guessed, in a batch or in a page."""
    with pytest.raises(UnreadableBatch):
        parse_batch(text(BATCH | change))
    with pytest.raises(UnreadableBatch):
        parse_page(text({"data": [BATCH, BATCH | change], "has_more": False}))


def test_a_page() -> None:
    """A page says whether there are more, and where they begin."""
    other = BATCH | {"id": "msgbatch_0"}
    batches, has_more, last_id = parse_page(text({"data": [BATCH, other], "has_more": True}))
    assert [batch.id for batch in batches] == ["msgbatch_1", "msgbatch_0"]
    assert (has_more, last_id) == (True, "msgbatch_0")
    assert parse_page(text({"data": [], "has_more": False})) == ([], False, None)


@pytest.mark.parametrize("page", [
    {}, [], {"data": []}, {"has_more": False}, {"data": {}, "has_more": False},
    {"data": [], "has_more": True}, {"data": [5], "has_more": False}, {"data": [], "has_more": 0},
], ids=str)  # fmt: skip
def test_what_is_no_page(page: Any) -> None:
    """An error body, or a page that would be read for ever, is no page."""
    with pytest.raises(UnreadableBatch):
        parse_page(text(page))


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"id":"b","type":"message_batch"}', b"NaN",
                                  b'{"id":"c","type":"message_batch_deleted"}'])  # fmt: skip
def test_what_does_not_confirm_a_delete(body: bytes) -> None:
    """Only the API's own words about this batch do."""
    assert not is_deleted(body, "b")
    assert is_deleted(b'{"id":"b","type":"message_batch_deleted"}', "b")


MESSAGES = [b'{"id":"m"}', b'{ "a" : 1.50e0,\t"b":"\xe2\x80\xa8" }', b'{"a":"\\ud800"}',
            b'{"big":123456789012345678901234567890}', b'{"\xc3\xa9":null,"a":[]}', b"null",
            b'{"a":"\xff"}', b'{"a":1e999}', b'{"a":NaN}']  # fmt: skip


@pytest.mark.parametrize("message", MESSAGES, ids=ascii)
@pytest.mark.parametrize("form", [
    b'{"custom_id":"r","result":{"type":"succeeded","message":%s}}',
    b'{"result":{"message":%s,"new":{"x":[1]},"type":"succeeded"},"more":{},"custom_id":"r"}',
    b'\t{ "custom_id" : "r" , "result" : {"type":"succeeded","message": %s } } \r',
])  # fmt: skip
def test_the_bytes_of_a_message_are_exact(form: bytes, message: bytes) -> None:
    """What is recorded is what the API wrote, as for a live response; its reader judges it."""
    result = parse_result(form % message)
    assert (result.custom_id, result.type, result.message) == ("r", "succeeded", message)
    assert result.error is None
    assert message.decode("latin-1") not in repr(result)


def test_the_other_types() -> None:
    """An error keeps its bytes, too; canceled, expired and unknown items have neither."""
    line = b'{"custom_id":"r","result":{"type":"errored","error":{"type": "error"}}}'
    assert parse_result(line).error == b'{"type": "error"}'
    for kind in ("canceled", "expired", "postponed"):
        result = parse_result(text({"custom_id": "r", "result": {"type": kind, "message": {}}}))
        assert (result.type, result.message, result.error) == (kind, None, None)


@pytest.mark.parametrize("kind", ["succeeded", "errored"])
def test_a_result_without_its_content_is_an_empty_body(kind: str) -> None:
    """It belongs to its item, and is judged like a live response of 200 with no body."""
    result = parse_result(text({"custom_id": "r", "result": {"type": kind}}))
    assert (result.message, result.error) == ((b"", None) if kind == "succeeded" else (None, b""))


SUCCEEDED = b'{"custom_id":"r","result":{"type":"succeeded","message":%s}}'


@pytest.mark.parametrize("line", [
    b"", b"{}", b"null", b"[]", b'"x"', b'{"custom_id": \xff', b"{5:5}", b"{[]:5}", b'{"a":1,}',
    SUCCEEDED % b'{"a":"\r"}', SUCCEEDED % b"{", SUCCEEDED % b"", (SUCCEEDED % b"{}")[:-1],
    SUCCEEDED % b"{}" + b" {}", SUCCEEDED % (b"[" * 90_000 + b"]" * 90_000),
    SUCCEEDED[:15] + b"a\xff" + SUCCEEDED[16:] % b"{}",
    b'{"custom_id":5,"result":{"type":"x"}}', b'{"custom_id":"r","result":{"type":null}}',
    b'{"custom_id":"r","result":[]}', b'{"custom_id":"r"}', b'{"custom_id":"r","result":{}}',
    b"\xef\xbb\xbf" + SUCCEEDED % b"{}", b"\x00" + SUCCEEDED % b"{}",
], ids=lambda line: ascii(line[:60]))  # fmt: skip
def test_an_unreadable_line(line: bytes) -> None:
    """Damage is an error that quotes nothing."""
    with pytest.raises(UnreadableResult) as caught:
        parse_result(line)
    assert str(caught.value) in ("the line is not a result", "the line is nested too deep")
    assert caught.value.__cause__ is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(json_values, st.booleans(), st.sampled_from([None, 1]), st.text(max_size=5))
def test_any_message_is_cut_out_exactly(
    value: Any, is_ascii: bool, indent: int | None, custom_id: str
) -> None:
    """Whatever JSON a message is, its bytes are those between its neighbours."""
    message = json.dumps(value, ensure_ascii=is_ascii, indent=indent).encode()
    name = json.dumps(custom_id).encode()
    line = b'{"x": {"message": 5}, "custom_id": %s, "result": {"message": %s, "type": "succeeded"}}'
    result = parse_result(line % (name, message))
    assert (result.custom_id, result.message) == (custom_id, message)


@given(st.binary(max_size=40) | st.text(max_size=20).map(str.encode))
def test_any_bytes(data: bytes) -> None:
    """No bytes raise anything else."""
    for parse, error in ((parse_batch, UnreadableBatch), (parse_page, UnreadableBatch),
                         (parse_result, UnreadableResult)):  # fmt: skip
        with pytest.raises(error):
            parse(data)
