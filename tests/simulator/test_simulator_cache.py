"""The prompt cache: what is written and read, and when."""

from collections.abc import Callable
from typing import Any

import pytest
from simulator_bodies import Client, body_of

from batcher.simulator import Fault
from batcher.simulator.billing.prompt_cache import Plan, PromptCache
from batcher.simulator.billing.prompt_tokens import Segment

Start = Callable[..., Client]


def block(tokens: int, ttl: str | None = None, value: str = "x") -> Segment:
    """Return a segment."""
    return Segment(tokens, ttl, value)


def send(cache: PromptCache, segments: list[Segment], now: float, minimum: int = 512) -> Plan:
    """Pass one whole request through the cache."""
    plan = cache.plan(segments, "model", minimum, now)
    cache.begin(plan, now)
    cache.answered(plan)
    return plan


def split(plan: Plan) -> tuple[int, int, int, int]:
    """Return the tokens that are uncached, read, written for 5 minutes and for an hour."""
    return plan.uncached, plan.read, plan.write_5m, plan.write_1h


def test_write_then_read() -> None:
    """The second request reads what the first one wrote, up to the breakpoint."""
    cache = PromptCache()
    prompt = [block(600, "5m"), block(10)]
    assert split(send(cache, prompt, 0)) == (10, 0, 600, 0)
    assert split(send(cache, [prompt[0], block(20, value="other row")], 1)) == (20, 600, 0, 0)


def test_not_before_the_first_response_has_begun() -> None:
    """Parallel requests all pay for the write until the first response begins."""
    cache = PromptCache()
    prompt = [block(600, "5m")]
    first = cache.plan(prompt, "model", 512, 0)
    cache.begin(first, 0)
    assert split(cache.plan(prompt, "model", 512, 0)) == (0, 0, 600, 0)
    cache.answered(first)
    assert split(cache.plan(prompt, "model", 512, 0)) == (0, 600, 0, 0)


@pytest.mark.parametrize(("ttl", "lifetime"), [("5m", 300), ("1h", 3600)])
def test_lifetime_and_renewal(ttl: str, lifetime: int) -> None:
    """The lifetime starts with the request that wrote the entry, and again with each read."""
    cache = PromptCache()
    prompt = [block(600, ttl)]
    send(cache, prompt, 0)
    assert send(cache, prompt, lifetime - 1).read == 600
    assert send(cache, prompt, 2 * lifetime - 2).read == 600
    assert send(cache, prompt, 3 * lifetime - 1).read == 0


def test_minimum() -> None:
    """A prefix below the model's minimum is not cached; that is no error."""
    cache = PromptCache()
    assert split(send(cache, [block(511, "5m")], 0)) == (511, 0, 0, 0)
    assert split(send(cache, [block(511, "5m"), block(1, "5m")], 0)) == (0, 0, 512, 0)


def test_any_change_before_the_breakpoint_misses() -> None:
    """Only an equal prefix in the same space is read."""
    cache = PromptCache()
    send(cache, [block(600, "5m", "a")], 0)
    assert send(cache, [block(600, "5m", "b")], 1).read == 0
    assert cache.plan([block(600, "5m", "a")], "other model", 512, 1).read == 0


def test_mixed_lifetimes_split_the_write() -> None:
    """Tokens up to the last hit are read, then written for 1 h up to the last 1 h breakpoint."""
    cache = PromptCache()
    prompt = [block(600, "1h", "tools"), block(700, "1h", "system"), block(800, "5m", "shots")]
    assert split(send(cache, prompt[:1], 0)) == (0, 0, 0, 600)
    assert split(send(cache, [*prompt, block(9)], 1)) == (9, 600, 800, 700)
    assert split(send(cache, [*prompt, block(5)], 2)) == (5, 2_100, 0, 0)


@pytest.mark.parametrize(("between", "read"), [(19, 600), (20, 0)])
def test_look_back(between: int, read: int) -> None:
    """A breakpoint finds an older entry within 20 blocks, its own block included."""
    cache = PromptCache()
    send(cache, [block(600, "5m")], 0)
    middle = [block(1, value=f"{n}") for n in range(between - 1)]
    plan = send(cache, [block(600), *middle, block(1, "5m", "last")], 1)
    assert plan.read == read
    assert plan.uncached + plan.read + plan.write_5m == 600 + between


def test_over_the_wire(simulate: Start) -> None:
    """Usage shows a write, then a read, by lifetime; the ledger prices both."""
    client = simulate()
    rubric = {"type": "text", "text": "rubric " * 400,
              "cache_control": {"type": "ephemeral", "ttl": "1h"}}  # fmt: skip

    def usage(prompt: str, **changes: Any) -> dict[str, Any]:
        return client.message(prompt, system=[rubric], **changes)["usage"]

    first, second = usage("row 1"), usage("row 2")
    written = first["cache_creation"]["ephemeral_1h_input_tokens"]
    assert written == first["cache_creation_input_tokens"] == second["cache_read_input_tokens"]
    assert written > 1_000
    assert first["cache_read_input_tokens"] == second["cache_creation_input_tokens"] == 0
    costs = [entry.cost for entry in client.simulator.entries()]
    assert costs[0] > 2 * costs[1]
    assert usage("row 3", output_config={"effort": "low"})["cache_read_input_tokens"] == 0


def test_automatic_breakpoint(simulate: Start) -> None:
    """``cache_control`` at the top level caches up to the last block, also a plain string."""
    client = simulate()
    long = body_of("word " * 400, cache_control={"type": "ephemeral"})
    first, second = (client.send(long).json()["usage"] for _ in range(2))
    assert first["cache_creation_input_tokens"] == second["cache_read_input_tokens"] > 700
    assert second["input_tokens"] == 0


def test_a_refused_request_writes_nothing(simulate: Start) -> None:
    """A request that fails before the model answers leaves no entry."""
    client = simulate(faults=(Fault("overloaded", times=1),))
    long = body_of("word " * 400, cache_control={"type": "ephemeral"})
    assert client.send(long).status_code == 529
    assert client.send(long).json()["usage"]["cache_read_input_tokens"] == 0
