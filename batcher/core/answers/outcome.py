"""Our verdict on one attempt: what became of it, whether to try again, and who has to act.

The rules follow the API's documentation of errors, stop reasons and spend limits (October and
November 2026) and its SDK's error codes. A code that is not known counts as its bare status.
"""

import math
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

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
    """What became of a row; the names are those of the output's ``_status`` column."""

    SUCCEEDED = "succeeded"
    TRUNCATED = "truncated"  # the answer stops before its end: max_tokens, context, paused turn
    REFUSED = "refused"
    INVALID = "invalid"  # whole, but not what the job's schema wants
    ERRORED = "errored"
    SKIPPED = "skipped"  # nothing was asked: its prompt is empty


class Verdict(StrEnum):
    """What to do now."""

    FINAL = "final"  # this is the row's answer, good or bad; it is never asked for again
    RETRY = "retry"  # passing trouble; the same request may succeed later
    HALT = "halt"  # no request can succeed until somebody acts


class Billing(StrEnum):
    """What we know of the money."""

    BILLED = "billed"  # priced from the usage that came back
    FREE = "free"  # never sent, or an error that is not billed
    UNKNOWN = "unknown"  # it may have been answered, and billed, unseen


@dataclass(frozen=True, slots=True)
class Outcome:
    """The verdict on one attempt; ``message`` is there when the API answered with one."""

    status: Status
    verdict: Verdict
    billing: Billing
    error_type: str | None = None
    error_message: str | None = None
    hint: str | None = None
    retry_after_s: float | None = None
    is_rate_limited: bool = False
    is_overloaded: bool = False  # the server has too much to do, from whomever
    is_unsent: bool = False  # it certainly never left
    is_unreachable: bool = False  # no answer, or one that says the server is in trouble
    message: Message | None = None
    complaint: str | None = field(default=None, repr=False)  # for the model, and nobody else

    @property
    def is_transient(self) -> bool:
        """Whether something is wrong with the API or the way to it, and it is worth another try."""
        return self.verdict is Verdict.RETRY and self.message is None


_SPENT = "the spend limit is reached; raise it in the console, then run again"
_BILLING = "see the billing page of the console; then run again"
# Codes that halt a run whatever status they come with, and what to do.
_HALTING_CODES = {
    "enforced_spend_limit_reached": _SPENT,
    "contract_spend_limit_reached": _SPENT,
    "linked_organization_spend_limit_reached": _SPENT,
    "linked_organization_billing_unavailable": _BILLING,
    "organization_on_hold": "the organization is on hold; see the console, then run again",
}
# A limit that somebody set in the console has no code of its own, only this opening.
_SPEND_OPENINGS = (
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
_ENDINGS = {
    "end_turn": Status.SUCCEEDED,
    "stop_sequence": Status.SUCCEEDED,
    "tool_use": Status.SUCCEEDED,
    "max_tokens": Status.TRUNCATED,
    "model_context_window_exceeded": Status.TRUNCATED,
    "pause_turn": Status.TRUNCATED,
    "refusal": Status.REFUSED,
}


def classify(result: Response | NoResponse) -> Outcome:
    """Judge what one attempt brought back."""
    if isinstance(result, NoResponse):
        return _without_answer(result)
    if _is_success(result) and result.fault is None:
        return _of_message(result)
    if result.fault is not None:
        return _of_broken_answer(result)
    return _of_error(result, result.status)


def _is_success(answer: Response) -> bool:
    # Only a 200 is documented, but any success may have been billed.
    return 200 <= answer.status < 300


def _without_answer(result: NoResponse) -> Outcome:
    billing = Billing.UNKNOWN if result.was_sent else Billing.FREE
    verdict = Verdict.HALT if result.is_fatal else Verdict.RETRY
    hint = (
        "the server's certificate does not verify; check api.base_url" if result.is_fatal else None
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


def _of_message(answer: Response) -> Outcome:
    """Judge a whole answer of success."""
    try:
        message = parse_message(answer.body)
    except UnreadableMessage as error:
        if _is_error_body(answer.body):
            return _of_error_in_200(answer)
        return _unread("client.unreadable", str(error))
    status = _ENDINGS.get(message.stop_reason or "")
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


def _of_broken_answer(answer: Response) -> Outcome:
    """Judge an answer whose transport failed after its status; a success may have been billed."""
    if answer.fault == "client.stream_error":
        return _of_error_in_200(answer)
    if _is_success(answer):
        return _unread(answer.fault or "client.unreadable", "the answer did not arrive whole")
    return _of_error(answer, answer.status)


def _of_error_in_200(answer: Response) -> Outcome:
    """Judge an error that came after a 200: what was streamed before it may be billed."""
    error = parse_error(answer.body)
    if not error.type:
        return _unread("client.stream_error", "an error that cannot be read came after a 200")
    status = _STATUS_OF_STREAM_ERROR.get(error.type, 400)
    return replace(_of_error(answer, status), billing=Billing.UNKNOWN)


def _unread(error_type: str, reason: str) -> Outcome:
    return Outcome(
        Status.ERRORED,
        Verdict.RETRY,
        Billing.UNKNOWN,
        error_type=error_type,
        error_message=reason,
    )


def _of_error(answer: Response, status: int) -> Outcome:
    error = parse_error(answer.body)
    verdict, hint = _verdict_on(status, error, answer.headers.get("x-should-retry"))
    # A server in trouble is not thought to bill; that it cannot be known is said in the docs.
    return Outcome(
        Status.ERRORED,
        verdict,
        Billing.FREE,
        error_type=error.type or f"http_{status}",
        error_message=error.message or f"HTTP {status}",
        hint=hint,
        retry_after_s=retry_after_s(answer) if verdict is Verdict.RETRY else None,
        is_rate_limited=status == 429,
        is_overloaded=status in {503, 529},
        is_unreachable=status >= 500,
    )


def _verdict_on(
    status: int, error: ApiError, should_retry: str | None
) -> tuple[Verdict, str | None]:
    if error.error_code in _HALTING_CODES:
        return Verdict.HALT, _HALTING_CODES[error.error_code]
    if error.message.startswith(_SPEND_OPENINGS):
        return Verdict.HALT, _SPENT
    if status in _HALTS:
        return Verdict.HALT, _HALTS[status]
    if 300 <= status < 400:
        return Verdict.HALT, "redirects are not followed; set api.base_url to where it leads"
    if status in {408, 409, 429} or status >= 500 or error.error_code == "request_body_timeout":
        # The server may say that trying again is useless; it may not call a bad request good.
        return (Verdict.FINAL if should_retry == "false" else Verdict.RETRY), None
    return Verdict.FINAL, None


def _is_error_body(body: bytes) -> bool:
    try:
        content = load(body)
    except ValueError:
        return False
    return isinstance(content, dict) and content.get("type") == "error"


def retry_after_s(answer: Response) -> float | None:
    """How long the server asks to wait: ``retry-after-ms``, else seconds, else an HTTP date.

    A date is measured against the answer's own ``date``, not against a local clock that may be
    wrong. Negative, infinite and unreadable values are None.
    """
    headers = answer.headers
    milliseconds = _positive(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _positive(value)
    if seconds is not None or value is None:
        return seconds
    then, now = _http_date(value), _http_date(headers.get("date"))
    if then is None or now is None:
        return None
    return max(0.0, (then - now).total_seconds())


def _positive(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
