"""An error in the shape of the API's error bodies."""

import json
from collections.abc import Mapping
from typing import Any

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}
MESSAGES = {
    400: "The request was malformed.",
    401: "invalid x-api-key",
    402: "There is a problem with the billing of this organization.",
    403: "Your API key does not have permission to use the specified resource.",
    404: "Not found",
    408: "Request timed out.",
    409: "The request conflicts with another one.",
    413: "Request exceeds the maximum size",
    429: "This request would exceed the rate limit of your organization.",
    500: "Internal server error",
    503: "Service unavailable",
    504: "The request timed out.",
    529: "Overloaded",
}


class ApiError(Exception):
    """A response other than 200 in the API's error shape."""

    def __init__(
        self,
        status: int,
        message: str | None = None,
        *,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.status = status
        self.type = error_type(status)
        self.message = message or MESSAGES.get(status, "The request failed.")
        self.code = code
        self.headers = dict(headers or {})
        super().__init__(self.message)

    def as_json(self, request_id: str) -> dict[str, Any]:
        """Return the whole body."""
        error: dict[str, Any] = {"type": self.type, "message": self.message}
        if self.code is not None:
            error["details"] = {"error_code": self.code}
        return {"type": "error", "error": error, "request_id": request_id}

    def body(self, request_id: str) -> bytes:
        """Return the whole body as bytes."""
        return json.dumps(self.as_json(request_id)).encode()


def error_type(status: int) -> str:
    """Return the error type of a status; other client errors have the type of status 400."""
    return TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
