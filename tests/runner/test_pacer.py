"""Attempts leave when every limit has room, and never during a pause."""

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import now, run

from batcher.core.job import Limits
from batcher.core.money.usage import Usage
from batcher.runner.sending.pacer import Pacer, Reserved


def pacer(**limits: Any) -> Pacer:
    """A pacer on the running loop's clock."""
    return Pacer(Limits(**limits), now)


async def admitted(made: Pacer, count: int, size: int = 3, most: int = 256) -> list[float]:
    """When each of so many attempts, all asking at once, may leave."""
    stopping = asyncio.Event()

    async def one() -> float:
        assert await made.admit(size, most, stopping) is not None
        return now()

    return sorted(await asyncio.gather(*(one() for _ in range(count))))


def times(count: int, size: int = 3, most: int = 256, **limits: Any) -> list[float]:
    """Admission times under limits, from a fresh start."""

    async def main() -> list[float]:
        return await admitted(pacer(**limits), count, size, most)

    return list(run(main()))


def test_without_limits_nobody_waits() -> None:
    """A limit that is not set does not exist."""
    assert times(1000) == [0.0] * 1000


def test_requests_per_minute() -> None:
    """A limit of 60 lets one leave each second."""
    assert times(5, requests_per_minute=60) == pytest.approx([0, 1, 2, 3, 4])


def test_input_tokens_per_minute() -> None:
    """3 bytes are taken for a token until answers tell better; burst is one second's worth."""
    found = times(4, size=300, input_tokens_per_minute=6_000)
    assert found == pytest.approx([0, 1, 2, 3])


def test_output_tokens_per_minute() -> None:
    """256 tokens are expected of an answer, but never more than it may have."""
    assert times(3, output_tokens_per_minute=256)[1:] == pytest.approx(
        [60 * (2 - 1 / 60), 60 * (3 - 1 / 60)], abs=3
    )
    assert times(4, most=60, output_tokens_per_minute=3_600) == pytest.approx([0, 1, 2, 3])


def test_the_tightest_limit_counts() -> None:
    """And it has a name, for people who wonder why it is slow."""

    async def main() -> str:
        made = pacer(requests_per_minute=6_000, input_tokens_per_minute=60)
        await admitted(made, 2, size=3)
        return made.limiter

    assert run(main()) == "input tokens/min"


def test_a_limit_that_holds_nobody_up_is_not_the_limiter() -> None:
    """Then it is the number of connections."""

    async def main() -> str:
        made = pacer(requests_per_minute=6_000)
        await admitted(made, 1)
        return made.limiter

    assert run(main()) == "concurrency"


def test_nobody_leaves_during_a_pause() -> None:
    """A pause holds everybody, also those who were waiting for something else."""

    async def main() -> tuple[list[float], str]:
        made = pacer(requests_per_minute=60)
        waiting = asyncio.create_task(admitted(made, 4))
        await asyncio.sleep(1.5)
        made.pause(30)
        made.pause(5)  # a longer one already runs
        await asyncio.sleep(1)
        return await waiting, made.limiter

    found, _ = run(main())
    assert found[:2] == pytest.approx([0, 1])
    assert min(found[2:]) >= 31.5


def test_a_pause_can_grow_while_it_runs() -> None:
    """Those who wait for its end wait for the new end."""

    async def main() -> list[float]:
        made = pacer()
        made.pause(10)
        waiting = asyncio.create_task(admitted(made, 3))
        await asyncio.sleep(5)
        assert made.limiter == "429 wait"
        made.pause(20)
        return await waiting

    assert run(main()) == pytest.approx([25, 25, 25])


def test_what_a_pause_held_up_does_not_leave_in_one_instant() -> None:
    """After the pause the limit holds as before it: a burst would only earn the next 429."""

    async def main() -> list[float]:
        made = pacer(requests_per_minute=60)
        waiting = asyncio.create_task(admitted(made, 20))
        await asyncio.sleep(0.5)
        made.pause(60)
        return await waiting

    found = run(main())
    gaps = [later - earlier for earlier, later in pairwise(found)]
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
        made = pacer(requests_per_minute=per_minute)
        tasks = []
        for gap, what in arrivals:
            await asyncio.sleep(gap)
            if what == "pause":
                made.pause(pause_s)
                pauses.append((now(), now() + pause_s))
            else:
                tasks.append(asyncio.create_task(admitted(made, 1)))
        return sorted(when for (when,) in await asyncio.gather(*tasks))

    found = run(main())
    assert len(found) == sum(what == "ask" for _, what in arrivals)
    burst = max(1.0, per_minute / 60)
    for first, start in enumerate(found):
        for count, end in enumerate(found[first:], 1):
            assert count <= burst + (end - start) * per_minute / 60 + 1e-3
    for start, end in pauses:
        assert not [when for when in found if start + 1e-6 < when < end - 1e-6]


@pytest.mark.parametrize("held_by", ["limit", "pause", "nothing"])
def test_stopping_ends_every_wait(held_by: str) -> None:
    """Whoever waits is told at once that there is no leaving any more."""

    async def main() -> tuple[list[Reserved | None], float]:
        made, stopping = pacer(requests_per_minute=1), asyncio.Event()
        if held_by == "pause":
            made.pause(1000)
        if held_by == "nothing":
            stopping.set()
        await asyncio.sleep(0)
        waiting = [asyncio.create_task(made.admit(3, 5, stopping)) for _ in range(3)]
        await asyncio.sleep(2)
        stopping.set()
        return await asyncio.gather(*waiting), now()

    found, ended = run(main())
    assert [one is not None for one in found] == [held_by == "limit", False, False]
    assert ended == pytest.approx(2)


def test_answers_correct_the_estimates() -> None:
    """Unused tokens come back at once; later estimates move towards what was used."""

    async def main() -> tuple[Reserved | None, Reserved | None, list[float]]:
        made, stopping = pacer(input_tokens_per_minute=6_000), asyncio.Event()
        first = await made.admit(30_000, 5, stopping)
        assert first is not None
        made.settle(first, 30_000, Usage(input_tokens=100, output_tokens=1))
        second = await made.admit(300, 5, stopping)
        return first, second, [now()]

    first, second, (when,) = run(main())
    assert first == Reserved(10_000, 5)
    assert second.input_tokens < 100
    # The first waited for its 10,000 tokens less the burst; the second for nothing more.
    assert when == pytest.approx(99)


def test_cache_reads_do_not_count_against_the_input_limit() -> None:
    """Cache writes do, as the API's documentation has it."""

    async def main() -> list[float]:
        made, stopping = pacer(input_tokens_per_minute=60), asyncio.Event()
        first = await made.admit(3, 5, stopping)
        assert first is not None
        usage = Usage(
            input_tokens=1,
            output_tokens=1,
            cache_creation_5m_input_tokens=4,
            cache_creation_1h_input_tokens=5,
            cache_read_input_tokens=1_000,
        )
        made.settle(first, 3, usage)
        return await admitted(made, 1)

    # 10 tokens used where 1 was taken: nine seconds in debt, and about none for the next itself.
    assert run(main()) == pytest.approx([9.5], abs=0.6)
