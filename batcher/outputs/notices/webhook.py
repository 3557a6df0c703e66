"""Posts a notice to a webhook, whose address is a secret."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx

from batcher.core.job.server import is_sendable_key
from batcher.core.notice import NotDelivered

TRIES = 3
TIMEOUT_S = 10.0
_BACKOFF_S = 1.0

Sleep = Callable[[float], Awaitable[None]]


async def post(
    transport: httpx.AsyncBaseTransport,
    url: httpx.URL,
    token: str | None,
    content: Mapping[str, Any],
    sleep: Sleep = asyncio.sleep,
    timeout_s: float = TIMEOUT_S,
) -> None:
    """Post JSON; try up to three times while another try may help. Raises NotDelivered.

    Requests go directly to the transport, because httpx's client would log the whole address.
    Redirects are not followed: they could send the token to another host. ``timeout_s`` bounds each
    try, from connecting to the response's status.
    """
    request = _request(url, token, content)
    for number in range(1, TRIES + 1):
        reason, is_transient = await _try(transport, request, timeout_s)
        if reason is None:
            return
        if not is_transient or number == TRIES:
            tries = "" if number == 1 else f", {number} times"
            raise NotDelivered(f"{reason}{tries}")
        await sleep(_BACKOFF_S * 2 ** (number - 1))


def check_token(token: str) -> None:
    """Raise NotDelivered for a token that cannot be sent in a header."""
    if not is_sendable_key(token):
        raise NotDelivered("the token has spaces, line breaks or characters outside ASCII")


def _request(url: httpx.URL, token: str | None, content: Mapping[str, Any]) -> httpx.Request:
    headers = {"content-type": "application/json", "user-agent": "batcher", "accept": "*/*"}
    if token is not None:
        check_token(token)
        headers["authorization"] = f"Bearer {token}"
    body = json.dumps(content, ensure_ascii=False, default=str).encode("utf-8", "replace")
    return httpx.Request("POST", url, headers=headers, content=body)


async def _try(
    transport: httpx.AsyncBaseTransport, request: httpx.Request, timeout_s: float
) -> tuple[str | None, bool]:
    """Send it once; return why it failed (or None) and whether another try may help."""
    try:
        async with asyncio.timeout(timeout_s):
            response = await transport.handle_async_request(request)
            await response.aclose()
    except (TimeoutError, httpx.TimeoutException):
        return f"the webhook did not respond within {timeout_s:g} s", True
    except httpx.HTTPError as error:
        return f"the webhook cannot be reached ({type(error).__name__})", True
    status = response.status_code
    if 200 <= status < 300:
        return None, False
    if 300 <= status < 400:
        return f"the webhook responded with {status}, a redirect, which is not followed", False
    return f"the webhook responded with {status}", status in (408, 429) or status >= 500
