"""Valid bodies and a raw HTTP client for the tests of the simulator."""

from typing import Any

import httpx

from batcher.simulator import Simulator

HEADERS = {"x-api-key": "sk-test", "anthropic-version": "2026-10-21"}


def body_of(prompt: str = "Say something.", **changes: Any) -> dict[str, Any]:
    """Return a valid request; a change to None removes the key."""
    body = {
        "model": "claude-haiku-5-5",
        "max_tokens": 2_000,
        "messages": [{"role": "user", "content": prompt}],
    } | changes
    return {key: value for key, value in body.items() if value is not None}


class Client:
    """Raw HTTP to one simulator, so that no SDK hides what is on the wire."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.http = httpx.Client(base_url=simulator.url, headers=HEADERS, timeout=10)

    def send(self, body: Any, **options: Any) -> httpx.Response:
        """Send a Messages body and return the response."""
        return self.http.post("/v1/messages", json=body, **options)

    def message(self, prompt: str = "Say something.", **changes: Any) -> dict[str, Any]:
        """Return the message that answers a valid request."""
        response = self.send(body_of(prompt, **changes))
        assert response.status_code == 200, response.text
        return response.json()

    def refused(self, body: Any, **options: Any) -> tuple[int, str, str]:
        """Return status, error type and message of a refused request."""
        response = self.send(body, **options)
        value = response.json()
        assert value["type"] == "error"
        assert value["request_id"] == response.headers["request-id"]
        return response.status_code, value["error"]["type"], value["error"]["message"]

    @property
    def totals(self) -> dict[str, Any]:
        """The ledger's totals, read over HTTP."""
        return self.http.get("/_simulator/ledger").json()
