"""The verdict on each kind of result: only a message is billed, and what passed is sent again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.answers.api_errors import ACCOUNT_ERRORS, STATUS_OF_STREAM_ERROR
from batcher.core.answers.outcome import Billing, Status, Verdict, classify
from batcher.core.answers.response import Response
from batcher.core.batches.result_outcome import outcome_of
from batcher.core.batches.wire import ResultLine
from batcher.core.pace.retry import uses_up_attempt

FINAL, RETRY, HALT = Verdict.FINAL, Verdict.RETRY, Verdict.HALT


def result(kind: str, message: bytes | None = None, error: bytes | None = None) -> ResultLine:
    """Return a result of an item."""
    return ResultLine("item-1", kind, message, error)


def errored(kind: str, text: str = "", code: str | None = None) -> ResultLine:
    """Return an errored result, as the API forms it."""
    error = {"type": kind, "message": text, "details": {"error_code": code} if code else None}
    body = {"type": "error", "error": error, "request_id": "req_1"}
    return result("errored", error=json.dumps(body).encode())


@pytest.mark.parametrize(
    "body",
    [
        b'{"type":"message","content":[{"type":"text","text":"yes"}],"stop_reason":"end_turn"}',
        b'{"type":"message","content":[],"stop_reason":"end_turn","usage":{}}',
        b'{"type":"message","content":[],"stop_reason":"refusal"}',
        b'{"type":"message","content":[{"type":"text","text":"y"}],"stop_reason":"max_tokens"}',
        b'{"type":"message","content":[{"type":"text","text":"y"}],"stop_reason":"pause_turn"}',
        b'{"type":"message","content":17}',
        b'{"type":"error","error":{"type":"overloaded_error","message":"busy"}}',
        b"not JSON",
        b"",
    ],
)
def test_a_message_is_judged_as_a_live_one(body: bytes) -> None:
    """A succeeded result has the verdict of a live response with the same body."""
    assert outcome_of(result("succeeded", body)) == classify(Response(200, {}, body, 0.0))


def test_a_success_without_a_message_may_be_billed() -> None:
    """What says that it succeeded and has no message is not free."""
    outcome = outcome_of(result("succeeded"))
    assert (outcome.verdict, outcome.billing) == (RETRY, Billing.UNKNOWN)


@pytest.mark.parametrize(
    ("kind", "text", "verdict"),
    [
        ("invalid_request_error", "messages: at least one message is required", FINAL),
        ("invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum", FINAL),
        ("request_too_large", "Request exceeds the maximum size", FINAL),
        ("invalid_request_error", "Your credit balance is too low to access the API.", HALT),
        ("invalid_request_error", "You have reached your specified API usage limits.", HALT),
        ("billing_error", "no", HALT),
        ("authentication_error", "no", HALT),
        ("permission_error", "no", HALT),
        ("not_found_error", "model: claude-gone", HALT),
        ("api_error", "Internal server error", RETRY),
        ("overloaded_error", "Overloaded", RETRY),
        ("rate_limit_error", "slow down", RETRY),
        ("timeout_error", "too slow", RETRY),
        ("error_of_the_future", "?", RETRY),
        ("", "", RETRY),
    ],
)
def test_errors(kind: str, text: str, verdict: Verdict) -> None:
    """An error is free; its type says whether the same request may succeed."""
    outcome = outcome_of(errored(kind, text))
    assert (outcome.status, outcome.verdict) == (Status.ERRORED, verdict)
    assert outcome.billing is Billing.FREE
    assert (outcome.hint is not None) == (verdict is HALT)


@pytest.mark.parametrize("entry", [entry for entry in ACCOUNT_ERRORS if entry.code or entry.says])
def test_errors_about_the_account_stop_the_run(entry: object) -> None:
    """What concerns the account stops the run, although its type is that of a wrong request."""
    code, says = entry.code or None, entry.says  # type: ignore[attr-defined]
    assert outcome_of(errored("invalid_request_error", says, code)).verdict is HALT


@pytest.mark.parametrize(
    "body",
    [None, b"", b"[]", b"nonsense", b'{"error":"busy"}', b'{"type":"error","error":null}'],
)
def test_an_unreadable_error_is_sent_again(body: bytes | None) -> None:
    """An error that cannot be read is free, like every error, and one in passing."""
    outcome = outcome_of(result("errored", error=body))
    assert (outcome.verdict, outcome.billing) == (RETRY, Billing.FREE)
    assert outcome.error_type == "client.unknown_error"


@given(st.sampled_from([*STATUS_OF_STREAM_ERROR, "x"]), st.text(max_size=20))
def test_an_error_says_nothing_about_the_live_pace(kind: str, text: str) -> None:
    """The limits and the load of batches are not those of live requests."""
    outcome = outcome_of(errored(kind, text))
    signals = (outcome.is_rate_limited, outcome.is_overloaded, outcome.is_unreachable)
    assert not any(signals)
    assert outcome.retry_after_s is None


@pytest.mark.parametrize("status", [Status.CANCELED, Status.EXPIRED])
def test_what_has_not_begun_is_sent_again(status: Status) -> None:
    """Canceled and expired requests are free and have a status of their own."""
    outcome = outcome_of(result(status.value))
    assert (outcome.status, outcome.verdict, outcome.billing) == (status, RETRY, Billing.FREE)
    assert outcome.is_transient
    assert outcome.error_type == f"client.batch_{status}"
    assert uses_up_attempt(outcome) == (status is Status.EXPIRED)


@given(st.text().filter(lambda t: t not in ("succeeded", "errored", "canceled", "expired")))
def test_an_unknown_type_may_be_billed(kind: str) -> None:
    """A type that is not documented is not taken for free, and not for an answer."""
    outcome = outcome_of(result(kind, b"{}", b"{}"))
    assert (outcome.verdict, outcome.billing) == (RETRY, Billing.UNKNOWN)
    assert outcome.error_type == "client.unknown_result"
    assert len(outcome.error_message or "") < 600
