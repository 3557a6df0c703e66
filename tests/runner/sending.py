"""Stand-ins for the API and the checkpoint, and requests to send between them."""

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

from virtual_time import now

import batcher
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import LimitsSection
from batcher.core.money.bound import WorstCase
from batcher.core.money.budget import Budget
from batcher.core.money.prices import PriceTable
from batcher.core.pace.retry import RetryPolicy
from batcher.errors import CheckpointError
from batcher.runner.sending.budget_gate import BudgetGate
from batcher.runner.sending.cache_gate import CacheGate
from batcher.runner.sending.context import AttemptResult, SendContext
from batcher.runner.sending.feed import PendingRequest
from batcher.runner.sending.rate_gate import RateGate
from batcher.store.records import Intent, OutcomeRecord, Record

MODEL = "claude-haiku-5-5"
PRICES = PriceTable.parse((Path(batcher.__file__).parent / "data" / "models.json").read_text())
POLICY = RetryPolicy(attempts=4, max_wait_s=60.0, unknown_attempts=3)
COMMIT_S = 0.02
LATENCY_S = 1.0


def good(text: str = "ja", **headers: str) -> Response:
    """A message."""
    message = {
        "id": "msg",
        "type": "message",
        "model": MODEL,
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 100, "output_tokens": 10},
    }
    return Response(200, headers, json.dumps(message).encode(), LATENCY_S, ttft_s=0.5)


def failed(status: int, **headers: str) -> Response:
    """An error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"type": "error", "error": {"type": f"error_{status}", "message": "why"}}
    return Response(status, named, json.dumps(body).encode(), LATENCY_S)


LOST = NoResponse("client.reset", "reset", was_sent=True, latency_s=LATENCY_S)
UNSENT = NoResponse("client.connect", "refused", was_sent=False, latency_s=LATENCY_S)


def pending(
    number: int = 0, unknown: int = 0, worst: Decimal | None = Decimal("0.5")
) -> PendingRequest:
    """One request; its body tells which."""
    body = b"%d" % number
    name = number.to_bytes(16, "big")
    bound = None if worst is None else WorstCase(worst, 100)
    return PendingRequest(number, name, MODEL, 50, body, bound, unknown)


@dataclass
class FakeApi:
    """Answers each request from its own script, its last line for ever; notes when."""

    scripts: dict[int, list[Response | NoResponse]] = field(default_factory=dict)
    on_send: Callable[[int], None] = lambda _: None
    sent: list[tuple[int, float]] = field(default_factory=list)
    in_flight: int = 0
    most_in_flight: int = 0

    async def send(
        self, _slot: int, body: bytes, _begun: Callable[[], None]
    ) -> Response | NoResponse:
        """Take a second to answer."""
        number = int(body)
        self.on_send(number)
        self.sent.append((number, now()))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        await asyncio.sleep(LATENCY_S)
        self.in_flight -= 1
        script = self.scripts.get(number, [good()])
        return script.pop(0) if len(script) > 1 else script[0]

    def times(self, number: int = 0) -> list[float]:
        """When a request was sent."""
        return [when for sent, when in self.sent if sent == number]


@dataclass
class FakeRecorder:
    """Makes records durable a moment after they were added, until ``fails_after`` records."""

    fails_after: int = 10**9
    durable: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    _added: int = 0

    def add(self, table: str, record: Record) -> "asyncio.Future[None]":
        """Commit in 20 ms."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._added += 1
        loop.call_later(COMMIT_S, self._commit, table, record, done, self._added)
        return done

    def _commit(self, table: str, record: Record, done: Any, number: int) -> None:
        if number > self.fails_after:
            done.set_exception(CheckpointError("disk full"))
            return
        self.durable[table].append(record)
        done.set_result(None)

    @property
    def intents(self) -> list[Intent]:
        """Attempts that are on the disk."""
        return self.durable["attempts"]

    @property
    def outcomes(self) -> list[OutcomeRecord]:
        """What came of them."""
        return self.durable["outcomes"]


@dataclass
class FakeWatcher:
    """Notes what it was told, and when."""

    tries: list[tuple[AttemptResult, float]] = field(default_factory=list)
    records: list[tuple[AttemptResult, float]] = field(default_factory=list)

    def on_result(self, result: AttemptResult) -> None:
        """An attempt came back."""
        self.tries.append((result, now()))

    def on_committed(self, result: AttemptResult) -> None:
        """It is on the disk."""
        self.records.append((result, now()))


@dataclass
class Stage:
    """Everything around a sender; make it inside the loop.

    ``is_warm``: the pace has found that the API bears a hundred requests at once.
    """

    api: FakeApi = field(default_factory=FakeApi)
    recorder: FakeRecorder = field(default_factory=FakeRecorder)
    watcher: FakeWatcher = field(default_factory=FakeWatcher)
    limits: LimitsSection = field(default_factory=LimitsSection)
    is_warm: bool = True
    budget: Budget | None = None
    least: Decimal = Decimal(0)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.ctx = SendContext(
            client=self.api,
            recorder=self.recorder,
            rate_gate=self._pacer(),
            budget_gate=BudgetGate(self.budget, self.least, self.stopping, self.stopping.set),
            cache_gate=CacheGate(None, now),
            prices=PRICES,
            free_usage_fields=(),
            policy=POLICY,
            label_check=None,
            run_id="run",
            attempt_ids=count(1),
            random=lambda: 0.5,
            stopping=self.stopping,
            watcher=self.watcher,
        )

    def _pacer(self) -> RateGate:
        rate_gate = RateGate(self.limits, POLICY.max_wait_s, self.stopping, now, lambda: 0.5)
        if self.is_warm:
            rate_gate._lane(MODEL).pace._window.size = 100.0
        return rate_gate
