"""Calls the API about batches, and repeats a call that failed in passing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta

from batcher.core.answers.outcome import Outcome, Verdict, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.pace.halt import Halt, halt_of
from batcher.core.pace.retry import backoff_s, retry_after_wait_s
from batcher.exit_codes import ExitCode
from batcher.runner.sending.rate_gate import rest

NOT_FOUND = 404
BATCH_LIFE_S = 86_400.0
_REFUSALS = 5
"""How often in a row a call about a batch is refused before the refusal counts: one that a firewall
made up must not end a night."""

_SAID_AFTER_S = 30.0

Call = Callable[[], Awaitable[Response | NoResponse]]


class Stopped(Exception):  # noqa: N818 - it is no error
    """The run is stopping, so the call is not repeated."""


class CallRefusedError(Exception):
    """The API refuses a call, or it has failed for too long; ``halt`` says why and what to do.

    ``is_passing``: the same call may succeed later.
    """

    def __init__(self, halt: Halt, *, is_passing: bool = False) -> None:
        super().__init__(halt.message)
        self.halt = halt
        self.is_passing = is_passing


@dataclass(slots=True)
class Calls:
    """Repeats calls with the waits of the retry policy, until the run is stopping.

    ``patience_s`` is how long a server may ask to wait. ``say`` shows a message when calls fail for
    long, and when they succeed again. ``random`` is uniform in [0, 1), ``clock`` in seconds.
    """

    stopping: asyncio.Event
    random: Callable[[], float]
    max_wait_s: float
    patience_s: float
    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _failing_since: float | None = field(default=None, init=False)
    _has_said: bool = field(default=False, init=False)

    async def ask(
        self,
        call: Call,
        patience_s: float = BATCH_LIFE_S,
        answers: Collection[int] = (NOT_FOUND,),
    ) -> Response:
        """Call until the API has answered: with a status 2xx or one of ``answers``.

        ``patience_s`` is how long it may fail, in seconds. The default is for calls about batches
        that the API is working on: nothing is lost by waiting for the end of them, and a refusal
        has to be repeated before it counts. Raises CallRefusedError and Stopped.
        """
        begun, tries, refusals = self.clock(), 0, 0
        while True:
            response = await call()
            if _is_answer(response, answers):
                assert isinstance(response, Response)  # noqa: S101 - no answer without one
                self._on_answer()
                return response
            outcome, tries = classify(response), tries + 1
            refusals = 0 if outcome.verdict is Verdict.RETRY else refusals + 1
            if refusals >= (_REFUSALS if patience_s >= BATCH_LIFE_S else 1):
                raise CallRefusedError(halt_of(outcome))
            if self.clock() - begun > patience_s:
                raise CallRefusedError(_given_up(outcome, patience_s))
            await self.wait(outcome, tries)

    async def wait(self, outcome: Outcome, tries: int) -> None:
        """Wait before the next try.

        Raises Stopped when the run is stopping, and CallRefusedError when the server asks for a
        longer wait than the run's patience.
        """
        self.on_failure(f"{outcome.error_type}: {outcome.error_message}")
        wait_s = backoff_s(tries, self.max_wait_s, self.random())
        if outcome.retry_after_s:
            wait_s = retry_after_wait_s(outcome.retry_after_s, self.random())
        if (outcome.retry_after_s or 0.0) > self.patience_s:
            raise CallRefusedError(_asked_to_rest(outcome))
        await self.rest(wait_s)

    async def rest(self, seconds: float) -> None:
        """Wait; raises Stopped when the run is stopping."""
        await rest(seconds, self.stopping)
        if self.stopping.is_set():
            raise Stopped

    def on_failure(self, reason: str) -> None:
        """Take that a call has failed; when calls have failed for long, say so once."""
        now = self.clock()
        self._failing_since = now if self._failing_since is None else self._failing_since
        if not self._has_said and now - self._failing_since >= _SAID_AFTER_S:
            self._has_said = True
            self.say(
                f"warning  calls about batches have failed for {now - self._failing_since:.0f} s "
                f"({reason}); the batches go on at the API, and this run keeps trying"
            )

    def _on_answer(self) -> None:
        if self._has_said:
            self.say("batches  calls about batches succeed again")
        self._failing_since, self._has_said = None, False


def _is_answer(response: Response | NoResponse, answers: Collection[int]) -> bool:
    if isinstance(response, NoResponse) or response.fault is not None:
        return False
    return 200 <= response.status < 300 or response.status in answers


def _given_up(outcome: Outcome, patience_s: float) -> Halt:
    return Halt(
        ExitCode.UNREACHABLE,
        f"no batch could be made for {patience_s:.0f} s; the last error was "
        f"{outcome.error_type}: {outcome.error_message}",
        "run the same command again later",
    )


def _asked_to_rest(outcome: Outcome) -> Halt:
    seconds = timedelta(seconds=min(outcome.retry_after_s or 0.0, BATCH_LIFE_S))
    return Halt(
        ExitCode.UNREACHABLE,
        f"the API asks for a rest of {seconds}, longer than retry.patience_s: "
        f"{outcome.error_type}: {outcome.error_message}",
        "run the same command again after that",
    )
