"""Failures that the client gets instead of an answer."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from batcher.simulator.api_error import ApiError
from batcher.simulator.faults.fault import Fault
from batcher.simulator.wire.connection import Exchange

HTML = (
    b"<html>\r\n<head><title>500 Internal Server Error</title></head>\r\n<body>\r\n"
    b"<center><h1>500 Internal Server Error</h1></center>\r\n<hr><center>cloudflare</center>\r\n"
    b"</body>\r\n</html>\r\n"
)
OTHER_HOST_URL = "http://example.invalid/v1/messages"
OWN_SPEND_LIMIT = (
    "You have reached your specified API usage limits. "
    "You will regain access on 2026-12-01 at 00:00 UTC."
)
TOO_FAST = "Your organization's usage grew too fast; please ramp up gradually."
SPEND_LIMIT = "Your organization has reached its monthly spend limit."


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    message: str | None = None
    code: str | None = None
    has_retry_after: bool = False
    forbids_retry: bool = False


ERRORS = {
    "rate_limit": _Kind(429, has_retry_after=True),
    "rate_limit_bare": _Kind(429),
    "ramp_limit": _Kind(429, TOO_FAST, "ramp_limit_exceeded", has_retry_after=True),
    "spend_limit": _Kind(429, SPEND_LIMIT, "enforced_spend_limit_reached"),
    "contract_spend_limit": _Kind(429, SPEND_LIMIT, "contract_spend_limit_reached"),
    "own_spend_limit": _Kind(400, OWN_SPEND_LIMIT),
    "overloaded": _Kind(529),
    "no_retry": _Kind(529, forbids_retry=True),
}


def api_error(fault: Fault) -> ApiError | None:
    """Return the API error of a fault, or None for a fault that is no API error."""
    kind = _Kind(fault.status) if fault.kind == "status" else ERRORS.get(fault.kind)
    if kind is None:
        return None
    headers = {}
    if kind.has_retry_after and fault.retry_after_s is not None:
        headers["retry-after"] = f"{fault.retry_after_s:g}"
    if kind.forbids_retry:
        headers["x-should-retry"] = "false"
    message, code = fault.message or kind.message, fault.code or kind.code
    return ApiError(kind.status, message, code=code, headers=headers)


async def fail(fault: Fault, exchange: Exchange, headers: Mapping[str, str]) -> int | None:
    """Fail as the fault requires; return the status sent, if any."""
    request_id = headers["request-id"]
    match fault.kind:
        case "server_error_html":
            await exchange.reply(500, {**headers, "content-type": "text/html"}, HTML)
            return 500
        case "redirect":
            await exchange.reply(307, {**headers, "location": OTHER_HOST_URL}, b"")
            return 307
        case "error_200":
            body = json.dumps(ApiError(529).as_json(request_id)).encode()
            await exchange.reply(200, {**headers, "content-type": "application/json"}, body)
            return 200
        case _:
            exchange.reset()
            return None


def early_answer(fault: Fault, headers: Mapping[str, str]) -> bytes:
    """Return the bytes that are sent before a request is reset of which only a part has arrived."""
    if fault.kind != "early_413":
        return b""
    body = ApiError(413).body(headers["request-id"])
    fields = {**headers, "content-type": "application/json", "content-length": str(len(body))}
    lines = [
        "HTTP/1.1 413 Payload Too Large",
        *(f"{key}: {value}" for key, value in fields.items()),
    ]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode() + body
