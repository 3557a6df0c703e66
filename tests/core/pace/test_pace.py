"""The pace as a whole keeps its promises, whatever responses come."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.money.usage import Usage
from batcher.core.pace.kinds import Kind, Limiter
from batcher.core.pace.model_groups import limit_group
from batcher.core.pace.pace import ALONE_S, SPREAD_S, AttemptCost, Completion, Delay, Pace, Permit

SHORT_S = 0.03
COST = AttemptCost(300, 100)
SUCCEEDED = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)
REFUSED = classify(Response(429, {}, b"{}", 1.0))
ASKING = classify(Response(429, {"retry-after": "30"}, b"{}", 1.0))
OVERLOADED = b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'
FAILED = classify(Response(529, {}, OVERLOADED, 1.0))
CUT_OFF = classify(NoResponse("client.read", "", was_sent=True, latency_s=1.0))


def request_headers(remaining: int, limit: int = 1_000) -> dict[str, str]:
    """Return the headers about the limit on requests."""
    name = "anthropic-ratelimit-requests"
    return {f"{name}-limit": str(limit), f"{name}-remaining": str(remaining)}


@dataclass
class PlayedPace:
    """A pace whose attempts are sent as soon as they may be, under a virtual clock."""

    cap: int = 50
    now: float = 100.0
    in_flight: list[Permit] = field(default_factory=list)
    sent_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = Pace(self.cap, 60.0, {})

    def send(self, cost: AttemptCost = COST) -> Permit | Delay:
        """Ask to send one attempt, after the short gap to the one before if there is one."""
        decision = self.pace.admit(cost, self.now)
        while isinstance(decision, Delay) and 0 < decision.seconds <= SHORT_S:
            self.now += max(decision.seconds, 1e-6)
            decision = self.pace.admit(cost, self.now)
        if isinstance(decision, Permit):
            self.in_flight.append(decision)
            self.sent_at.append(self.now)
        return decision

    def complete(self, outcome: Outcome = SUCCEEDED, index: int = 0, **facts: Any) -> None:
        """Complete one attempt."""
        usage = Usage(input_tokens=100, output_tokens=10) if outcome is SUCCEEDED else None
        completion = Completion(outcome, facts.get("headers", {}), usage, 1.0, facts.get("pause_s"))
        self.pace.on_completion(self.in_flight.pop(index), completion, self.now, 0.5)

    def widen(self, responses: int = 400) -> "PlayedPace":
        """Let the window grow to its cap."""
        for _ in range(responses):
            while isinstance(self.send(), Permit):
                pass
            self.complete()
        return self

    def drain(self) -> None:
        """Complete all attempts in flight."""
        while self.in_flight:
            self.complete()


OUTCOMES = {"success": SUCCEEDED, "429": REFUSED, "529": FAILED, "cut off": CUT_OFF}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "retry", *OUTCOMES]),
        st.floats(0, 2),
        st.integers(0, 1_000),
    ),
    max_size=300,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 20))
def test_the_attempts_in_flight_are_counted_and_within_the_cap(
    steps: list[tuple[str, float, int]], cap: int
) -> None:
    """This holds for any sequence of attempts and outcomes."""
    play = PlayedPace(cap)
    for step, pause, number in steps:
        play.now += pause
        if step in ("send", "retry"):
            play.send(AttemptCost(300, 100, is_retry=step == "retry"))
        elif play.in_flight:
            pause_s = 1.0 if step == "429" else None
            headers = request_headers(number)
            play.complete(
                OUTCOMES[step], number % len(play.in_flight), headers=headers, pause_s=pause_s
            )
        assert play.pace.in_flight == len(play.in_flight) <= cap


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_no_attempt_waits_for_ever(steps: list[tuple[str, float, int]]) -> None:
    """Once the API works, the next attempt is sent after at most ten delays of 200 s."""
    play = PlayedPace()
    for step, pause, number in steps:
        play.now += pause
        if step in ("send", "retry"):
            play.send(AttemptCost(300, 100, is_retry=step == "retry"))
        elif play.in_flight:
            play.complete(
                OUTCOMES[step],
                headers=request_headers(number),
                pause_s=1.0 if step == "429" else None,
            )
    for cost in (COST, AttemptCost(300, 100, is_retry=True), AttemptCost(30_000_000, 100_000)):
        play.drain()
        for _ in range(10):
            decision = play.send(cost)
            if isinstance(decision, Permit):
                break
            assert decision.seconds < 200
            play.now += decision.seconds + 1e-6
        else:
            pytest.fail(f"still waiting: {decision}")


@given(st.floats(0.1, 300), st.integers(2, 50), st.booleans())
def test_no_attempt_is_sent_in_a_pause_and_no_two_at_once_after_it(
    pause_s: float, waiting: int, has_headers: bool
) -> None:
    """A pause holds all attempts; after it they are sent one by one, within a second."""
    play = PlayedPace().widen()
    play.drain()
    play.send()
    headers = request_headers(1_000) if has_headers else {}
    play.complete(ASKING, pause_s=pause_s, headers=headers)
    paused_at, play.sent_at = play.now, []
    while len(play.sent_at) < min(waiting, int(play.pace.window_size)):
        decision = play.send()
        if isinstance(decision, Delay):
            assert decision.seconds > 0
            play.now += decision.seconds
    assert play.sent_at[0] >= paused_at + pause_s
    assert all(later > earlier for earlier, later in pairwise(play.sent_at))
    assert play.sent_at[-1] <= paused_at + pause_s + SPREAD_S + 1e-6


def test_an_attempt_that_hangs_does_not_delay_the_end_of_an_outage() -> None:
    """Only probes wait for each other, not for older attempts in flight."""
    play = PlayedPace().widen()
    play.drain()
    hanging = play.send()
    for _ in range(10):
        play.send()
        play.complete(FAILED, index=1)
    assert play.in_flight == [hanging]
    decision = play.send()
    assert isinstance(decision, Delay)
    play.now += decision.seconds
    assert isinstance(play.send(), Permit)
    assert play.send() == Delay(float("inf"), Limiter.FAILURES)
    play.complete(index=1)
    assert isinstance(play.send(), Permit)


def test_a_slow_first_response_is_not_waited_for() -> None:
    """Eight attempts may be in flight after ten seconds; not before."""
    play = PlayedPace()
    play.send()
    assert play.send() == Delay(ALONE_S, Limiter.RAMPING)
    play.now += ALONE_S
    while isinstance(play.send(), Permit):
        pass
    assert play.pace.in_flight == 8


def test_a_refused_key_does_not_widen_the_window() -> None:
    """A response that halts the run is not a success: the window stays as it was."""
    play = PlayedPace()
    play.send()
    play.complete(classify(Response(401, {}, b"{}", 1.0)))
    assert play.pace.window_size == 1


def test_a_limit_on_all_tokens_is_dropped_when_it_is_no_longer_lower() -> None:
    """The API then sends the sum of the other two."""
    names = ("requests", "input-tokens", "output-tokens", "tokens")

    def headers(limit_on_all: int) -> dict[str, str]:
        limits = dict(zip(names, (1_000, 80_000, 16_000, limit_on_all), strict=True))
        return {
            f"anthropic-ratelimit-{name}-{part}": str(limit)
            for name, limit in limits.items()
            for part in ("limit", "remaining")
        }

    play = PlayedPace()
    play.send()
    play.complete(headers=headers(50_000))
    assert Kind.TOKENS in play.pace._limits.observed
    play.send()
    play.send()
    play.complete(headers=headers(96_000))
    assert Kind.TOKENS not in play.pace._limits.observed
    play.complete(headers=headers(96_000))


def test_a_longer_pause_stays() -> None:
    """A shorter pause that a later response asks for does not end it."""
    play = PlayedPace().widen()
    play.drain()
    play.send()
    play.send()
    play.complete(ASKING, pause_s=30.0)
    play.complete(ASKING, pause_s=1.0)
    decision = play.send()
    assert decision == Delay(30.0, Limiter.REFUSED)


def test_the_wait_of_one_request_that_is_often_refused_holds_the_others_only_shortly() -> None:
    """Without retry-after a wait grows with the tries of its request; the server asked for none."""
    play = PlayedPace().widen()
    play.drain()
    play.send()
    play.complete(REFUSED, pause_s=60.0)
    assert play.send() == Delay(2.0, Limiter.REFUSED)


@pytest.mark.parametrize(
    ("name", "limiter"),
    [
        ("requests", Limiter.REQUESTS),
        ("input-tokens", Limiter.INPUT),
        ("output-tokens", Limiter.OUTPUT),
    ],
)
def test_the_limit_that_causes_the_delay_is_named(name: str, limiter: Limiter) -> None:
    """The delay carries the limiter that the pace line shows."""
    play = PlayedPace().widen()
    play.drain()
    prefix = f"anthropic-ratelimit-{name}"
    play.send()
    play.complete(headers={f"{prefix}-limit": "60", f"{prefix}-remaining": "0"})
    decision = play.send()
    assert isinstance(decision, Delay)
    assert decision.limiter is limiter


def test_other_causes_of_a_delay_are_named() -> None:
    """Ramping up, the concurrency of the job, an outage."""
    play = PlayedPace()
    play.send()
    assert play.send() == Delay(ALONE_S, Limiter.RAMPING)
    play.complete()
    play.widen()
    while isinstance(decision := play.send(), Permit):
        pass
    assert decision.limiter is Limiter.CONCURRENCY
    while play.in_flight:
        play.complete(FAILED)
    decision = play.send()
    assert isinstance(decision, Delay)
    assert decision.limiter is Limiter.FAILURES


def test_cache_reads_do_not_count_and_unused_tokens_are_given_back() -> None:
    """Of a limit on input only the uncached tokens stay taken."""
    play = PlayedPace()
    name = "anthropic-ratelimit-input-tokens"
    headers = {f"{name}-limit": "60000", f"{name}-remaining": "60000"}
    play.send()
    play.complete(headers=headers)
    large = AttemptCost(30_000, 100)
    play.send(large)
    limit = play.pace._limits.observed[Kind.INPUT]
    taken = 60_000 - limit.bucket.level
    assert taken == pytest.approx(play.in_flight[0].taken.amounts.input_tokens)
    usage = Usage(input_tokens=10, output_tokens=1, cache_read_input_tokens=9_000)
    completion = Completion(SUCCEEDED, {}, usage, 1.0)
    play.pace.on_completion(play.in_flight.pop(), completion, play.now, 0.5)
    assert limit.bucket.level == pytest.approx(60_000 - 10)


@pytest.mark.parametrize(
    ("outcome", "taken"),
    [
        (REFUSED, 0),
        (classify(NoResponse("client.connect", "", was_sent=False, latency_s=0.1)), 0),
        (CUT_OFF, 1),
        (FAILED, 1),
    ],
)
def test_a_refused_or_unsent_attempt_counts_against_no_limit(outcome: Outcome, taken: int) -> None:
    """What may have been served stays taken until a report says otherwise."""
    play = PlayedPace()
    play.send()
    play.complete(headers=request_headers(100, 100))
    play.send()
    level = play.pace._limits.observed[Kind.REQUESTS].bucket.level
    play.complete(outcome)
    assert play.pace._limits.observed[Kind.REQUESTS].bucket.level == level + 1 - taken


def test_models_that_share_limits_share_a_pace() -> None:
    """The groups are those of the documentation; all other models have limits of their own."""
    assert limit_group("claude-opus-4-5") == limit_group("claude-opus-4-8")
    assert limit_group("claude-fable-5-2") == limit_group("claude-fable-5-1")
    names = ["claude-opus-5", "claude-opus-5-5", "claude-haiku-5-5", "claude-haiku-4-5", "llama"]
    assert [limit_group(name) for name in names] == names


def test_a_single_overload_holds_only_its_own_request() -> None:
    """When the next response agrees, its wait holds them all; a success in between is none."""
    overloaded = classify(Response(503, {"retry-after": "30"}, b"{}", 1.0))
    for before, is_held in ((SUCCEEDED, False), (FAILED, True), (overloaded, True)):
        play = PlayedPace().widen()
        play.drain()
        for _ in range(2):
            play.send()
        play.complete(before)
        play.complete(overloaded, pause_s=30.0)
        assert (play.send() == Delay(30.0, Limiter.FAILURES)) is is_held
