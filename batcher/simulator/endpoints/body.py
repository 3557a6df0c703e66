"""The JSON body of a request."""

import json

from batcher.simulator.api_error import ApiError
from batcher.simulator.json_body import Body, hashed, refuse_constant
from batcher.simulator.wire.connection import Request


def read_body(request: Request) -> Body:
    """Parse and hash a body; raise the API's error for one that is not a JSON object."""
    check_envelope(request)
    try:
        value = json.loads(request.body, parse_constant=refuse_constant)
        if not isinstance(value, dict):
            raise ApiError(400, "The request body must be a JSON object.")
        return hashed(value, request.body)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, f"The request body is not valid JSON: {error}") from error


def check_envelope(request: Request) -> None:
    """Refuse a body that is too large, of another type or compressed."""
    if request.is_too_large:
        raise ApiError(413, "Request exceeds the maximum size")
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise ApiError(400, "Content-Type must be application/json")
    if request.headers.get("content-encoding", "identity") != "identity":
        text = "The request body's content encoding is not supported."
        raise ApiError(400, text, code="request_body_encoding_unsupported")
