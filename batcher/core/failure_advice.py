"""Advises what to do about a row that failed, by its error type."""

from collections.abc import Mapping

_RUN_AGAIN = "transient error; send it again: batcher run JOB"
_UNKNOWN = "its billing status is unknown; send it again: batcher run JOB"
_ON_HOLD = (
    "on hold, because the billing status of its attempts is unknown and no run sends it again; to "
    "send it: batcher retry JOB"
)
_NETWORK = "check the network and api.base_url, then: batcher run JOB"
_SIZE = "shorten the row or make its images smaller: the API accepts at most 32 MiB"

_BY_TYPE: Mapping[str, str] = {
    "max_tokens": "allow longer answers for these rows only: batcher retry JOB --only max_tokens "
    "--set request.max_tokens=N",
    "model_context_window_exceeded": "shorten the prompt, or use a model with a larger context "
    "window",
    "pause_turn": "the answer is incomplete; retry with a larger request.max_tokens, or ask for "
    "less",
    "refusal": "the model declined; if it should have answered, look at the row and change the "
    "prompt",
    "invalid_request_error": "the API rejects the request; fix the row, or retry with --set",
    "request_too_large": _SIZE,
    "rate_limit_error": "lower limits.requests_per_minute, or try again later: batcher run JOB",
    "overloaded_error": _RUN_AGAIN,
    "api_error": _RUN_AGAIN,
    "timeout_error": "lower request.max_tokens or set api.stream = true, then: batcher run JOB",
    "authentication_error": "check the API key, then: batcher run JOB",
    "billing_error": "check the billing page of the API console, then: batcher run JOB",
    "permission_error": "use a key with access to this model, or another model, then: batcher run "
    "JOB",
    "not_found_error": "check request.model and api.base_url",
    "client.bad_row": "fix the row in the input, then: batcher run JOB",
    "client.bad_id": "give every row a text or a whole number in the id column",
    "client.duplicate_id": "give every row its own id, or name another column in input.id",
    "client.bad_image": "fix the image or its path, then: batcher run JOB",
    "client.bad_document": "fix the document or its path, then: batcher run JOB",
    "client.too_long": 'shorten the row, or cut long rows: set input.on_too_long = "truncate"',
    "client.empty_answer": "the model answered nothing; change the prompt, or ask again: batcher "
    "retry JOB --only empty",
    "client.invalid_label": "look at the row, change the prompt or relax the schema, then retry",
    "client.template": "add the missing value to the row, or make it optional in the prompt",
    "client.too_large": _SIZE,
    "client.refused_by_model": "remove from the request what the model does not accept",
    "client.unknown_stop_reason": "the response is stored; a newer version of batcher may know its "
    "stop reason",
    "client.billing_unknown": _UNKNOWN,
    "client.answer_too_large": _UNKNOWN,
    "client.cut_short": _UNKNOWN,
    "client.protocol": _UNKNOWN,
    "client.stalled": _UNKNOWN,
    "client.undecodable": _UNKNOWN,
    "client.unreadable": _UNKNOWN,
    "client.stream_broken": _UNKNOWN,
    "client.stream_error": _UNKNOWN,
    "client.stream_incomplete": _UNKNOWN,
    "client.read": _UNKNOWN,
    "client.timeout": "raise limits.timeout_s or lower request.max_tokens, then: batcher run JOB",
    "client.connect": _NETWORK,
    "client.connect_timeout": _NETWORK,
    "client.dns": _NETWORK,
    "client.open_files": "raise ulimit -n or lower limits.concurrency, then: batcher run JOB",
    "client.proxy": "check the proxy, then: batcher run JOB",
    "client.tls": "check api.base_url: the certificate of the server is not valid",
    "client.answer_lost": "a damaged checkpoint lost the response; send it again: batcher run JOB",
    "client.not_sent": "not sent yet: batcher run JOB",
    "client.in_batch": "waits in a batch; to receive its answer: batcher run JOB",
}
WITHOUT_REQUEST = frozenset(
    {
        "client.bad_row",
        "client.bad_id",
        "client.duplicate_id",
        "client.bad_image",
        "client.bad_document",
        "client.too_long",
        "client.template",
        "client.too_large",
        "client.refused_by_model",
    }
)
"""Error types of rows that give no request, so that a retry has nothing to send."""

_BY_STATUS: Mapping[str, str] = {
    "truncated": "allow longer answers for these rows only: batcher retry JOB --only truncated "
    "--set request.max_tokens=N",
    "empty": "the model answered nothing; change the prompt, or ask again: batcher retry JOB "
    "--only empty",
    "refused": "if the model should have answered, look at the row and change the prompt",
    "unsent": "not sent yet: batcher run JOB",
}


_REFUSED_ALONE = (
    "the API refused this row while it answered others (a firewall?); look at it, then send it "
    "again: batcher retry JOB"
)
_REFUSALS = frozenset(
    {"authentication_error", "permission_error", "not_found_error", "http_401", "http_403"}
    | {"http_404", "http_302", "http_307"}
)


def advice(status: str, error_type: str | None, *, is_final: bool, is_on_hold: bool = False) -> str:
    """Return one line of advice for rows with this status and error type."""
    if is_on_hold:
        return _ON_HOLD
    if is_final and error_type in _REFUSALS:
        return _REFUSED_ALONE
    known = _BY_TYPE.get(error_type or "") or _BY_STATUS.get(status)
    if known is not None:
        return known
    return (
        "look at the attempts and the error message: batcher show JOB ID"
        if is_final
        else _RUN_AGAIN
    )
