"""Calls the API about batches, and repeats a call that failed in passing."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from batcher.core.answers.outcome import Outcome, Verdict, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.pace.halt import Halt, halt_of
from batcher.core.pace.retry import backoff_s, retry_after_wait_s
from batcher.exit_codes import ExitCode
from batcher.runner.sending.rate_gate import rest

NOT_FOUND = 404

Call = Callable[[], Awaitable[Response | NoResponse]]


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run is stopping, so the call is not repeated."""


class CallRefusedError(Exception):
    """The API refuses a call, or it has failed for too long; ``halt`` says why and what to do."""

    def __init__(self, halt: Halt) -> None:
        super().__init__(halt.message)
        self.halt = halt


@dataclass(slots=True)
class Calls:
    """Repeats calls with the waits of the retry policy, until the run is stopping.

    ``failing_since`` is when the calls began to fail, in seconds of ``clock``; None while they
    succeed. ``random`` is uniform in [0, 1).
    """

    stopping: asyncio.Event
    random: Callable[[], float]
    max_wait_s: float
    clock: Callable[[], float] = time.monotonic
    failing_since: float | None = field(default=None, init=False)
    last_error: str | None = field(default=None, init=False)

    async def ask(self, call: Call, patience_s: float | None = None) -> Response:
        """Call until the API has answered with a status 2xx, or with 404.

        ``patience_s`` is how long it may fail, in seconds; None: as long as the run goes on, for
        calls about batches that the API is working on anyway. Raises CallRefusedError and Stopped.
        """
        begun, tries = self.clock(), 0
        while True:
            response, outcome = await self.once(call)
            if outcome is None:
                assert isinstance(response, Response)  # noqa: S101 - there is no answer without
                return response
            tries += 1
            if patience_s is not None and self.clock() - begun > patience_s:
                raise CallRefusedError(_given_up(outcome, patience_s))
            await self.wait(outcome, tries)

    async def once(self, call: Call) -> tuple[Response | NoResponse, Outcome | None]:
        """Call once; return the verdict on a failure in passing, or None for an answer.

        Raises CallRefusedError for a refusal.
        """
        response = await call()
        if _is_answer(response):
            self.failing_since = None
            return response, None
        outcome = classify(response)
        if outcome.verdict is not Verdict.RETRY:
            raise CallRefusedError(halt_of(outcome))
        self.last_error = f"{outcome.error_type}: {outcome.error_message}"
        self.failing_since = self.clock() if self.failing_since is None else self.failing_since
        return response, outcome

    async def wait(self, outcome: Outcome, tries: int) -> None:
        """Wait before the next try; raises Stopped when the run is stopping."""
        wait_s = backoff_s(tries, self.max_wait_s, self.random())
        if outcome.retry_after_s:
            wait_s = retry_after_wait_s(outcome.retry_after_s, self.random())
        await self.rest(wait_s)

    async def rest(self, seconds: float) -> None:
        """Wait; raises Stopped when the run is stopping."""
        await rest(seconds, self.stopping)
        if self.stopping.is_set():
            raise Stopped


def _is_answer(response: Response | NoResponse) -> bool:
    if isinstance(response, NoResponse) or response.fault is not None:
        return False
    return 200 <= response.status < 300 or response.status == NOT_FOUND


def _given_up(outcome: Outcome, patience_s: float) -> Halt:
    return Halt(
        ExitCode.UNREACHABLE,
        f"no batch could be made for {patience_s:.0f} s; the last error was "
        f"{outcome.error_type}: {outcome.error_message}",
        "run the same command again later",
    )
