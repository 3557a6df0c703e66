"""The model of the API's limits, in which strategies are measured, is correct."""

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
    """One request and its reply."""

    at: float
    row: Row
    reply: Reply


def row(input_tokens: int = 100, output_tokens: int = 1) -> Row:
    """Return a request of this size."""
    return Row(0, 3 * input_tokens, 1_000, input_tokens, output_tokens)


def replies_of(profile: Profile, requests: Sequence[tuple[float, int, int]]) -> list[Sent]:
    """Send requests at given intervals."""
    world, now, sent = World(profile, Random(1), BEGIN), BEGIN, []
    for gap, tokens_in, tokens_out in requests:
        now += gap
        request = row(tokens_in, tokens_out)
        sent.append(Sent(now, request, world.send(request, now)))
    return sent


def remaining(reply: Reply, name: str) -> int:
    """Return the remaining units of a header."""
    return int(reply.headers[f"anthropic-ratelimit-{name}-remaining"])


def reset(reply: Reply, name: str) -> float:
    """Return the reset time of a header on the client's clock."""
    resets_at = datetime.fromisoformat(reply.headers[f"anthropic-ratelimit-{name}-reset"])
    return resets_at.timestamp() - WALL_S


@given(BURSTS, REQUESTS)
def test_no_window_admits_more_than_the_limits(
    burst: float, requests: list[tuple[float, int, int]]
) -> None:
    """Between any two admissions at most the capacity and the refill are taken.

    Output is charged while it is written: when a request is admitted, at most the capacity and the
    refill were delivered before.
    """
    limits = TINY.limits
    sent = replies_of(replace(TINY, burst=burst), requests)
    admitted = [each for each in sent if each.reply.status == 200]
    for first, begin in enumerate(admitted):
        tokens = 0
        for count, later in enumerate(admitted[first:], start=1):
            tokens += later.row.input_tokens
            minutes = (later.at - begin.at) / 60
            assert count <= limits.requests * (burst + minutes) + 1e-3
            assert tokens <= limits.input_tokens * (burst + minutes) + 1e-3
    for each in admitted:
        delivered = sum(
            earlier.row.output_tokens
            for earlier in admitted
            if earlier.at + earlier.reply.latency_s <= each.at
        )
        assert delivered <= limits.output_tokens * (burst + (each.at - BEGIN) / 60) + 1e-3


@given(BURSTS, REQUESTS)
def test_headers_are_correct(burst: float, requests: list[tuple[float, int, int]]) -> None:
    """Remaining and reset are those of a bucket that is computed here independently.

    Tokens are rounded to thousands, resets to whole seconds; refused requests are charged nothing.
    """
    limits = TINY.limits
    for name, limit, rounding in (
        ("requests", limits.requests, 1),
        ("input-tokens", limits.input_tokens, 500),
    ):
        missing, before = 0.0, BEGIN
        for at, request, reply in replies_of(replace(TINY, burst=burst), requests):
            missing = max(0.0, missing - (at - before) * limit / 60)
            before = at
            if reply.status == 200:
                missing += 1 if name == "requests" else request.input_tokens
            assert reply.headers[f"anthropic-ratelimit-{name}-limit"] == str(limit)
            assert abs(remaining(reply, name) - (limit * burst - missing)) <= rounding + 1e-3
            assert -1e-3 <= reset(reply, name) - (at + missing * 60 / limit) <= 1 + 1e-3
            sent_at = parsedate_to_datetime(reply.headers["date"]).timestamp() - WALL_S
            assert sent_at == math.floor(at + reply.latency_s)


@given(BURSTS, REQUESTS)
def test_retry_after_is_correct(burst: float, requests: list[tuple[float, int, int]]) -> None:
    """A refused request is admitted after exactly this time, and not a second earlier."""
    profile = replace(TINY, burst=burst, limits=Limits(60, 60_000, 10_000_000))
    world, now = World(profile, Random(1), BEGIN), BEGIN
    for gap, tokens_in, _ in requests:
        now += gap / 10
        request = row(tokens_in)
        reply = world.send(request, now)
        if reply.status == 429:
            wait_s = int(reply.headers["retry-after"])
            assert wait_s >= 1
            if wait_s > 1:
                assert world.send(request, now + wait_s - 1).status == 429
            now += wait_s
            assert world.send(request, now).status == 200


def test_output_is_charged_while_it_is_written() -> None:
    """A long response empties the bucket only after its start, then delays the next request."""
    profile = replace(TINY, limits=Limits(60, 60_000, 60), burst=1.0)
    world = World(profile, Random(1), BEGIN)
    long = world.send(row(output_tokens=1_000), BEGIN)
    assert remaining(long, "tokens") == 60_000
    assert world.send(row(), BEGIN + 0.01).status == 200
    late = world.send(row(), BEGIN + long.latency_s)
    assert (late.status, late.headers["anthropic-ratelimit-output-tokens-remaining"]) == (429, "0")
    assert int(late.headers["retry-after"]) > 900


def test_headers_of_the_delivery_are_newer() -> None:
    """At admission one request is missing; at delivery it has been refilled."""
    limits = Limits(60, 60_000, 60_000)
    at_admission = replace(TINY, limits=limits)
    at_delivery = replace(at_admission, headers_of="delivery")
    for profile, expected in ((at_admission, 59), (at_delivery, 60)):
        world = World(profile, Random(1), BEGIN)
        reply = world.send(row(output_tokens=100), BEGIN)
        assert reply.latency_s > 1
        assert remaining(world.deliver(reply, BEGIN + reply.latency_s), "requests") == expected


def test_a_cut_limit_applies_from_its_time_on() -> None:
    """Headers, capacity and refill are those of the new limit."""
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
    """What it takes is missing in the headers of our replies."""
    profile = PROFILES[4]
    world = World(profile, Random(1), BEGIN)
    assert remaining(world.send(row(), BEGIN), "requests") >= 998
    assert remaining(world.send(row(), BEGIN + 20), "requests") < 999


def test_outages_and_storms_have_a_beginning_and_an_end() -> None:
    """In an outage all requests fail, in a storm half of them, and failures are charged nothing."""
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
    failures = [status for group in statuses.values() for status in group if status != 200]
    levels = world.held(BEGIN + 41)
    assert len(failures) > 250
    assert levels[0] > BUILD.requests - 600


def test_growth_is_limited() -> None:
    """A jump is refused with its error code; the admitted requests keep the rule.

    A client at the rate of the limit reaches it in the end.
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


@pytest.mark.parametrize("span_s", [0, 3, 8, 9])
def test_retry_after_a_jump_is_correct(span_s: int) -> None:
    """A request is admitted when the first one is more than ten seconds ago."""
    profile = replace(PROFILES[8], limits=Limits(600, 2_000_000, 400_000))
    world = World(profile, Random(1), BEGIN)
    for nth in range(10):
        assert world.send(row(), BEGIN + nth * span_s / 10).status == 200
    refused = world.send(row(), BEGIN + span_s)
    wait_s = 10 - span_s
    assert refused.headers["retry-after"] == str(wait_s)
    assert world.send(row(), BEGIN + span_s + wait_s - 0.01).status == 429
    assert world.send(row(), BEGIN + span_s + wait_s).status == 200


def test_rows_have_the_sizes_of_the_profile() -> None:
    """They have the means and the spread of bytes per token of the profile."""
    random = Random(3)
    rows = [SMALL.draw(number, random) for number in range(20_000)]
    mean_in = sum(row.input_tokens for row in rows) / len(rows)
    mean_out = sum(row.output_tokens for row in rows) / len(rows)
    ratios = [row.body_bytes / row.input_tokens for row in rows]
    ratio = sum(ratios) / len(ratios)
    spread = math.sqrt(sum((each - ratio) ** 2 for each in ratios) / len(ratios)) / ratio
    assert (mean_in, mean_out) == pytest.approx((300, 40), rel=0.03)
    assert (ratio, spread) == pytest.approx((3.3, 0.15), rel=0.05)
