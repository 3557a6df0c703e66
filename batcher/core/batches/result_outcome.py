"""Our verdict on one result of a batch, in the same terms as that on a live response."""

from dataclasses import replace

from batcher.core.answers.api_errors import STATUS_OF_STREAM_ERROR
from batcher.core.answers.message import parse_error
from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict, classify
from batcher.core.answers.response import Response
from batcher.core.batches.wire import CANCELED, ERRORED, EXPIRED, SUCCEEDED, ResultLine

# The status that an error would have had as a live response. The API asks to send a request again
# after any error but that of an invalid request, so an error that is not known is one in passing.
_STATUS_OF_ERROR = {
    **STATUS_OF_STREAM_ERROR,
    "invalid_request_error": 400,
    "request_too_large": 413,
}
_IN_PASSING = 500

_TYPE_CHARACTERS = 50


def outcome_of(result: ResultLine) -> Outcome:
    """Return the verdict on a result.

    Only a message is billed: the API does not bill what is errored, canceled or expired. A type
    that is not known may hide an answer, so its billing status is unknown. A cancel, which the
    deadline of a run may ask for, uses up no attempt; batches that expire have to have an end.
    """
    if result.type == SUCCEEDED:
        return classify(_response(200, result.message))
    if result.type == ERRORED:
        return _of_error(result.error)
    if result.type == CANCELED:
        return _not_begun(Status.CANCELED, "the batch was cancelled before this request began")
    if result.type == EXPIRED:
        return _not_begun(Status.EXPIRED, "the batch expired before this request began")
    return Outcome(
        Status.ERRORED,
        Verdict.RETRY,
        Billing.UNKNOWN,
        error_type="client.unknown_result",
        error_message=f"the result has the type {result.type[:_TYPE_CHARACTERS]!r}",
    )


def without_result(reason: str, *, may_be_billed: bool = True) -> Outcome:
    """Return the verdict on an item whose result will never come."""
    return Outcome(
        Status.ERRORED,
        Verdict.RETRY,
        Billing.UNKNOWN if may_be_billed else Billing.FREE,
        error_type="client.result_lost",
        error_message=reason,
    )


def _of_error(body: bytes | None) -> Outcome:
    """Return the verdict on an error; what concerns the pace of live requests is left out."""
    error = parse_error(body or b"")
    outcome = classify(_response(_STATUS_OF_ERROR.get(error.type, _IN_PASSING), body))
    return replace(
        outcome,
        billing=Billing.FREE,
        error_type=error.type or "client.unknown_error",
        error_message=error.message or "an error without a message",
        is_rate_limited=False,
        is_acceleration=False,
        is_overloaded=False,
        is_unreachable=False,
    )


def _not_begun(status: Status, reason: str) -> Outcome:
    return Outcome(
        status,
        Verdict.RETRY,
        Billing.FREE,
        error_type=f"client.batch_{status}",
        error_message=reason,
        is_unsent=status is Status.CANCELED,
    )


def _response(status: int, body: bytes | None) -> Response:
    return Response(status, {}, body or b"", 0.0)
