"""What to do about a row that failed, by the type of its error."""

from collections.abc import Mapping

_AGAIN = "passing trouble: run the same command again"
_UNSEEN = "it may have been billed unseen; run again, or batcher retry once it is given up"
_ROW = "mend the row in the input, then run the same command again"

_BY_TYPE: Mapping[str, str] = {
    "max_tokens": "batcher retry JOB --only max_tokens --set request.max_tokens=N asks only these "
    "rows with more room",
    "model_context_window_exceeded": "shorten the prompt, or take a model with a larger window",
    "pause_turn": "the answer paused: retry with a larger request.max_tokens, or ask for less",
    "refusal": "the model declined; see the row, and reword the prompt if it should not have",
    "invalid_request_error": "the API does not take it: mend the row, or retry with --set",
    "request_too_large": "shorten the row or its images: the API takes at most 32 MiB",
    "rate_limit_error": "lower limits.requests_per_minute or run the same command again later",
    "overloaded_error": _AGAIN,
    "api_error": _AGAIN,
    "timeout_error": "lower request.max_tokens or set api.stream = true, then run again",
    "authentication_error": "check the key, then run the same command again",
    "billing_error": "see the billing page of the console, then run the same command again",
    "permission_error": "use a key or model that you may use, then run the same command again",
    "not_found_error": "check request.model and api.base_url",
    "client.bad_row": _ROW,
    "client.bad_id": "give every row a text or whole number in the id column",
    "client.duplicate_id": "give every row an id of its own, or name another column in input.id",
    "client.bad_image": "mend the image or its path, then run the same command again",
    "client.bad_document": "mend the document or its path, then run the same command again",
    "client.too_long": 'shorten the row, or set input.on_too_long = "truncate" to have it cut',
    "client.invalid_label": "see the row, reword the prompt or loosen the schema, and retry",
    "client.template": "give the row what the prompt asks for, or let the prompt do without",
    "client.too_large": "shorten the row or its images: the API takes at most 32 MiB",
    "client.refused_by_model": "take out of the request what the model does not accept",
    "client.unknown_stop_reason": "the answer is kept; a newer batcher may know how it ended",
    "client.billing_unknown": _UNSEEN,
    "client.answer_too_large": _UNSEEN,
    "client.cut_short": _UNSEEN,
    "client.protocol": _UNSEEN,
    "client.stalled": _UNSEEN,
    "client.undecodable": _UNSEEN,
    "client.unreadable": _UNSEEN,
    "client.stream_broken": _UNSEEN,
    "client.stream_error": _UNSEEN,
    "client.stream_incomplete": _UNSEEN,
    "client.read": _UNSEEN,
    "client.timeout": "raise limits.timeout_s or lower request.max_tokens, then run again",
    "client.connect": "check the network and api.base_url, then run the same command again",
    "client.connect_timeout": "check the network and api.base_url, then run the same command again",
    "client.dns": "check the network and api.base_url, then run the same command again",
    "client.proxy": "check the proxy, then run the same command again",
    "client.tls": "check api.base_url: the server's certificate does not verify",
    "client.answer_lost": "lost with a damaged checkpoint: run the same command again",
    "client.not_sent": "not asked yet: run the same command again",
}
CANNOT_BE_ASKED = frozenset(
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
    "truncated": "batcher retry JOB --only truncated --set request.max_tokens=N asks only these "
    "rows with more room",
    "refused": "see the row, and reword the prompt if it should have been answered",
    "unsent": "not asked yet: run the same command again",
}


def advice(status: str, error_type: str | None, *, is_final: bool) -> str:
    """Say in one line what to do about rows that ended like this; some advice for any."""
    known = _BY_TYPE.get(error_type or "") or _BY_STATUS.get(status)
    if known is not None:
        return known
    return "see the row's attempts and the error's message" if is_final else _AGAIN
