"""Our verdict on one attempt: its status, whether it is retried, and whether somebody must act.

The rules follow the API's documentation of errors, stop reasons and spend limits (October and
November 2026) and the error codes of its SDK. For an unknown code only the HTTP status counts.
"""

from dataclasses import dataclass, field, replace
from enum import StrEnum

from batcher.core.answers.api_errors import (
    ACCESS_STATUSES,
    ADVICE_BY_STATUS,
    STATUS_OF_STREAM_ERROR,
    account_error,
    is_about_row,
    is_transient,
)
from batcher.core.answers.gateway import may_be_billed
from batcher.core.answers.message import (
    ApiError,
    Message,
    UnreadableMessage,
    is_error_body,
    parse_error,
    parse_message,
)
from batcher.core.answers.response import NoResponse, Response
from batcher.core.answers.retry_after import retry_after_s


class Status(StrEnum):
    """The status of a row, as in the output's column ``_status``."""

    SUCCEEDED = "succeeded"
    TRUNCATED = "truncated"  # the answer is incomplete: max_tokens, context window, paused turn
    REFUSED = "refused"
    EMPTY = "empty"  # complete, but without any text or tool call
    INVALID = "invalid"  # complete, but it does not fit the label schema
    ERRORED = "errored"
    CANCELED = "canceled"  # its batch was cancelled before the request began
    EXPIRED = "expired"  # its batch came to its end of 24 hours before the request began
    SKIPPED = "skipped"  # nothing was sent, because the prompt is empty


class Verdict(StrEnum):
    """What to do after an attempt."""

    FINAL = "final"  # this is the result of the row, good or bad; it is never sent again
    RETRY = "retry"  # a transient error, or an invalid answer; another attempt may succeed
    HALT = "halt"  # no request can succeed until somebody acts, so the run stops


class Scope(StrEnum):
    """Whom a failure concerns, as far as the failure alone tells."""

    ROW = "row"  # its row explains it: too long, declined, blocked
    UNCLEAR = "unclear"  # perhaps every request
    EVERY_REQUEST = "every request"  # usually: the key, the model, the address, an overload


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
    is_acceleration: bool = False  # the rate grew too fast for the API
    is_overloaded: bool = False  # the server has too much load, perhaps from other clients
    is_unsent: bool = False  # the request was certainly not sent
    is_unreachable: bool = False  # no response, or a status of 500 and above
    message: Message | None = None
    complaint: str | None = field(default=None, repr=False)
    scope: Scope = Scope.UNCLEAR
    forbids_retry: bool = False  # the server asks not to send this request again now

    @property
    def is_transient(self) -> bool:
        """Whether it is a transient error: of the API, or of the connection to it."""
        return self.verdict is Verdict.RETRY and self.message is None


UNREADABLE = "client.unreadable"  # a complete response that is not a message
_OVERLOADED = frozenset({429, 503, 529})

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
        if is_error_body(response.body):
            return _of_error_in_200(response)
        return _unreadable(UNREADABLE, str(error))
    if message.has_special_numbers:
        return _of_special_numbers(message)
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
    if status is Status.SUCCEEDED and message.is_empty and message.stop_reason != "stop_sequence":
        return Outcome(
            Status.EMPTY,
            Verdict.FINAL,
            Billing.BILLED,
            error_type="client.empty_answer",
            error_message="the answer has no text",
            message=message,
        )
    return Outcome(
        status,
        Verdict.FINAL,
        Billing.BILLED,
        error_type=None if status is Status.SUCCEEDED else message.stop_reason,
        error_message=message.stop_category,
        message=message,
        scope=Scope.UNCLEAR if status is Status.SUCCEEDED else Scope.ROW,
    )


def _of_special_numbers(message: Message) -> Outcome:
    """Return the verdict on an answer with NaN: it has a usage, so it was generated and is paid."""
    return Outcome(
        Status.ERRORED,
        Verdict.FINAL,
        Billing.BILLED,
        error_type="client.special_number",
        error_message="the answer holds NaN or a number without an end, which JSON does not have",
        message=message,
    )


def _of_incomplete_response(response: Response) -> Outcome:
    """Return the verdict on a response that broke off after its status; a 2xx may be billed."""
    if response.fault == "client.stream_error":
        return _of_error_in_200(response)
    if _is_success(response):
        reason = response.fault_detail or "the response is incomplete"
        return _unreadable(response.fault or UNREADABLE, reason)
    return _of_error(response, response.status)


def _of_error_in_200(response: Response) -> Outcome:
    """Return the verdict on an error after a 200: what was streamed before it may be billed."""
    error = parse_error(response.body)
    if not error.type:
        return _unreadable("client.stream_error", "an unreadable error after a 200")
    status = STATUS_OF_STREAM_ERROR.get(error.type, 400)
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
    verdict, hint = _verdict_on(status, error)
    forbids_retry = is_transient(status, error) and _forbids_retry(response)
    if forbids_retry and status not in _OVERLOADED:
        verdict = Verdict.FINAL
    return Outcome(
        Status.ERRORED,
        verdict,
        Billing.UNKNOWN if may_be_billed(status, error) else Billing.FREE,
        error_type=error.type or f"http_{status}",
        error_message=error.message or f"HTTP {status}",
        hint=hint,
        retry_after_s=retry_after_s(response) if verdict is Verdict.RETRY else None,
        is_rate_limited=status == 429,
        is_acceleration=status == 429 and error.error_code == "ramp_limit_exceeded",
        is_overloaded=status in {503, 529},
        is_unreachable=status >= 500,
        scope=_scope_of(status, error, forbids_retry=forbids_retry),
        forbids_retry=forbids_retry and verdict is Verdict.RETRY,
    )


def _verdict_on(status: int, error: ApiError) -> tuple[Verdict, str | None]:
    about_account = account_error(error)
    if about_account is not None:
        return Verdict.HALT, about_account.advice
    if status in ADVICE_BY_STATUS:
        return Verdict.HALT, ADVICE_BY_STATUS[status]
    if 300 <= status < 400:
        return Verdict.HALT, "redirects are not followed; set api.base_url to the new address"
    return (Verdict.RETRY if is_transient(status, error) else Verdict.FINAL), None


def _forbids_retry(response: Response) -> bool:
    """Return whether the server forbids a retry; it cannot ask for one of a permanent error."""
    return response.headers.get("x-should-retry") == "false"


def _scope_of(status: int, error: ApiError, *, forbids_retry: bool) -> Scope:
    if account_error(error) is not None:
        return Scope.UNCLEAR  # its verdict halts the run
    is_refused_overload = forbids_retry and status in _OVERLOADED
    if status in ACCESS_STATUSES or 300 <= status < 400 or is_refused_overload:
        return Scope.EVERY_REQUEST
    return Scope.ROW if is_about_row(error) else Scope.UNCLEAR
