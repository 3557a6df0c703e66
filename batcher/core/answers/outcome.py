"""Our verdict on one attempt: its status, whether it is retried, and whether somebody must act.

The rules follow the API's documentation of errors, stop reasons and spend limits (October and
November 2026) and the error codes of its SDK. For an unknown code only the HTTP status counts.
"""

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

from batcher.core.answers.gateway import may_be_billed
from batcher.core.answers.message import (
    ApiError,
    Message,
    UnreadableMessage,
    parse_error,
    parse_message,
)
from batcher.core.answers.response import NoResponse, Response
from batcher.core.answers.strict_json import load


class Status(StrEnum):
    """The status of a row, as in the output's column ``_status``."""

    SUCCEEDED = "succeeded"
    TRUNCATED = "truncated"  # the answer is incomplete: max_tokens, context window, paused turn
    REFUSED = "refused"
    INVALID = "invalid"  # complete, but it does not fit the label schema
    ERRORED = "errored"
    SKIPPED = "skipped"  # nothing was sent, because the prompt is empty


class Verdict(StrEnum):
    """What to do after an attempt."""

    FINAL = "final"  # this is the result of the row, good or bad; it is never sent again
    RETRY = "retry"  # a transient error, or an invalid answer; another attempt may succeed
    HALT = "halt"  # no request can succeed until somebody acts, so the run stops


class Billing(StrEnum):
    """The billing status of an attempt."""

    BILLED = "billed"  # its cost is known from the usage in the response
    FREE = "free"  # it was never sent, or ended in an error that is not billed
    UNKNOWN = "unknown"  # it may have been billed, but there is no usage


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one attempt; ``message`` is None unless the response has a message.

    ``complaint`` says how an invalid answer breaks the label schema; only the model may see it.
    """

    status: Status
    verdict: Verdict
    billing: Billing
    error_type: str | None = None
    error_message: str | None = None
    hint: str | None = None
    retry_after_s: float | None = None
    is_rate_limited: bool = False
    is_overloaded: bool = False  # the server has too much load, perhaps from other clients
    is_unsent: bool = False  # the request was certainly not sent
    is_unreachable: bool = False  # no response, or a status of 500 and above
    message: Message | None = None
    complaint: str | None = field(default=None, repr=False)

    @property
    def is_transient(self) -> bool:
        """Whether it is a transient error: of the API, or of the connection to it."""
        return self.verdict is Verdict.RETRY and self.message is None


_SPEND_LIMIT = "the spend limit is reached; raise it in the console, then run again"
_BILLING = "see the billing page of the console; then run again"
# Codes that halt a run, with any status, and what to do.
_HALTING_CODES = {
    "enforced_spend_limit_reached": _SPEND_LIMIT,
    "contract_spend_limit_reached": _SPEND_LIMIT,
    "linked_organization_spend_limit_reached": _SPEND_LIMIT,
    "linked_organization_billing_unavailable": _BILLING,
    "organization_on_hold": "the organization is on hold; see the console, then run again",
}
# A limit that a user set in the console has no error code, only a message that starts like this.
_SPEND_LIMIT_PREFIXES = (
    "You have reached your specified API usage limits",
    "You have reached your specified workspace API usage limits",
)
_HALTS = {
    401: "check the key: it may be wrong, expired or for another server",
    402: _BILLING,
    403: "ask for permission, or use another key or model; then run again",
    404: "check request.model and api.base_url: the model may be retired or the address wrong",
}
_STATUS_OF_STREAM_ERROR = {
    "overloaded_error": 529,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "conflict_error": 409,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
}
_STATUS_OF_STOP_REASON = {
    "end_turn": Status.SUCCEEDED,
    "stop_sequence": Status.SUCCEEDED,
    "tool_use": Status.SUCCEEDED,
    "max_tokens": Status.TRUNCATED,
    "model_context_window_exceeded": Status.TRUNCATED,
    "pause_turn": Status.TRUNCATED,
    "refusal": Status.REFUSED,
}


def classify(result: Response | NoResponse) -> Outcome:
    """Return the verdict on the result of one attempt."""
    if isinstance(result, NoResponse):
        return _of_no_response(result)
    if _is_success(result) and result.fault is None:
        return _of_message(result)
    if result.fault is not None:
        return _of_incomplete_response(result)
    return _of_error(result, result.status)


def _is_success(response: Response) -> bool:
    # Only 200 is documented, but any 2xx may have been billed.
    return 200 <= response.status < 300


def _of_no_response(result: NoResponse) -> Outcome:
    is_answerable = result.was_sent and not result.is_cut
    billing = Billing.UNKNOWN if is_answerable else Billing.FREE
    verdict = Verdict.HALT if result.is_fatal else Verdict.RETRY
    hint = (
        "the certificate of the server cannot be verified; check api.base_url"
        if result.is_fatal
        else None
    )
    return Outcome(
        Status.ERRORED,
        verdict,
        billing,
        error_type=result.error_type,
        error_message=result.message,
        hint=hint,
        is_unsent=not result.was_sent,
        is_unreachable=True,
    )


def _of_message(response: Response) -> Outcome:
    """Return the verdict on a complete response with status 2xx."""
    try:
        message = parse_message(response.body)
    except UnreadableMessage as error:
        if _is_error_body(response.body):
            return _of_error_in_200(response)
        return _unreadable("client.unreadable", str(error))
    status = _STATUS_OF_STOP_REASON.get(message.stop_reason or "")
    if status is None:
        return Outcome(
            Status.ERRORED,
            Verdict.FINAL,
            Billing.BILLED,
            error_type="client.unknown_stop_reason",
            error_message=f"stop_reason is {message.stop_reason!r}",
            message=message,
        )
    return Outcome(
        status,
        Verdict.FINAL,
        Billing.BILLED,
        error_type=None if status is Status.SUCCEEDED else message.stop_reason,
        error_message=message.stop_category,
        message=message,
    )


def _of_incomplete_response(response: Response) -> Outcome:
    """Return the verdict on a response that broke off after its status; a 2xx may be billed."""
    if response.fault == "client.stream_error":
        return _of_error_in_200(response)
    if _is_success(response):
        reason = response.fault_detail or "the response is incomplete"
        return _unreadable(response.fault or "client.unreadable", reason)
    return _of_error(response, response.status)


def _of_error_in_200(response: Response) -> Outcome:
    """Return the verdict on an error after a 200: what was streamed before it may be billed."""
    error = parse_error(response.body)
    if not error.type:
        return _unreadable("client.stream_error", "an unreadable error after a 200")
    status = _STATUS_OF_STREAM_ERROR.get(error.type, 400)
    return replace(_of_error(response, status), billing=Billing.UNKNOWN)


def _unreadable(error_type: str, reason: str) -> Outcome:
    return Outcome(
        Status.ERRORED,
        Verdict.RETRY,
        Billing.UNKNOWN,
        error_type=error_type,
        error_message=reason,
    )


def _of_error(response: Response, status: int) -> Outcome:
    error = parse_error(response.body)
    verdict, hint = _verdict_on(status, error, response.headers.get("x-should-retry"))
    return Outcome(
        Status.ERRORED,
        verdict,
        Billing.UNKNOWN if may_be_billed(status, error) else Billing.FREE,
        error_type=error.type or f"http_{status}",
        error_message=error.message or f"HTTP {status}",
        hint=hint,
        retry_after_s=retry_after_s(response) if verdict is Verdict.RETRY else None,
        is_rate_limited=status == 429,
        is_overloaded=status in {503, 529},
        is_unreachable=status >= 500,
    )


def _verdict_on(
    status: int, error: ApiError, should_retry: str | None
) -> tuple[Verdict, str | None]:
    if error.error_code in _HALTING_CODES:
        return Verdict.HALT, _HALTING_CODES[error.error_code]
    if error.message.startswith(_SPEND_LIMIT_PREFIXES):
        return Verdict.HALT, _SPEND_LIMIT
    if status in _HALTS:
        return Verdict.HALT, _HALTS[status]
    if 300 <= status < 400:
        return Verdict.HALT, "redirects are not followed; set api.base_url to the new address"
    if status in {408, 409, 429} or status >= 500 or error.error_code == "request_body_timeout":
        # The server may forbid a retry of these errors; it cannot ask for a retry of others.
        return (Verdict.FINAL if should_retry == "false" else Verdict.RETRY), None
    return Verdict.FINAL, None


def _is_error_body(body: bytes) -> bool:
    try:
        content = load(body)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("type") == "error"


def retry_after_s(response: Response) -> float | None:
    """Return the seconds to wait: from ``retry-after-ms``, else seconds, else an HTTP date.

    A date is compared with the ``date`` of the response, because the local clock may be wrong.
    Negative, infinite and unreadable values are None.
    """
    headers = response.headers
    milliseconds = _finite(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _finite(value)
    if seconds is not None or value is None:
        return seconds
    then, now = _http_date(value), _http_date(headers.get("date"))
    if then is None or now is None:
        return None
    return max(0.0, (then - now).total_seconds())


def _finite(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _http_date(text: str | None) -> datetime | None:
    try:
        date_time = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return date_time if date_time.tzinfo else date_time.replace(tzinfo=UTC)
