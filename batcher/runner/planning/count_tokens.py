"""Has the API count the prompts of a few requests: free, bounded in time, and it may fail."""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import tenacity

from batcher.api.client import MessagesClient
from batcher.api.key import Secret
from batcher.core.answers.outcome import Outcome, Verdict, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.answers.strict_json import load
from batcher.core.job import ApiSection
from batcher.core.pace.halt import Halt, halt_of
from batcher.core.pace.retry import backoff_s, retry_after_wait_s
from batcher.core.request.canonical import canonical_json

CONNECTIONS = 8
"""How many counts are requested at a time; the limits of every tier allow more."""

LIMIT_S = 60.0
"""How long counting may take in all, in seconds."""

_ATTEMPTS = 4
_MOST_WAIT_S = 8.0
_ATTEMPT_S = 20.0
# The fields that the endpoint takes; the others do not change the prompt.
_COUNTED = frozenset(
    {
        "cache_control",
        "messages",
        "model",
        "output_config",
        "speed",
        "system",
        "thinking",
        "tool_choice",
        "tools",
    }
)
_ABSENT = frozenset({404, 405, 501})


@dataclass(frozen=True, slots=True)
class Counts:
    """The prompt tokens that the API counted, by the index of the request.

    A request that the API did not count is left out. ``problem`` says in a sentence why counting
    ended early or counted nothing. ``halt`` is set when a run would be refused in the same way.
    """

    tokens: Mapping[int, int]
    problem: str | None = None
    halt: Halt | None = None


def count_prompts(
    api: ApiSection,
    key: Secret | None,
    requests: Sequence[Mapping[str, Any]],
    random: Callable[[], float],
    *,
    limit_s: float = LIMIT_S,
) -> Counts:
    """Count the prompts of requests, given by their fields; at most ``limit_s`` seconds.

    ``random`` is uniform in [0, 1), for the waits. Raises ConfigurationError for an address or a
    header that must not be used.
    """
    if not requests:
        return Counts({})
    bodies = [
        canonical_json({name: value for name, value in fields.items() if name in _COUNTED})
        for fields in requests
    ]
    return asyncio.run(_count(api, key, bodies, random, limit_s))


async def _count(
    api: ApiSection,
    key: Secret | None,
    bodies: Sequence[bytes],
    random: Callable[[], float],
    limit_s: float,
) -> Counts:
    connections, timeout_s = min(CONNECTIONS, len(bodies)), min(_ATTEMPT_S, limit_s)
    async with MessagesClient(api, key, connections=connections, timeout_s=timeout_s) as client:
        return await Counter(client, connections, random, limit_s).count(bodies)


class _GivenUpError(Exception):
    """Counting is over: ``problem`` says why, or ``halt`` has the refusal of the API."""

    def __init__(self, problem: str | None, halt: Halt | None = None) -> None:
        super().__init__(problem or "refused")
        self.problem = problem
        self.halt = halt


@dataclass(slots=True)
class Counter:
    """Counts over a client's connections.

    A transient error is retried a few times; after that the counter gives up, because the error
    affects all requests. Earlier counts are kept. When the server asks one request to wait, all
    requests wait.
    """

    client: MessagesClient
    connections: int
    random: Callable[[], float]
    limit_s: float
    _tokens: dict[int, int] = field(default_factory=dict, init=False)
    _refusal: str | None = field(default=None, init=False)
    _resume_at: float = field(default=0.0, init=False)
    _ends_at: float = field(default=0.0, init=False)

    async def count(self, bodies: Sequence[bytes]) -> Counts:
        """Count each of these request bodies; call it once for each counter."""
        problem = halt = None
        waiting = iter(enumerate(bodies))
        self._ends_at = asyncio.get_running_loop().time() + self.limit_s
        workers = [
            asyncio.create_task(self._work(slot, waiting)) for slot in range(self.connections)
        ]
        try:
            async with asyncio.timeout_at(self._ends_at):
                await asyncio.gather(*workers)
        except TimeoutError:
            problem = f"counting took longer than {self.limit_s:.0f} s"
        except _GivenUpError as error:
            problem, halt = error.problem, error.halt
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
        if problem is None and halt is None and self._refusal and not self._tokens:
            problem = f"the API would count none of the {len(bodies)} requests: {self._refusal}"
        return Counts(self._tokens, problem, halt)

    async def _work(self, slot: int, waiting: Iterator[tuple[int, bytes]]) -> None:
        for place, body in waiting:
            counted = await self._counted(slot, body)
            if isinstance(counted, int):
                self._tokens[place] = counted
            else:
                self._refusal = counted.error_type

    async def _counted(self, slot: int, body: bytes) -> int | Outcome:
        """Attempt a count until it succeeds or is refused; give up after a few attempts."""
        retrier = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_result(_is_passing),
            wait=self._wait_s,
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            retry_error_callback=_give_up,
        )
        counted: int | Outcome = await retrier(self._attempt, slot, body)
        return counted

    async def _attempt(self, slot: int, body: bytes) -> int | Outcome:
        loop = asyncio.get_running_loop()
        while (wait_s := self._resume_at - loop.time()) > 0:  # noqa: ASYNC110 - a time, no event
            await asyncio.sleep(wait_s)
        judged = _judged(await self.client.count_tokens(slot, body))
        if isinstance(judged, Outcome) and judged.retry_after_s:
            resume_at = loop.time() + judged.retry_after_s
            if resume_at >= self._ends_at:
                raise _GivenUpError(
                    f"the server asks to wait {judged.retry_after_s:.0f} s before it counts more"
                )
            self._resume_at = max(self._resume_at, resume_at)
        return judged

    def _wait_s(self, state: tenacity.RetryCallState) -> float:
        outcome = _outcome_of(state)
        if outcome.retry_after_s:
            return retry_after_wait_s(outcome.retry_after_s, self.random())
        return backoff_s(state.attempt_number, _MOST_WAIT_S, self.random())


def _judged(result: Response | NoResponse) -> int | Outcome:
    """Return the count, or the outcome of a failure; raise _GivenUpError when no retry can help."""
    if isinstance(result, Response) and result.status == 200 and result.fault is None:
        return _count_in(result.body)
    outcome = classify(result)
    if isinstance(result, Response) and (result.status in _ABSENT or 300 <= result.status < 400):
        raise _GivenUpError(f"the server does not count tokens (HTTP {result.status})")
    if outcome.verdict is Verdict.HALT:
        raise _GivenUpError(None, halt_of(outcome))
    return outcome


def _count_in(body: bytes) -> int:
    try:
        tokens = load(body)["input_tokens"]
    except (ValueError, TypeError, KeyError):
        tokens = None
    if type(tokens) is not int or tokens < 0:
        raise _GivenUpError("the server's response has no token count")
    return tokens


def _is_passing(counted: int | Outcome) -> bool:
    return isinstance(counted, Outcome) and counted.verdict is Verdict.RETRY


def _outcome_of(state: tenacity.RetryCallState) -> Outcome:
    assert state.outcome is not None  # noqa: S101 - tenacity calls this after an attempt
    outcome = state.outcome.result()
    assert isinstance(outcome, Outcome)  # noqa: S101 - only outcomes are retried
    return outcome


def _give_up(state: tenacity.RetryCallState) -> int:
    """Give up, without the API's sentences, which may quote a prompt."""
    outcome = _outcome_of(state)
    raise _GivenUpError(f"counting failed {_ATTEMPTS} times with {outcome.error_type}")
