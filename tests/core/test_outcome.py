"""The verdict on every kind of attempt: whether it is billed, retried, or stops the run."""

import json
import re
from typing import Any

import pytest

from batcher.api import faults
from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict, classify
from batcher.core.answers.response import NoResponse, Response

FINAL, RETRY, HALT = Verdict.FINAL, Verdict.RETRY, Verdict.HALT
BILLED, FREE, UNKNOWN = Billing.BILLED, Billing.FREE, Billing.UNKNOWN
TEXT = {"type": "text", "text": "yes"}
USAGE = {"input_tokens": 1, "output_tokens": 1}


def message(**changes: Any) -> bytes:
    """Return the body of a message."""
    fields = {"type": "message", "content": [TEXT], "stop_reason": "end_turn", "usage": USAGE}
    return json.dumps(fields | changes).encode()


def error(kind: str = "", text: str = "", code: str | None = None) -> bytes:
    """Return the body of an error."""
    details = {"error_code": code} if code else None
    fields = {"type": kind, "message": text, "details": details}
    return json.dumps({"type": "error", "error": fields}).encode()


def outcome_of(status: int, body: bytes, fault: str | None = None, **headers: str) -> Outcome:
    """Classify a response; header names are given with underscores."""
    with_dashes = {name.replace("_", "-"): value for name, value in headers.items()}
    return classify(Response(status, with_dashes, body, 1.0, fault=fault))


@pytest.mark.parametrize(
    ("stop_reason", "status", "error_type"),
    [
        ("end_turn", Status.SUCCEEDED, None),
        ("stop_sequence", Status.SUCCEEDED, None),
        ("tool_use", Status.SUCCEEDED, None),
        ("max_tokens", Status.TRUNCATED, "max_tokens"),
        ("model_context_window_exceeded", Status.TRUNCATED, "model_context_window_exceeded"),
        ("pause_turn", Status.TRUNCATED, "pause_turn"),
        ("refusal", Status.REFUSED, "refusal"),
        ("compaction", Status.ERRORED, "client.unknown_stop_reason"),
        ("from_the_future", Status.ERRORED, "client.unknown_stop_reason"),
        (None, Status.ERRORED, "client.unknown_stop_reason"),
    ],
)
def test_messages(stop_reason: str | None, status: Status, error_type: str | None) -> None:
    """Every complete message is final and billed, with any stop reason."""
    outcome = outcome_of(200, message(stop_reason=stop_reason))
    assert (outcome.status, outcome.error_type) == (status, error_type)
    assert (outcome.verdict, outcome.billing) == (FINAL, BILLED)
    assert outcome.message is not None
    assert not outcome.is_unreachable


def test_a_refusal_has_its_category() -> None:
    """The category is the error message of the row."""
    details = {"type": "refusal", "category": "bio", "explanation": "SECRET"}
    outcome = outcome_of(200, message(stop_reason="refusal", stop_details=details))
    assert outcome.error_message == "bio"


OWN_ERROR = error("api_error", "Internal server error")
NOT_OURS = [
    b"",
    b"<html><h1>504 Gateway Time-out</h1></html>",
    b"upstream connect error or disconnect/reset before headers",
    b'{"error": {"message": "litellm.Timeout", "type": null, "code": "408"}}',
    b'{"error": {"message": "no backend", "type": "server_error"}}',
    b'{"type": "error", "error": "no backend"}',
    b'{"type": "error", "error": {"type": "api_error"}}',
    b'{"message": "Endpoint request timed out"}',
    b'{"detail": "Bad Gateway"}',
    b'{"type": "error", "error": {"type": "api_err',
]


@pytest.mark.parametrize("body", [OWN_ERROR, *NOT_OURS])
@pytest.mark.parametrize("status", [502, 504, 520, 521, 522, 523, 524, 525, 526, 530, 598, 599])
def test_a_gateway_that_gave_up_leaves_the_billing_unknown(status: int, body: bytes) -> None:
    """The answer may have been generated and billed, whatever the gateway writes about it."""
    outcome = outcome_of(status, body)
    assert (outcome.verdict, outcome.billing) == (RETRY, UNKNOWN)


@pytest.mark.parametrize("body", NOT_OURS)
@pytest.mark.parametrize("status", [408, 460, 499, 500, 501, 503, 505, 529, 580])
def test_an_error_that_is_not_the_apis_own_leaves_the_billing_unknown(
    status: int, body: bytes
) -> None:
    """Without the API's own error, nobody says that the answer was not generated."""
    assert outcome_of(status, body).billing is UNKNOWN
    assert outcome_of(status, OWN_ERROR).billing is FREE


@pytest.mark.parametrize("body", [OWN_ERROR, *NOT_OURS])
@pytest.mark.parametrize("status", [301, 307, 400, 401, 402, 403, 404, 409, 413, 422, 429, 431])
def test_a_refused_request_is_free(status: int, body: bytes) -> None:
    """A request that was refused was not answered, by the API or by a gateway."""
    assert outcome_of(status, body).billing is FREE


SPEND = "You have reached your specified API usage limits. You will regain access on 2026-12-01."
WORKSPACE = "You have reached your specified workspace API usage limits."


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        pytest.param(400, error("invalid_request_error", "bad"), FINAL, id="400"),
        pytest.param(401, error("authentication_error"), HALT, id="401"),
        pytest.param(402, error("billing_error"), HALT, id="402"),
        pytest.param(403, error("permission_error"), HALT, id="403"),
        pytest.param(404, error("not_found_error"), HALT, id="404"),
        pytest.param(405, b"", FINAL, id="405"),
        pytest.param(408, b"", RETRY, id="408"),
        pytest.param(409, error("conflict_error"), RETRY, id="409"),
        pytest.param(412, b"", FINAL, id="412"),
        pytest.param(413, error("request_too_large"), FINAL, id="413"),
        pytest.param(422, b"", FINAL, id="422"),
        pytest.param(429, error("rate_limit_error"), RETRY, id="429"),
        pytest.param(431, b"", FINAL, id="431"),
        pytest.param(460, b"", RETRY, id="460"),
        pytest.param(498, b"", FINAL, id="498"),
        pytest.param(499, b"", RETRY, id="499"),
        pytest.param(500, error("api_error"), RETRY, id="500"),
        pytest.param(502, b"<html>", RETRY, id="502 html"),
        pytest.param(503, b"", RETRY, id="503"),
        pytest.param(504, error("timeout_error"), RETRY, id="504"),
        pytest.param(529, error("overloaded_error"), RETRY, id="529"),
        pytest.param(599, b"", RETRY, id="599"),
        pytest.param(301, b"", HALT, id="301"),
        pytest.param(307, b"", HALT, id="307"),
    ],
)
def test_statuses(status: int, body: bytes, verdict: Verdict) -> None:
    """The status of a response without a message decides what to do."""
    outcome = outcome_of(status, body)
    assert (outcome.status, outcome.verdict) == (Status.ERRORED, verdict)
    assert outcome.message is None
    assert outcome.is_rate_limited is (status == 429)
    assert outcome.is_unreachable is (status >= 500)
    assert outcome.error_type
    assert outcome.error_message
    assert (outcome.hint is not None) is (verdict is HALT)


@pytest.mark.parametrize(
    ("status", "body", "verdict"),
    [
        pytest.param(429, error("rate_limit_error", code="ramp_limit_exceeded"), RETRY, id="ramp"),
        pytest.param(429, error("x", code="enforced_spend_limit_reached"), HALT, id="enforced"),
        pytest.param(429, error("x", code="contract_spend_limit_reached"), HALT, id="contract"),
        pytest.param(
            402, error("x", code="linked_organization_spend_limit_reached"), HALT, id="linked"
        ),
        pytest.param(
            402, error("x", code="linked_organization_billing_unavailable"), HALT, id="linked off"
        ),
        pytest.param(400, error("x", code="organization_on_hold"), HALT, id="on hold"),
        pytest.param(400, error("invalid_request_error", SPEND), HALT, id="own limit"),
        pytest.param(400, error("invalid_request_error", WORKSPACE), HALT, id="workspace limit"),
        pytest.param(400, error("x", f"not: {SPEND}"), FINAL, id="quoted limit"),
        pytest.param(400, error("x", code="image_dimensions_too_large"), FINAL, id="image"),
        pytest.param(
            413, error("x", code="request_body_too_large_after_decoding"), FINAL, id="413"
        ),
        pytest.param(400, error("x", code="request_body_timeout"), RETRY, id="slow body"),
        pytest.param(429, error("x", code="from_the_future"), RETRY, id="unknown code of 429"),
        pytest.param(400, error("x", code="from_the_future"), FINAL, id="unknown code of 400"),
    ],
)
def test_codes_and_spend_limits(status: int, body: bytes, verdict: Verdict) -> None:
    """Spend limits come with 400, 402 and 429; for an unknown code only the status counts."""
    outcome = outcome_of(status, body)
    assert (outcome.verdict, outcome.billing) == (verdict, FREE)
    assert (outcome.hint is not None) is (verdict is HALT)


def test_the_acceleration_limit_is_a_rate_limit() -> None:
    """It is waited for like other rate limits, also when it comes after a 200."""
    ramp = error("rate_limit_error", code="ramp_limit_exceeded")
    for outcome in (outcome_of(429, ramp), outcome_of(200, ramp, "client.stream_error")):
        assert (outcome.verdict, outcome.is_rate_limited) == (RETRY, True)


@pytest.mark.parametrize(
    "text",
    [
        "This model does not support assistant message prefill. Use structured outputs.",
        '"thinking.type.enabled" is not supported for this model. Use "adaptive".',
        '"thinking.type.disabled" is not supported for this model.',
        "adaptive thinking is not supported on this model",
        "Schema is too complex for compilation.",
        "prompt is too long: 210000 tokens > 200000 maximum",
    ],
)
def test_the_common_refusals_fail_their_row(text: str) -> None:
    """Another attempt would be refused again; the row has the reason, and the run continues."""
    outcome = outcome_of(400, error("invalid_request_error", text))
    assert (outcome.verdict, outcome.billing) == (FINAL, FREE)
    assert (outcome.error_type, outcome.error_message) == ("invalid_request_error", text)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("enforced_spend_limit_reached", "spend limit"),
        ("linked_organization_billing_unavailable", "billing"),
        ("organization_on_hold", "on hold"),
    ],
)
@pytest.mark.parametrize("status", [400, 402, 429, 200])
def test_a_halting_code_has_a_hint(code: str, words: str, status: int) -> None:
    """With any status, no request can succeed until somebody acts, and the hint says how."""
    fault = "client.stream_error" if status == 200 else None
    outcome = outcome_of(status, error("rate_limit_error", code=code), fault)
    assert outcome.verdict is HALT
    assert words in outcome.hint


@pytest.mark.parametrize(
    ("status", "should_retry", "verdict"),
    [
        (500, "false", FINAL),
        (409, "false", FINAL),
        (529, "true", RETRY),
        (529, "invalid", RETRY),
        (400, "true", FINAL),
        (400, "false", FINAL),
        (401, "true", HALT),
        (401, "false", HALT),
    ],
)
def test_x_should_retry(status: int, should_retry: str, verdict: Verdict) -> None:
    """The server may forbid a retry; it cannot ask for one that we would not make."""
    assert outcome_of(status, b"", x_should_retry=should_retry).verdict is verdict


def test_another_success_may_have_been_billed() -> None:
    """Only 200 is documented: a message is billed, and without one the status is unknown."""
    assert outcome_of(201, message()).billing is BILLED
    for fault in (None, "client.cut_short"):
        outcome = outcome_of(204, b"", fault)
        assert (outcome.verdict, outcome.billing) == (RETRY, UNKNOWN)


BEFORE_STATUS, AFTER_STATUS = (
    re.findall(r"^    (client\.\w+)", part, re.MULTILINE)
    for part in faults.__doc__.split("After a status line")
)


@pytest.mark.parametrize(
    "fault", [fault for fault in AFTER_STATUS if fault != "client.stream_error"]
)
def test_an_incomplete_200(fault: str) -> None:
    """It may be billed, so it is unknown, even if its bytes look like a message."""
    outcome = outcome_of(200, message(), fault)
    assert (outcome.verdict, outcome.billing, outcome.error_type) == (RETRY, UNKNOWN, fault)
    assert outcome.message is None


def test_an_incomplete_error() -> None:
    """Its status is enough for a verdict, and does not say whether it was billed."""
    outcome = outcome_of(529, b'{"type":"err', "client.cut_short")
    assert (outcome.verdict, outcome.billing, outcome.error_type) == (RETRY, UNKNOWN, "http_529")
    assert outcome_of(401, b"", "client.cut_short").verdict is HALT


PAID = b'"usage": {"input_tokens": 10, "output_tokens": 5}'


@pytest.mark.parametrize(
    "content",
    [
        b'[{"type": "text", "text": "yes"}], "score": NaN',
        b'[{"type": "text", "text": "yes"}], "score": [1, {"a": -Infinity}]',
        b'[{"type": "tool_use", "id": "t", "name": "n", "input": {"score": 1e999}}]',
        b'[{"type": "tool_use", "id": "t", "name": "n", "input": {"score": -1e999}}]',
    ],
)
def test_an_answer_with_nan_is_paid(content: bytes) -> None:
    """Its usage is read and billed; the row failed for good, and says why."""
    outcome = outcome_of(200, b'{"type": "message", "content": ' + content + b", " + PAID + b"}")
    assert (outcome.status, outcome.verdict, outcome.billing) == (Status.ERRORED, FINAL, BILLED)
    assert outcome.error_type == "client.special_number"
    assert outcome.message is not None
    assert outcome.message.usage == {"input_tokens": 10, "output_tokens": 5}
    assert outcome.message.tool_input is None
    cut = outcome_of(200, b'{"type": "message", "content": ' + content + b", " + PAID)
    assert (cut.verdict, cut.billing, cut.error_type) == (RETRY, UNKNOWN, "client.unreadable")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        b'{"type":"message"}',
        b'{"usage":NaN}',
        b"[" * 100_000,
        message(content="text"),
        message(stop_reason=5),
    ],
)
def test_an_unreadable_200_may_have_been_billed(body: bytes) -> None:
    """It is retried within the allowance for unknown attempts."""
    outcome = outcome_of(200, body)
    assert (outcome.verdict, outcome.billing) == (RETRY, UNKNOWN)
    assert outcome.error_type == "client.unreadable"


@pytest.mark.parametrize(
    ("kind", "verdict", "is_limited", "is_unreachable"),
    [
        ("overloaded_error", RETRY, False, True),
        ("rate_limit_error", RETRY, True, False),
        ("api_error", RETRY, False, True),
        ("timeout_error", RETRY, False, True),
        ("conflict_error", RETRY, False, False),
        ("request_too_large", FINAL, False, False),
        ("authentication_error", HALT, False, False),
        ("billing_error", HALT, False, False),
        ("permission_error", HALT, False, False),
        ("not_found_error", HALT, False, False),
        ("invalid_request_error", FINAL, False, False),
        ("from_the_future", FINAL, False, False),
    ],
)
@pytest.mark.parametrize(
    ("fault", "layout"),
    [("client.stream_error", None), (None, None), (None, 2)],
    ids=["in a stream", "as the body", "as an indented body"],
)
def test_an_error_after_a_200(
    kind: str,
    verdict: Verdict,
    is_limited: bool,
    is_unreachable: bool,
    fault: str | None,
    layout: int | None,
) -> None:
    """Its type decides what to do; what was streamed before it may be billed."""
    body = json.dumps(json.loads(error(kind, "why")), indent=layout).encode()
    outcome = outcome_of(200, body, fault)
    assert (outcome.verdict, outcome.billing) == (verdict, UNKNOWN)
    assert (outcome.error_type, outcome.error_message) == (kind, "why")
    assert (outcome.is_rate_limited, outcome.is_unreachable) == (is_limited, is_unreachable)


@pytest.mark.parametrize("body", [b"", b"junk", b"{}", b'{"type":"error"}'])
def test_an_unreadable_error_after_a_200_is_transient(body: bytes) -> None:
    """It does not say that the request was bad, so the row is retried."""
    outcome = outcome_of(200, body, "client.stream_error")
    assert (outcome.verdict, outcome.billing) == (RETRY, UNKNOWN)
    assert outcome.error_type == "client.stream_error"


@pytest.mark.parametrize(
    ("was_sent", "is_fatal", "verdict", "billing"),
    [
        (True, False, RETRY, UNKNOWN),
        (False, False, RETRY, FREE),
        (False, True, HALT, FREE),
        (True, True, HALT, UNKNOWN),
    ],
)
def test_no_response(was_sent: bool, is_fatal: bool, verdict: Verdict, billing: Billing) -> None:
    """A request that may have been sent may be billed; one that was not sent is free."""
    outcome = classify(NoResponse("client.connect", "refused", was_sent, 1.0, is_fatal))
    assert (outcome.verdict, outcome.billing) == (verdict, billing)
    assert (outcome.error_type, outcome.error_message) == ("client.connect", "refused")
    assert outcome.is_unreachable
    assert outcome.is_unsent is not was_sent
    assert (outcome.hint is not None) is is_fatal


NEVER_SENT = {"dns", "connect", "connect_timeout", "proxy", "pool", "tls"}


@pytest.mark.parametrize("error_type", BEFORE_STATUS)
def test_every_fault_before_a_status(error_type: str) -> None:
    """The row is retried, and unknown only if the request may have been sent."""
    was_sent = error_type.removeprefix("client.") not in NEVER_SENT
    is_fatal = error_type == "client.tls"
    outcome = classify(NoResponse(error_type, "why", was_sent, 1.0, is_fatal))
    assert (outcome.status, outcome.error_type) == (Status.ERRORED, error_type)
    assert outcome.verdict is (HALT if is_fatal else RETRY)
    assert outcome.billing is (UNKNOWN if was_sent else FREE)


def test_the_lists_of_faults_are_complete() -> None:
    """Both are read from the docstring of the module that defines the faults."""
    assert (len(BEFORE_STATUS), len(AFTER_STATUS)) == (11, 8)
