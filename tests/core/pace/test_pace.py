"""The pace as a whole: whatever comes back, its promises hold."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.money.usage import Usage
from batcher.core.pace.kinds import Kind
from batcher.core.pace.limiter import Limiter
from batcher.core.pace.model_groups import limit_group
from batcher.core.pace.pace import ALONE_S, SPREAD_S, AttemptCost, Completion, Delay, Pace, Permit

NEED = AttemptCost(300, 100)
GOOD = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)
REFUSED = classify(Response(429, {}, b"{}", 1.0))
FAILED = classify(Response(529, {}, b"{}", 1.0))
LOST = classify(NoResponse("client.read", "", was_sent=True, latency_s=1.0))


def told(requests: int, limit: int = 1_000) -> dict[str, str]:
    """The headers about requests."""
    name = "anthropic-ratelimit-requests"
    return {f"{name}-limit": str(limit), f"{name}-remaining": str(requests)}


@dataclass
class Play:
    """A pace whose attempts leave as soon as they may, under a clock of its own."""

    cap: int = 50
    now: float = 100.0
    out: list[Permit] = field(default_factory=list)
    left_at: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.pace = Pace(self.cap, 60.0, {})

    def leave(self, cost: AttemptCost = NEED) -> Permit | Delay:
        """Ask for one."""
        decision = self.pace.ask(cost, self.now)
        if isinstance(decision, Permit):
            self.out.append(decision)
            self.left_at.append(self.now)
        return decision

    def back(self, outcome: Outcome = GOOD, index: int = 0, **more: Any) -> None:
        """Let one come back."""
        usage = Usage(input_tokens=100, output_tokens=10) if outcome is GOOD else None
        completion = Completion(outcome, more.get("headers", {}), usage, 1.0, more.get("pause_s"))
        self.pace.on_completion(self.out.pop(index), completion, self.now, 0.5)

    def warm(self, answers: int = 400) -> "Play":
        """Let the window grow to its cap."""
        for _ in range(answers):
            while isinstance(self.leave(), Permit):
                pass
            self.back()
        return self

    def drain(self) -> None:
        """Let all come back."""
        while self.out:
            self.back()


OUTCOMES = {"good": GOOD, "429": REFUSED, "529": FAILED, "lost": LOST}
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["leave", "leave", "leave", "retry", *OUTCOMES]),
        st.floats(0, 2),
        st.integers(0, 1_000),
    ),
    max_size=300,
)


@settings(max_examples=60, deadline=None)
@given(STEPS, st.integers(1, 20))
def test_never_above_concurrency_and_never_lost(
    steps: list[tuple[str, float, int]], cap: int
) -> None:
    """Whatever comes back, the count of what is out is right and within the cap."""
    play = Play(cap)
    for what, pause, number in steps:
        play.now += pause
        if what in ("leave", "retry"):
            play.leave(AttemptCost(300, 100, is_retry=what == "retry"))
        elif play.out:
            pause_s = 1.0 if what == "429" else None
            headers = told(number)
            play.back(OUTCOMES[what], number % len(play.out), headers=headers, pause_s=pause_s)
        assert play.pace.in_flight == len(play.out) <= cap


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_nobody_waits_for_ever(steps: list[tuple[str, float, int]]) -> None:
    """Once all is well, whoever is at the head leaves after the seconds that were named."""
    play = Play()
    for what, pause, number in steps:
        play.now += pause
        if what in ("leave", "retry"):
            play.leave(AttemptCost(300, 100, is_retry=what == "retry"))
        elif play.out:
            play.back(OUTCOMES[what], headers=told(number), pause_s=1.0 if what == "429" else None)
    for cost in (NEED, AttemptCost(300, 100, is_retry=True), AttemptCost(30_000_000, 100_000)):
        play.drain()
        for _ in range(10):
            decision = play.leave(cost)
            if isinstance(decision, Permit):
                break
            assert decision.seconds < 200
            play.now += decision.seconds + 1e-6
        else:
            pytest.fail(f"still waiting: {decision}")


@given(st.floats(0.1, 300), st.integers(2, 50), st.booleans())
def test_nobody_leaves_in_a_pause_and_no_two_at_once_after_it(
    pause_s: float, waiting: int, has_headers: bool
) -> None:
    """A pause holds everybody; those it held leave one after the other."""
    play = Play().warm()
    play.drain()
    play.leave()
    headers = told(1_000) if has_headers else {}
    play.back(REFUSED, pause_s=pause_s, headers=headers)
    asked_at, play.left_at = play.now, []
    while len(play.left_at) < min(waiting, int(play.pace.window_size)):
        decision = play.leave()
        if isinstance(decision, Delay):
            assert decision.seconds > 0
            play.now += decision.seconds
    assert play.left_at[0] >= asked_at + pause_s
    assert all(later > earlier for earlier, later in pairwise(play.left_at))
    assert play.left_at[-1] <= asked_at + pause_s + SPREAD_S + 1e-6


def test_a_request_that_hangs_does_not_hold_up_the_end_of_an_outage() -> None:
    """The probes are alone among themselves, whatever else is still out."""
    play = Play().warm()
    play.drain()
    hanging = play.leave()
    for _ in range(10):
        play.leave()
        play.back(FAILED, index=1)
    assert play.out == [hanging]
    decision = play.leave()
    assert isinstance(decision, Delay)
    play.now += decision.seconds
    assert isinstance(play.leave(), Permit)
    assert play.leave() == Delay(float("inf"), Limiter.OVERLOADED)
    play.back(index=1)
    assert isinstance(play.leave(), Permit)


def test_a_first_answer_that_takes_its_time_is_not_waited_for() -> None:
    """After ten seconds eight may be out; not before."""
    play = Play()
    play.leave()
    assert play.leave() == Delay(ALONE_S, Limiter.RAMPING)
    play.now += ALONE_S
    while isinstance(play.leave(), Permit):
        pass
    assert play.pace.in_flight == 8


def test_a_refused_key_lets_nobody_else_go() -> None:
    """An answer that halts the run is no clean answer: the window stays as it was."""
    play = Play()
    play.leave()
    play.back(classify(Response(401, {}, b"{}", 1.0)))
    assert play.pace.window_size == 1


def test_a_limit_on_all_tokens_goes_when_it_is_no_longer_tighter() -> None:
    """It is told as the sum of the two others then."""
    names = ("requests", "input-tokens", "output-tokens", "tokens")

    def headers(limit_on_all: int) -> dict[str, str]:
        limits = dict(zip(names, (1_000, 80_000, 16_000, limit_on_all), strict=True))
        return {
            f"anthropic-ratelimit-{name}-{what}": str(limit)
            for name, limit in limits.items()
            for what in ("limit", "remaining")
        }

    play = Play()
    play.leave()
    play.back(headers=headers(50_000))
    assert Kind.TOKENS in play.pace._limits
    play.leave()
    play.leave()
    play.back(headers=headers(96_000))
    assert Kind.TOKENS not in play.pace._limits
    play.back(headers=headers(96_000))


def test_a_longer_pause_stays() -> None:
    """A shorter one that is told later does not end it."""
    play = Play().warm()
    play.drain()
    play.leave()
    play.leave()
    play.back(REFUSED, pause_s=30.0)
    play.back(REFUSED, pause_s=1.0)
    decision = play.leave()
    assert decision == Delay(30.0, Limiter.REFUSED)


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("requests", Limiter.REQUESTS),
        ("input-tokens", Limiter.INPUT),
        ("output-tokens", Limiter.OUTPUT),
    ],
)
def test_the_limit_that_holds_is_named(kind: str, word: Limiter) -> None:
    """By the word of the pace line."""
    play = Play().warm()
    play.drain()
    name = f"anthropic-ratelimit-{kind}"
    play.leave()
    play.back(headers={f"{name}-limit": "60", f"{name}-remaining": "0"})
    decision = play.leave()
    assert isinstance(decision, Delay)
    assert decision.limiter is word


def test_what_else_holds_is_named() -> None:
    """Ramping, the cap, an outage."""
    play = Play()
    play.leave()
    assert play.leave() == Delay(ALONE_S, Limiter.RAMPING)
    play.back()
    play.warm()
    while isinstance(decision := play.leave(), Permit):
        pass
    assert decision.limiter is Limiter.CONCURRENCY
    while play.out:
        play.back(FAILED)
    decision = play.leave()
    assert isinstance(decision, Delay)
    assert decision.limiter is Limiter.OVERLOADED


def test_cached_reads_do_not_count_and_what_was_not_used_comes_back() -> None:
    """A limit on input of 6,000 a minute: only what was uncached stays taken."""
    play = Play()
    name = "anthropic-ratelimit-input-tokens"
    headers = {f"{name}-limit": "60000", f"{name}-remaining": "60000"}
    play.leave()
    play.back(headers=headers)
    big = AttemptCost(30_000, 100)
    play.leave(big)
    limit = play.pace._limits[Kind.INPUT]
    taken = 60_000 - limit.bucket.level
    assert taken == pytest.approx(play.out[0].amounts.input_tokens)
    usage = Usage(input_tokens=10, output_tokens=1, cache_read_input_tokens=9_000)
    completion = Completion(GOOD, {}, usage, 1.0)
    play.pace.on_completion(play.out.pop(), completion, play.now, 0.5)
    assert limit.bucket.level == pytest.approx(60_000 - 10)


@pytest.mark.parametrize(
    ("outcome", "stays"),
    [
        (REFUSED, 0),
        (classify(NoResponse("client.connect", "", was_sent=False, latency_s=0.1)), 0),
        (LOST, 1),
        (FAILED, 1),
    ],
)
def test_what_was_refused_or_never_left_counts_against_nothing(
    outcome: Outcome, stays: int
) -> None:
    """What may have been served stays taken, until a report says otherwise."""
    play = Play()
    play.leave()
    play.back(headers=told(100, 100))
    play.leave()
    level = play.pace._limits[Kind.REQUESTS].bucket.level
    play.back(outcome)
    assert play.pace._limits[Kind.REQUESTS].bucket.level == level + 1 - stays


def test_models_that_share_limits_share_a_pace() -> None:
    """As the documentation lists them; all others have limits of their own."""
    assert limit_group("claude-opus-4-5") == limit_group("claude-opus-4-8")
    assert limit_group("claude-fable-5-2") == limit_group("claude-fable-5-1")
    names = ["claude-opus-5", "claude-opus-5-5", "claude-haiku-5-5", "claude-haiku-4-5", "llama"]
    assert [limit_group(name) for name in names] == names
