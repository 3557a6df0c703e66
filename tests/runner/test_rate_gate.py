"""Attempts leave in their turn, when every limit has room, and never once the run is stopping."""

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
REFUSED = classify(Response(429, {}, b"{}", 1.0))
FAILED = classify(Response(529, {}, b"{}", 1.0))


def rate_gate(window: float = 1_000.0, **limits: Any) -> RateGate:
    """A rate gate on the running loop's clock, with a window that has grown."""
    made = RateGate(
        LimitsSection(concurrency=1_000, **limits), 60.0, asyncio.Event(), now, lambda: 0.5
    )
    made._lane(MODEL).pace._window.size = window
    return made


def good(usage: Usage | None = None) -> Completion:
    """A clean answer."""
    return Completion(GOOD, {}, usage or Usage(input_tokens=1, output_tokens=1), 1.0)


async def admitted(made: RateGate, count: int, size: int = 3, most: int = 256) -> list[float]:
    """Return when each of ``count`` simultaneous attempts is admitted; usage is as estimated."""

    async def one() -> float:
        permit = await made.admit(MODEL, AttemptCost(size, most))
        assert permit is not None
        tokens_in, tokens_out = permit.amounts.input_tokens, permit.amounts.output_tokens
        usage = Usage(input_tokens=round(tokens_in), output_tokens=round(tokens_out))
        made.on_completion(MODEL, permit, good(usage))
        return now()

    return sorted(await asyncio.gather(*(one() for _ in range(count))))


def times(count: int, size: int = 3, most: int = 256, **limits: Any) -> list[float]:
    """Admission times under limits, from a fresh start."""

    async def main() -> list[float]:
        return await admitted(rate_gate(**limits), count, size, most)

    return list(run(main()))


def test_without_limits_nobody_waits() -> None:
    """A limit that is not set does not exist."""
    assert times(1000) == [0.0] * 1000


def test_requests_per_minute() -> None:
    """A limit of 60 lets one leave each second."""
    assert times(5, requests_per_minute=60) == pytest.approx([0, 1, 2, 3, 4])


def test_input_tokens_per_minute() -> None:
    """3 bytes are taken for a token until answers tell better; a bucket holds a second's worth."""
    found = times(4, size=300, input_tokens_per_minute=6_000)
    assert found == pytest.approx([0, 1, 2, 3])


def test_output_tokens_per_minute() -> None:
    """256 tokens are expected of an answer, but never more than it may have."""
    assert times(4, most=60, output_tokens_per_minute=3_600) == pytest.approx([0, 1, 2, 3])
    assert times(2, output_tokens_per_minute=256 * 60) == pytest.approx([0, 1])


def test_the_limit_that_holds_the_queue_is_named() -> None:
    """For people who wonder why it is slow; nobody waits, nothing is named."""

    async def main() -> list[Limiter | None]:
        made = rate_gate(requests_per_minute=6_000, input_tokens_per_minute=60)
        waiting = asyncio.create_task(admitted(made, 3, size=3))
        await asyncio.sleep(0.5)
        named = [made.limiter]
        await waiting
        return [*named, made.limiter]

    assert run(main()) == [Limiter.INPUT, None]


def test_the_window_holds_until_answers_come() -> None:
    """Two may be out; each answer lets the next one go, in the order of asking."""

    async def main() -> None:
        made, order = rate_gate(window=2.0), []

        async def one(number: int) -> Permit | None:
            permit = await made.admit(MODEL, AttemptCost(3, 10))
            order.append(number)
            return permit

        tasks = [asyncio.create_task(one(number)) for number in range(5)]
        await asyncio.sleep(1)
        assert order == [0, 1]
        made._lane(MODEL).pace._window.threshold = 0.0
        for task in tasks[:3]:
            made.on_completion(MODEL, await task, good())
            await asyncio.sleep(0)
        assert order == [0, 1, 2, 3, 4]

    run(main())


def test_models_with_limits_of_their_own_do_not_wait_for_each_other() -> None:
    """A pause of one is none of the other's; models that share limits share it."""

    async def main() -> list[float]:
        made = rate_gate()
        for model in ("claude-opus-4-7", "claude-opus-5"):
            made._lane(model).pace._window.size = 10.0
        permit = await made.admit("claude-opus-4-7", AttemptCost(3, 10))
        made.on_completion("claude-opus-4-7", permit, Completion(REFUSED, {}, None, 1.0, 30.0))
        found = []
        for model in ("claude-opus-5", "claude-opus-4-8"):
            assert await made.admit(model, AttemptCost(3, 10)) is not None
            found.append(now())
        return found

    assert run(main()) == [0, 30]


def test_a_retry_goes_first_but_not_above_its_share() -> None:
    """Retries are let through before fresh requests while they have tokens left, then after."""

    async def main() -> list[str]:
        made, order = rate_gate(window=1.0), []
        quota = made._lane(MODEL).pace._quota
        permit = await made.admit(MODEL, AttemptCost(3, 10))

        async def one(name: str, *, is_retry: bool) -> None:
            permit = await made.admit(MODEL, AttemptCost(3, 10, is_retry))
            order.append(name)
            made.on_completion(MODEL, permit, Completion(REFUSED, {}, None, 1.0))

        fresh = [asyncio.create_task(one(f"fresh {n}", is_retry=False)) for n in range(2)]
        await asyncio.sleep(0)
        retries = [asyncio.create_task(one(f"retry {n}", is_retry=True)) for n in range(2)]
        await asyncio.sleep(0)
        quota.level = 1.0
        quota._over_quota = 1  # another retry without a token is in flight
        made.on_completion(MODEL, permit, Completion(REFUSED, {}, None, 1.0))
        await asyncio.gather(*fresh)
        quota.on_returned(is_over_quota=True)
        made._lane(MODEL).pump()
        await asyncio.gather(*retries)
        return order

    assert run(main()) == ["retry 0", "fresh 0", "fresh 1", "retry 1"]


def test_what_a_pause_held_up_does_not_leave_in_one_instant() -> None:
    """After the pause the limit holds as before it: a burst would only earn the next 429."""

    async def main() -> list[float]:
        made = rate_gate(requests_per_minute=60)
        permit = await made.admit(MODEL, AttemptCost(3, 10))
        waiting = asyncio.create_task(admitted(made, 20))
        await asyncio.sleep(0.5)
        made.on_completion(MODEL, permit, Completion(REFUSED, {}, None, 1.0, 60.0))
        return await waiting

    found = run(main())
    gaps = [later - earlier for earlier, later in pairwise(found)]
    assert found[0] >= 60.5
    assert min(gaps) > 0.99
    assert max(gaps[1:]) < 1.01


ARRIVALS = st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["ask", "ask", "ask", "pause"])))


@settings(deadline=None, max_examples=60)
@given(ARRIVALS, st.integers(6, 600), st.floats(0.1, 20))
def test_no_window_admits_more_than_the_limit(
    arrivals: list[tuple[float, str]], per_minute: int, pause_s: float
) -> None:
    """Whatever comes when, and however often the server asks for a pause."""
    pauses: list[tuple[float, float]] = []

    async def main() -> list[float]:
        made = rate_gate(requests_per_minute=per_minute)
        tasks, first = [], await made.admit(MODEL, AttemptCost(3, 10))
        for gap, what in arrivals:
            await asyncio.sleep(gap)
            if what == "ask":
                tasks.append(asyncio.create_task(admitted(made, 1)))
            elif first is not None:
                made.on_completion(MODEL, first, Completion(REFUSED, {}, None, 1.0, pause_s))
                pauses.append((now(), now() + pause_s))
                first = None
        return [0.0, *sorted(when for (when,) in await asyncio.gather(*tasks))]

    found = run(main())
    assert len(found) == 1 + sum(what == "ask" for _, what in arrivals)
    burst = max(1.0, per_minute / 60)
    for first, start in enumerate(found):
        for count, end in enumerate(found[first:], 1):
            assert count <= burst + (end - start) * per_minute / 60 + 1e-3
    for start, end in pauses:
        assert not [when for when in found if start + 1e-6 < when < end - 1e-6]


@pytest.mark.parametrize("held_by", ["limit", "pause", "nothing"])
def test_stopping_ends_every_wait(held_by: str) -> None:
    """Every waiting attempt returns at once without a permit."""

    async def main() -> tuple[list[Permit | None], float]:
        made = rate_gate(requests_per_minute=1)
        if held_by == "pause":
            permit = await made.admit(MODEL, AttemptCost(3, 5))
            made.on_completion(MODEL, permit, Completion(REFUSED, {}, None, 1.0, 1000.0))
        if held_by == "nothing":
            made._stopping.set()
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(made.admit(MODEL, AttemptCost(3, 5))) for _ in range(3)]
        await asyncio.sleep(2)
        made._stopping.set()
        return await asyncio.gather(*waiting), now()

    found, ended = run(main())
    assert [one is not None for one in found] == [held_by == "limit", False, False]
    assert ended == pytest.approx(2)


def test_whoever_is_cancelled_does_not_hold_the_queue() -> None:
    """The next one gets the turn."""

    async def main() -> float:
        made = rate_gate(requests_per_minute=60)
        await made.admit(MODEL, AttemptCost(3, 5))
        gone = asyncio.create_task(made.admit(MODEL, AttemptCost(3, 5)))
        await asyncio.sleep(0.1)
        waiting = asyncio.create_task(made.admit(MODEL, AttemptCost(3, 5)))
        gone.cancel()
        assert await waiting is not None
        return now()

    assert run(main()) == pytest.approx(1)


def test_workers_are_wanted_as_the_window_grows() -> None:
    """What may be out, a few that come next, and never more than the job allows."""

    async def main() -> list[int]:
        made = RateGate(LimitsSection(concurrency=20), 60.0, asyncio.Event(), now, lambda: 0.5)
        wanted = [made.wanted]
        for _ in range(30):
            made.on_completion(MODEL, await made.admit(MODEL, AttemptCost(3, 10)), good())
            wanted.append(made.wanted)
        return wanted

    wanted = run(main())
    assert wanted[:2] == [8, 16]
    assert max(wanted) <= 20


def test_cache_reads_do_not_count_against_the_input_limit() -> None:
    """Cache writes do, as the API's documentation has it."""

    async def main() -> list[float]:
        made = rate_gate(input_tokens_per_minute=60)
        permit = await made.admit(MODEL, AttemptCost(3, 5))
        usage = Usage(
            input_tokens=1,
            output_tokens=1,
            cache_creation_5m_input_tokens=4,
            cache_creation_1h_input_tokens=5,
            cache_read_input_tokens=1_000,
        )
        made.on_completion(MODEL, permit, good(usage))
        return await admitted(made, 1)

    # 10 tokens used where 1 was taken: nine in debt, and the next waits until one is there.
    assert run(main()) == pytest.approx([10], abs=0.1)
