"""Attempts are admitted in order, within every limit, and never once the run is stopping."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sending import MODEL
from virtual_time import now, run

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict, classify
from batcher.core.answers.response import Response
from batcher.core.job import LimitsSection
from batcher.core.money.usage import Usage
from batcher.core.pace.kinds import Limiter
from batcher.core.pace.pace import AttemptCost, Completion, Permit
from batcher.runner.sending.rate_gate import RateGate

GOOD = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)
REFUSED = classify(Response(429, {"retry-after": "30"}, b"{}", 1.0))
FAILED = classify(Response(529, {}, b"{}", 1.0))


def rate_gate(window: float = 1_000.0, **limits: Any) -> RateGate:
    """Return a rate gate on the running loop's clock, with a window of this size."""
    gate = RateGate(
        LimitsSection(concurrency=1_000, **limits), 60.0, asyncio.Event(), now, lambda: 0.5
    )
    gate._lane(MODEL).pace._window.size = window
    return gate


def good(usage: Usage | None = None) -> Completion:
    """Return the completion of a successful attempt."""
    return Completion(GOOD, {}, usage or Usage(input_tokens=1, output_tokens=1), 1.0)


async def admitted(
    gate: RateGate, count: int, input_bytes: int = 3, max_tokens: int = 256
) -> list[float]:
    """Return the admission times of attempts that arrive at once and use the expected tokens."""

    async def attempt() -> float:
        permit = await gate.admit(MODEL, AttemptCost(input_bytes, max_tokens))
        assert permit is not None
        tokens_in, tokens_out = (
            permit.taken.amounts.input_tokens,
            permit.taken.amounts.output_tokens,
        )
        usage = Usage(input_tokens=round(tokens_in), output_tokens=round(tokens_out))
        gate.on_completion(MODEL, permit, good(usage))
        return now()

    return sorted(await asyncio.gather(*(attempt() for _ in range(count))))


def times(count: int, input_bytes: int = 3, max_tokens: int = 256, **limits: Any) -> list[float]:
    """Return the admission times under these limits, with a new gate."""

    async def main() -> list[float]:
        return await admitted(rate_gate(**limits), count, input_bytes, max_tokens)

    return list(run(main()))


def test_without_limits_no_attempt_waits() -> None:
    """A thousand attempts without a limit are admitted at once."""
    assert times(1000) == [0.0] * 1000


def test_requests_per_minute() -> None:
    """A limit of 60 admits one attempt each second."""
    assert times(5, requests_per_minute=60) == pytest.approx([0, 1, 2, 3, 4])


def test_input_tokens_per_minute() -> None:
    """3 bytes count as a token until responses are measured; a bucket holds one second's limit."""
    admitted_at = times(4, input_bytes=300, input_tokens_per_minute=6_000)
    assert admitted_at == pytest.approx([0, 1, 2, 3])


def test_output_tokens_per_minute() -> None:
    """A response is expected to have 256 tokens, or ``max_tokens`` if that is less."""
    assert times(4, max_tokens=60, output_tokens_per_minute=3_600) == pytest.approx([0, 1, 2, 3])
    assert times(2, output_tokens_per_minute=256 * 60) == pytest.approx([0, 1])


def test_the_limit_that_the_queue_waits_for_is_named() -> None:
    """``limiter`` names the limit while attempts wait, and is None otherwise."""

    async def main() -> list[Limiter | None]:
        gate = rate_gate(requests_per_minute=6_000, input_tokens_per_minute=60)
        waiting = asyncio.create_task(admitted(gate, 3, input_bytes=3))
        await asyncio.sleep(0.5)
        limiter_before = gate.limiter
        await waiting
        return [limiter_before, gate.limiter]

    assert run(main()) == [Limiter.INPUT, None]


def test_the_window_admits_the_next_attempt_after_a_response() -> None:
    """Two attempts may be in flight; each response admits the next, in order of arrival."""

    async def main() -> None:
        gate, order = rate_gate(window=2.0), []

        async def attempt(number: int) -> Permit | None:
            permit = await gate.admit(MODEL, AttemptCost(3, 10))
            order.append(number)
            return permit

        tasks = [asyncio.create_task(attempt(number)) for number in range(5)]
        await asyncio.sleep(1)
        assert order == [0, 1]
        gate._lane(MODEL).pace._window.threshold = 0.0
        for task in tasks[:3]:
            gate.on_completion(MODEL, await task, good())
            await asyncio.sleep(0)
        assert order == [0, 1, 2, 3, 4]

    run(main())


def test_models_with_separate_limits_do_not_wait_for_each_other() -> None:
    """A pause holds only the models that share its limits."""

    async def main() -> list[float]:
        gate = rate_gate()
        for model in ("claude-opus-4-7", "claude-opus-5"):
            gate._lane(model).pace._window.size = 10.0
        permit = await gate.admit("claude-opus-4-7", AttemptCost(3, 10))
        gate.on_completion("claude-opus-4-7", permit, Completion(REFUSED, {}, None, 1.0, 30.0))
        admitted_at = []
        for model in ("claude-opus-5", "claude-opus-4-8"):
            assert await gate.admit(model, AttemptCost(3, 10)) is not None
            admitted_at.append(now())
        return admitted_at

    assert run(main()) == [0, 30]


def test_retries_go_first_within_their_quota() -> None:
    """Retries are admitted before new requests while they have quota, and after them otherwise."""

    async def main() -> list[str]:
        gate, order = rate_gate(window=1.0), []
        quota = gate._lane(MODEL).pace._quota
        permit = await gate.admit(MODEL, AttemptCost(3, 10))

        async def attempt(name: str, *, is_retry: bool) -> None:
            permit = await gate.admit(MODEL, AttemptCost(3, 10, is_retry))
            order.append(name)
            gate.on_completion(MODEL, permit, Completion(REFUSED, {}, None, 1.0))

        fresh = [asyncio.create_task(attempt(f"fresh {n}", is_retry=False)) for n in range(2)]
        await asyncio.sleep(0)
        retries = [asyncio.create_task(attempt(f"retry {n}", is_retry=True)) for n in range(2)]
        await asyncio.sleep(0)
        quota.level = 1.0
        quota._over_quota = 1  # another retry without a token is in flight
        gate.on_completion(MODEL, permit, Completion(REFUSED, {}, None, 1.0))
        await asyncio.gather(*fresh)
        quota.on_returned(is_over_quota=True)
        gate._lane(MODEL).pump()
        await asyncio.gather(*retries)
        return order

    assert run(main()) == ["retry 0", "fresh 0", "fresh 1", "retry 1"]


def test_a_pause_ends_without_a_burst() -> None:
    """After a pause the limit holds as before; a burst would only cause the next 429."""

    async def main() -> list[float]:
        gate = rate_gate(requests_per_minute=60)
        permit = await gate.admit(MODEL, AttemptCost(3, 10))
        waiting = asyncio.create_task(admitted(gate, 20))
        await asyncio.sleep(0.5)
        gate.on_completion(MODEL, permit, Completion(REFUSED, {}, None, 1.0, 60.0))
        return await waiting

    admitted_at = run(main())
    gaps = [later - earlier for earlier, later in pairwise(admitted_at)]
    assert admitted_at[0] >= 60.5
    assert min(gaps) > 0.99
    assert max(gaps[1:]) < 1.01


ARRIVALS = st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["arrival"] * 3 + ["pause"])))


@settings(deadline=None, max_examples=60)
@given(ARRIVALS, st.integers(6, 600), st.floats(0.1, 20))
def test_no_window_admits_more_than_the_limit(
    arrivals: list[tuple[float, str]], per_minute: int, pause_s: float
) -> None:
    """The limit holds for any arrivals and any number of pauses."""
    pauses: list[tuple[float, float]] = []

    async def main() -> list[float]:
        gate = rate_gate(requests_per_minute=per_minute)
        tasks, first = [], await gate.admit(MODEL, AttemptCost(3, 10))
        for gap, event in arrivals:
            await asyncio.sleep(gap)
            if event == "arrival":
                tasks.append(asyncio.create_task(admitted(gate, 1)))
            elif first is not None:
                gate.on_completion(MODEL, first, Completion(REFUSED, {}, None, 1.0, pause_s))
                pauses.append((now(), now() + pause_s))
                first = None
        return [0.0, *sorted(when for (when,) in await asyncio.gather(*tasks))]

    admitted_at = run(main())
    assert len(admitted_at) == 1 + sum(event == "arrival" for _, event in arrivals)
    burst = max(1.0, per_minute / 60)
    for first, start in enumerate(admitted_at):
        for count, end in enumerate(admitted_at[first:], 1):
            assert count <= burst + (end - start) * per_minute / 60 + 1e-3
    for start, end in pauses:
        assert not [when for when in admitted_at if start + 1e-6 < when < end - 1e-6]


@pytest.mark.parametrize("cause", ["limit", "pause", "nothing"])
def test_stopping_ends_every_wait(cause: str) -> None:
    """Every waiting attempt gets None at once."""

    async def main() -> tuple[list[Permit | None], float]:
        gate = rate_gate(requests_per_minute=1)
        if cause == "pause":
            permit = await gate.admit(MODEL, AttemptCost(3, 5))
            gate.on_completion(MODEL, permit, Completion(REFUSED, {}, None, 1.0, 1000.0))
        if cause == "nothing":
            gate._stopping.set()
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(gate.admit(MODEL, AttemptCost(3, 5))) for _ in range(3)]
        await asyncio.sleep(2)
        gate._stopping.set()
        return await asyncio.gather(*waiting), now()

    permits, ended = run(main())
    assert [permit is not None for permit in permits] == [cause == "limit", False, False]
    assert ended == pytest.approx(2)


def test_a_cancelled_attempt_does_not_block_the_queue() -> None:
    """The next attempt is admitted instead."""

    async def main() -> float:
        gate = rate_gate(requests_per_minute=60)
        await gate.admit(MODEL, AttemptCost(3, 5))
        cancelled = asyncio.create_task(gate.admit(MODEL, AttemptCost(3, 5)))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(gate.admit(MODEL, AttemptCost(3, 5)))
        cancelled.cancel()
        assert await waiting is not None
        return now()

    assert run(main()) == pytest.approx(1)


def test_workers_are_wanted_as_the_window_grows() -> None:
    """``wanted`` is the window and 8 more, and never above the job's concurrency."""

    async def main() -> list[int]:
        gate = RateGate(LimitsSection(concurrency=20), 60.0, asyncio.Event(), now, lambda: 0.5)
        wanted = [gate.wanted]
        for _ in range(30):
            gate.on_completion(MODEL, await gate.admit(MODEL, AttemptCost(3, 10)), good())
            wanted.append(gate.wanted)
        return wanted

    wanted = run(main())
    assert wanted[:2] == [8, 16]
    assert max(wanted) <= 20


def test_cache_reads_do_not_count_against_the_input_limit() -> None:
    """Cache writes count and cache reads do not, as the API documents."""

    async def main() -> list[float]:
        gate = rate_gate(input_tokens_per_minute=60)
        permit = await gate.admit(MODEL, AttemptCost(3, 5))
        usage = Usage(
            input_tokens=1,
            output_tokens=1,
            cache_creation_5m_input_tokens=4,
            cache_creation_1h_input_tokens=5,
            cache_read_input_tokens=1_000,
        )
        gate.on_completion(MODEL, permit, good(usage))
        return await admitted(gate, 1)

    # 10 tokens were used and 1 was reserved: 9 are owed, and the next waits until 1 is available.
    assert run(main()) == pytest.approx([10], abs=0.1)
