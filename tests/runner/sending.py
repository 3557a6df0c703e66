"""Fakes of the API, the checkpoint and the watcher, and requests to send with them."""

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
from batcher.core.answers.outcome import Outcome
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import LimitsSection
from batcher.core.money.bound import WorstCase
from batcher.core.money.budget import Budget
from batcher.core.money.prices import PriceTable
from batcher.core.pace.retry import RetryPolicy
from batcher.core.pace.suspects import Ruling
from batcher.errors import CheckpointError
from batcher.runner.sending.body_gate import BodyGate
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
    """Return a successful response with this text."""
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
    """Return an error response with this status; ``retry_after`` becomes ``retry-after``."""
    api_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"type": "error", "error": {"type": f"error_{status}", "message": "why"}}
    return Response(status, api_headers, json.dumps(body).encode(), LATENCY_S)


RESET = NoResponse("client.reset", "reset", was_sent=True, latency_s=LATENCY_S)
UNSENT = NoResponse("client.connect", "refused", was_sent=False, latency_s=LATENCY_S)


def pending(
    number: int = 0, unknown: int = 0, worst: Decimal | None = Decimal("0.5")
) -> PendingRequest:
    """Return a request whose body is its number; ``worst`` bounds its cost in USD."""
    body = b"%d" % number
    fingerprint = number.to_bytes(16, "big")
    bound = None if worst is None else WorstCase(worst, 100)
    return PendingRequest(number, fingerprint, MODEL, 50, body, bound, unknown, row=number)


@dataclass
class FakeApi:
    """Answers each request from its own script and keeps the times; the last response repeats."""

    scripts: dict[int, list[Response | NoResponse]] = field(default_factory=dict)
    on_send: Callable[[int], None] = lambda _: None
    sent: list[tuple[int, float]] = field(default_factory=list)
    in_flight: int = 0
    max_in_flight: int = 0

    async def send(
        self, _slot: int, body: bytes, _begun: Callable[[], None]
    ) -> Response | NoResponse:
        """Respond after a second."""
        number = int(body)
        self.on_send(number)
        self.sent.append((number, now()))
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        await asyncio.sleep(LATENCY_S)
        self.in_flight -= 1
        script = self.scripts.get(number, [good()])
        return script.pop(0) if len(script) > 1 else script[0]

    def times(self, number: int = 0) -> list[float]:
        """Return the times at which a request was sent."""
        return [sent_at for sent, sent_at in self.sent if sent == number]


@dataclass
class FakeRecorder:
    """Commits records after 20 ms; every record after the first ``fails_after`` fails."""

    fails_after: int = 10**9
    durable: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    _added: int = 0

    def add(self, table: str, record: Record) -> "asyncio.Future[None]":
        """Return a future that is done when the record is committed."""
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
        """The committed intents."""
        return self.durable["attempts"]

    @property
    def outcomes(self) -> list[OutcomeRecord]:
        """The committed outcomes."""
        return self.durable["outcomes"]


@dataclass
class FakeWatcher:
    """Keeps the results that it gets, with the times."""

    results: list[tuple[AttemptResult, float]] = field(default_factory=list)
    committed: list[tuple[AttemptResult, float]] = field(default_factory=list)

    def judge(self, _: PendingRequest, outcome: Outcome) -> Outcome:
        """Return the outcome unchanged."""
        return outcome

    def on_result(self, result: AttemptResult) -> Ruling:
        """Keep a result that is not committed yet."""
        self.results.append((result, now()))
        return Ruling()

    def on_committed(self, result: AttemptResult) -> None:
        """Keep a committed result."""
        self.committed.append((result, now()))


async def no_answers(_: bytes) -> list[bytes]:
    """Return that no answer was invalid."""
    return []


@dataclass
class Harness:
    """A SendContext made of fakes; create it inside the event loop.

    With ``is_warm`` the pace starts with a window of a hundred requests.
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
            rate_gate=self._new_rate_gate(),
            budget_gate=BudgetGate(self.budget, self.least, self.stopping, self.stopping.set),
            cache_gate=CacheGate(None, now),
            body_gate=BodyGate(self.stopping),
            prices=PRICES,
            free_usage_fields=(),
            policy=POLICY,
            label_check=None,
            run_id="run",
            attempt_ids=count(1),
            random=lambda: 0.5,
            stopping=self.stopping,
            watcher=self.watcher,
            invalid_answers=no_answers,
        )

    def _new_rate_gate(self) -> RateGate:
        rate_gate = RateGate(self.limits, POLICY.max_wait_s, self.stopping, now, lambda: 0.5)
        if self.is_warm:
            rate_gate._lane(MODEL).pace._window.size = 100.0
        return rate_gate
