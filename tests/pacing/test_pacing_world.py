"""The world in which strategies are measured is right."""

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from random import Random
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from profiles import BUILD, PROFILES, SMALL, Limits, Profile, Row, Sizes, Span
from strategy import Reply
from world import WALL_S, World

BEGIN = 500.0
TINY = Profile("tiny", Limits(60, 60_000, 3_000), Sizes(1_000, 50))
BURSTS = st.sampled_from([1 / 60, 0.1, 1.0])
# (seconds since the request before, input tokens, output tokens)
REQUESTS = st.lists(
    st.tuples(st.floats(0, 5), st.integers(1, 1_000), st.integers(1, 400)), min_size=1, max_size=60
)


class Sent(NamedTuple):
    """One request and what came of it."""

    at: float
    row: Row
    reply: Reply


def row(input_tokens: int = 100, output_tokens: int = 1) -> Row:
    """A request of this size."""
    return Row(0, 3 * input_tokens, 1_000, input_tokens, output_tokens)


def played(profile: Profile, requests: Sequence[tuple[float, int, int]]) -> list[Sent]:
    """Send requests at given distances."""
    world, now, sent = World(profile, Random(1), BEGIN), BEGIN, []
    for gap, tokens_in, tokens_out in requests:
        now += gap
        asked = row(tokens_in, tokens_out)
        sent.append(Sent(now, asked, world.send(asked, now)))
    return sent


def remaining(reply: Reply, name: str) -> int:
    """What a header says is left."""
    return int(reply.headers[f"anthropic-ratelimit-{name}-remaining"])


def reset(reply: Reply, name: str) -> float:
    """When a header says that a limit is full, on the client's clock."""
    written = datetime.fromisoformat(reply.headers[f"anthropic-ratelimit-{name}-reset"])
    return written.timestamp() - WALL_S


@given(BURSTS, REQUESTS)
def test_no_window_admits_more_than_the_limits(
    burst: float, requests: list[tuple[float, int, int]]
) -> None:
    """Between any two admissions fit what the buckets hold and what they refill.

    Output is charged as it is produced: when a request is let through, no more was delivered
    before than the bucket held and refilled.
    """
    limits = TINY.limits
    admitted = [s for s in played(replace(TINY, burst=burst), requests) if s.reply.status == 200]
    for first, begin in enumerate(admitted):
        tokens = 0
        for count, sent in enumerate(admitted[first:], start=1):
            tokens += sent.row.input_tokens
            minutes = (sent.at - begin.at) / 60
            assert count <= limits.requests * (burst + minutes) + 1e-3
            assert tokens <= limits.input_tokens * (burst + minutes) + 1e-3
    for sent in admitted:
        delivered = sum(
            s.row.output_tokens for s in admitted if s.at + s.reply.latency_s <= sent.at
        )
        assert delivered <= limits.output_tokens * (burst + (sent.at - BEGIN) / 60) + 1e-3


@given(BURSTS, REQUESTS)
def test_headers_are_true(burst: float, requests: list[tuple[float, int, int]]) -> None:
    """Remaining and reset are those of a bucket that is kept here, in a second way.

    Tokens are rounded to thousands, resets to whole seconds, and refused requests cost nothing.
    """
    limits = TINY.limits
    for name, limit, rounding in (
        ("requests", limits.requests, 1),
        ("input-tokens", limits.input_tokens, 500),
    ):
        missing, before = 0.0, BEGIN
        for at, asked, reply in played(replace(TINY, burst=burst), requests):
            missing = max(0.0, missing - (at - before) * limit / 60)
            before = at
            if reply.status == 200:
                missing += 1 if name == "requests" else asked.input_tokens
            assert reply.headers[f"anthropic-ratelimit-{name}-limit"] == str(limit)
            assert abs(remaining(reply, name) - (limit * burst - missing)) <= rounding + 1e-3
            assert -1e-3 <= reset(reply, name) - (at + missing * 60 / limit) <= 1 + 1e-3
            sent_at = parsedate_to_datetime(reply.headers["date"]).timestamp() - WALL_S
            assert sent_at == math.floor(at + reply.latency_s)


@given(BURSTS, REQUESTS)
def test_retry_after_is_true(burst: float, requests: list[tuple[float, int, int]]) -> None:
    """A refused request passes after exactly so many seconds, and not a second earlier."""
    profile = replace(TINY, burst=burst, limits=Limits(60, 60_000, 10_000_000))
    world, now = World(profile, Random(1), BEGIN), BEGIN
    for gap, tokens_in, _ in requests:
        now += gap / 10
        asked = row(tokens_in)
        reply = world.send(asked, now)
        if reply.status == 429:
            wait_s = int(reply.headers["retry-after"])
            assert wait_s >= 1
            if wait_s > 1:
                assert world.send(asked, now + wait_s - 1).status == 429
            now += wait_s
            assert world.send(asked, now).status == 200


def test_output_is_charged_while_it_is_produced() -> None:
    """A long answer empties the bucket only after it began, and then holds up the next request."""
    profile = replace(TINY, limits=Limits(60, 60_000, 60), burst=1.0)
    world = World(profile, Random(1), BEGIN)
    long = world.send(row(output_tokens=1_000), BEGIN)
    assert remaining(long, "tokens") == 60_000
    assert world.send(row(), BEGIN + 0.01).status == 200
    late = world.send(row(), BEGIN + long.latency_s)
    assert (late.status, late.headers["anthropic-ratelimit-output-tokens-remaining"]) == (429, "0")
    assert int(late.headers["retry-after"]) > 900


def test_headers_of_the_delivery_are_newer() -> None:
    """Told at the admission, a request is missing; told at the delivery, it has been refilled."""
    limits = Limits(60, 60_000, 60_000)
    at_admission = replace(TINY, limits=limits)
    at_delivery = replace(at_admission, headers_of="delivery")
    for profile, left in ((at_admission, 59), (at_delivery, 60)):
        world = World(profile, Random(1), BEGIN)
        reply = world.send(row(output_tokens=100), BEGIN)
        assert reply.latency_s > 1
        assert remaining(world.deliver(reply, BEGIN + reply.latency_s), "requests") == left


def test_a_cut_limit_holds_from_then_on() -> None:
    """Headers name the new limit, the bucket holds no more, and it refills as slowly."""
    profile = replace(TINY, cut=(30, Limits(30, 30_000, 1_500)))
    world = World(profile, Random(1), BEGIN)
    replies = [world.send(row(), BEGIN + at_s) for at_s in (29, *[30] * 31)]
    assert remaining(replies[0], "requests") == 59
    assert remaining(replies[1], "requests") == 29
    assert replies[1].headers["anthropic-ratelimit-requests-limit"] == "30"
    assert [reply.status for reply in replies[1:]] == [200] * 30 + [429]
    assert replies[-1].headers["retry-after"] == "2"
    idle = World(profile, Random(1), BEGIN)
    assert idle.held(BEGIN) == idle.held(BEGIN + 60) == (60, 60_000, 3_000)


def test_a_second_client_shows_in_the_headers() -> None:
    """What it takes is missing from what remains, though nobody else sent anything."""
    profile = PROFILES[4]
    world = World(profile, Random(1), BEGIN)
    assert remaining(world.send(row(), BEGIN), "requests") >= 998
    assert remaining(world.send(row(), BEGIN + 20), "requests") < 999


def test_outages_and_storms_have_a_beginning_and_an_end() -> None:
    """In an outage nothing answers, in a storm half of it, and neither uses up a limit."""
    profile = replace(TINY, outages=(Span(10, 20),), storms=(Span(30, 40, 0.5),))
    profile = replace(profile, limits=BUILD)
    world = World(profile, Random(1), BEGIN)
    statuses = {
        at_s: [world.send(row(), BEGIN + at_s + n / 1_000).status for n in range(100)]
        for at_s in (9, 10, 19, 20, 29, 30, 39, 40)
    }
    assert {*statuses[10], *statuses[19]} == {None, 503}
    for storm in (30, 39):
        assert 30 < statuses[storm].count(529) < 70
    for calm in (9, 20, 29, 40):
        assert set(statuses[calm]) == {200}
    failed = [status for group in statuses.values() for status in group if status != 200]
    held = world.held(BEGIN + 41)
    assert len(failed) > 250
    assert held[0] > BUILD.requests - 600


def test_growth_is_limited() -> None:
    """A jump is refused by its code; all that passes keeps the rule, counted from outside.

    A client of the limit's rate gets it in the end.
    """
    profile = replace(PROFILES[8], limits=Limits(600, 2_000_000, 400_000))
    world = World(profile, Random(1), BEGIN)
    admitted = [0] * 300
    for second in range(300):
        for nth in range(12):
            now = BEGIN + second + nth / 12
            reply = world.send(row(), now)
            admitted[second] += reply.status == 200
            if reply.error_code:
                assert (reply.status, reply.error_code) == (429, "ramp_limit_exceeded")
    tens = [sum(admitted[max(0, end - 9) : end + 1]) for end in range(300)]
    for second in range(300):
        before = tens[max(0, second - 90) : max(0, second - 29)]
        assert tens[second] <= max(10, 2 * max(before, default=0))
    assert tens[29] == 10
    assert tens[59] == 20
    assert sum(admitted[200:]) >= 950


@pytest.mark.parametrize("asked_s", [0, 3, 8, 9])
def test_retry_after_a_jump_is_true(asked_s: int) -> None:
    """There is room when the ten seconds no longer hold the first of those that filled them."""
    profile = replace(PROFILES[8], limits=Limits(600, 2_000_000, 400_000))
    world = World(profile, Random(1), BEGIN)
    for nth in range(10):
        assert world.send(row(), BEGIN + nth * asked_s / 10).status == 200
    refused = world.send(row(), BEGIN + asked_s)
    wait_s = 10 - asked_s
    assert refused.headers["retry-after"] == str(wait_s)
    assert world.send(row(), BEGIN + asked_s + wait_s - 0.01).status == 429
    assert world.send(row(), BEGIN + asked_s + wait_s).status == 200


def test_rows_are_what_the_profile_says() -> None:
    """Means and the spread of bytes a token are met, and every strategy gets the same rows."""
    random = Random(3)
    rows = [SMALL.draw(number, random) for number in range(20_000)]
    mean_in = sum(r.input_tokens for r in rows) / len(rows)
    mean_out = sum(r.output_tokens for r in rows) / len(rows)
    ratios = [r.body_bytes / r.input_tokens for r in rows]
    ratio = sum(ratios) / len(ratios)
    spread = math.sqrt(sum((r - ratio) ** 2 for r in ratios) / len(ratios)) / ratio
    assert (mean_in, mean_out) == pytest.approx((300, 40), rel=0.03)
    assert (ratio, spread) == pytest.approx((3.3, 0.15), rel=0.05)
