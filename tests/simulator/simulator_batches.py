"""Batches over raw HTTP, and their clock, for the tests of the simulator."""

import json
from collections.abc import Sequence
from typing import Any

import httpx
from simulator_bodies import Client, body_of

PATH = "/v1/messages/batches"
HOUR, DAY = 3_600, 86_400
STILL = {"batch_speed": 0, "batch_spread": 0}
"""Settings of a clock that only tests move, and of durations that follow from the size alone."""


def items_of(count: int, prefix: str = "r", **changes: Any) -> list[dict[str, Any]]:
    """Return valid items with different prompts."""
    return [
        {"custom_id": f"{prefix}{number}", "params": body_of(f"{prefix} {number}", **changes)}
        for number in range(count)
    ]


class BatchClient:
    """Raw HTTP to the batch endpoints of one simulator."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.http = client.http

    def post(self, items: Sequence[Any], **options: Any) -> httpx.Response:
        """Send a new batch and return the response."""
        return self.http.post(PATH, json={"requests": items}, **options)

    def create(self, items: Sequence[Any], **options: Any) -> dict[str, Any]:
        """Create a batch and return it."""
        response = self.post(items, **options)
        assert response.status_code == 200, response.text
        return response.json()

    def get(self, batch_id: str, **options: Any) -> dict[str, Any]:
        """Return a batch."""
        response = self.http.get(f"{PATH}/{batch_id}", **options)
        assert response.status_code == 200, response.text
        return response.json()

    def cancel(self, batch_id: str) -> httpx.Response:
        """Ask to cancel a batch."""
        return self.http.post(f"{PATH}/{batch_id}/cancel")

    def delete(self, batch_id: str) -> httpx.Response:
        """Ask to delete a batch."""
        return self.http.delete(f"{PATH}/{batch_id}")

    def fetch(self, batch_id: str) -> httpx.Response:
        """Ask for the results of a batch."""
        return self.http.get(f"{PATH}/{batch_id}/results")

    def results(self, batch_id: str) -> dict[str, dict[str, Any]]:
        """Return the results of a batch by ``custom_id``."""
        response = self.fetch(batch_id)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"] == "application/x-jsonl"
        lines = [json.loads(line) for line in response.text.splitlines()]
        results = {line["custom_id"]: line["result"] for line in lines}
        assert len(results) == len(lines)
        return results

    def run(self, items: Sequence[Any], **options: Any) -> dict[str, dict[str, Any]]:
        """Create a batch, let a day pass, and return its results."""
        batch = self.create(items, **options)
        self.advance(DAY)
        return self.results(batch["id"])

    def usages(self, items: Sequence[Any]) -> list[dict[str, Any]]:
        """Run a batch and return the usage of each item, in the order of the items."""
        results = self.run(items)
        return [results[item["custom_id"]]["message"]["usage"] for item in items]

    def advance(self, seconds: float) -> None:
        """Advance the clock; return when everything due is processed."""
        self.client.simulator.advance(seconds)

    @property
    def records(self) -> list[dict[str, Any]]:
        """What the simulator knows of each batch, over HTTP."""
        return self.http.get("/_simulator/batches").json()["data"]


def kinds(results: dict[str, dict[str, Any]]) -> dict[str, int]:
    """Count the results by type."""
    counts: dict[str, int] = {}
    for result in results.values():
        counts[result["type"]] = counts.get(result["type"], 0) + 1
    return counts


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    """Return status, type and message of an error."""
    error = response.json()["error"]
    return response.status_code, error["type"], error["message"]
