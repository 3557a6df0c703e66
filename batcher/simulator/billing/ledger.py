"""The record of all requests received and billed, for tests to compare with.

Only totals are kept in memory, so its size stays constant, unless ``keep_entries`` is set. The
optional file gets one JSON line for each request when its exchange has ended.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from batcher.simulator.billing.usage import Usage

BATCH_ITEM = "batch_item"
"""The endpoint of the entries of items of batches."""
BILLED_ENDPOINTS = ("messages", BATCH_ITEM)


@dataclass(slots=True)
class Entry:
    """One request, or one item of a batch.

    ``key`` identifies the body: blake2b-16 of its canonical JSON without ``stream``; it is empty
    for a body that is not JSON. ``outcome`` is ``answered``, the kind of the fault, the type of the
    error, or ``abandoned``. ``status`` is what the client gets: 504 when a gateway has replaced an
    answer, 200 when only the connection breaks. ``usage`` and ``cost`` are set for every answer of
    the model, even if the client never received it. ``is_written`` says whether the whole response
    reached the socket; it stays false for an item, which also has ``batch_id`` and ``custom_id``.
    The outcome of an item that was never processed is ``canceled`` or ``expired``.
    """

    sequence: int
    received_at: float
    endpoint: str
    key: str = ""
    model: str | None = None
    status: int | None = None
    outcome: str = "abandoned"
    usage: Usage | None = None
    cost: Decimal = Decimal(0)
    is_written: bool = False
    request_id: str = ""
    batch_id: str = ""
    custom_id: str = ""
    is_closed: bool = field(default=False, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return the entry for the file and the control endpoint; the cost is an exact string."""
        of_batch = {"batch_id": self.batch_id, "custom_id": self.custom_id}
        return {
            "sequence": self.sequence,
            "received_at": self.received_at,
            "endpoint": self.endpoint,
            "key": self.key,
            "model": self.model,
            "status": self.status,
            "outcome": self.outcome,
            "usage": None if self.usage is None else tokens_by_kind(self.usage),
            "cost_usd": exact(self.cost),
            "written": self.is_written,
            "request_id": self.request_id,
            **(of_batch if self.batch_id else {}),
        }


def tokens_by_kind(usage: Usage) -> dict[str, int]:
    """Return the token counts under the API's names."""
    return {
        "input_tokens": usage.input,
        "cache_creation_5m_input_tokens": usage.write_5m,
        "cache_creation_1h_input_tokens": usage.write_1h,
        "cache_read_input_tokens": usage.read,
        "output_tokens": usage.output,
        "thinking_tokens": usage.thinking,
    }


def exact(amount: Decimal) -> str:
    """Return an amount with every digit, without exponent and trailing zeros."""
    text = format(amount, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


class Ledger:
    """The totals and, on request, the entries of all requests; it belongs to one event loop."""

    def __init__(self, path: Path | None = None, *, keep_entries: bool = False) -> None:
        self.entries: list[Entry] = []
        self._keeps_entries = keep_entries
        self._file: TextIOWrapper | None = None
        if path is not None:
            self._file = path.open("a", encoding="utf-8", buffering=1)
        self._received: Counter[str] = Counter()
        self._by_status: Counter[str] = Counter()
        self._by_outcome: Counter[str] = Counter()
        self._by_model: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter(tokens_by_kind(Usage(0, 0)))
        self._answered = 0
        self._written = 0
        self._closed = 0
        self._cost = Decimal(0)
        self._batch_cost = Decimal(0)
        self._changed = asyncio.Event()

    def open(self, endpoint: str, now: float) -> Entry:
        """Add a request that has just arrived."""
        self._received[endpoint] += 1
        self._changed.set()
        entry = Entry(self._received.total(), now, endpoint)
        if self._keeps_entries:
            self.entries.append(entry)
        return entry

    def expect_items(self, count: int) -> int:
        """Count the items of a new batch; return the number of the first one's entry."""
        first = self._received.total() + 1
        self._received[BATCH_ITEM] += count
        self._changed.set()
        return first

    def add(self, entry: Entry) -> None:
        """Add the entry of an item that has been processed."""
        if self._keeps_entries:
            self.entries.append(entry)
        self.close(entry)

    def close(self, entry: Entry) -> None:
        """Add a request to the totals when its exchange has ended; a second call does nothing."""
        if entry.is_closed:
            return
        entry.is_closed = True
        if self._file is not None:
            self._file.write(json.dumps(entry.as_json()) + "\n")
        if entry.endpoint not in BILLED_ENDPOINTS:
            return
        self._closed += 1
        self._changed.set()
        self._by_status["none" if entry.status is None else str(entry.status)] += 1
        self._by_outcome[entry.outcome] += 1
        if entry.usage is None:
            return
        self._answered += 1
        self._written += entry.is_written
        self._cost += entry.cost
        if entry.endpoint == BATCH_ITEM:
            self._batch_cost += entry.cost
        self._by_model[entry.model or ""] += 1
        self._tokens.update(tokens_by_kind(entry.usage))

    def totals(self) -> dict[str, Any]:
        """Return how many requests arrived, how many were answered, and their cost.

        The items of batches count as requests, too: they are in flight until they are processed.
        ``written`` counts the responses that reached the socket as a whole, without those of
        batches. ``other_requests`` counts the requests to the free endpoints.
        """
        requests = sum(self._received[endpoint] for endpoint in BILLED_ENDPOINTS)
        return {
            "requests": requests,
            "in_flight": requests - self._closed,
            "answered": self._answered,
            "written": self._written,
            "by_status": dict(self._by_status),
            "by_outcome": dict(self._by_outcome),
            "by_model": dict(self._by_model),
            "tokens": dict(self._tokens),
            "cost_usd": exact(self._cost),
            "batch_items": self._received[BATCH_ITEM],
            "batch_cost_usd": exact(self._batch_cost),
            "other_requests": self._received.total() - requests,
        }

    async def wait_until(self, name: str, count: int) -> None:
        """Wait until a total, such as ``answered``, is at least ``count``."""
        while self.totals()[name] < count:
            self._changed.clear()
            await self._changed.wait()

    def lines(self) -> Iterator[str]:
        """Return the kept entries as JSON lines."""
        return (json.dumps(entry.as_json()) + "\n" for entry in self.entries)

    def end(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None
