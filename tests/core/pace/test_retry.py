"""Whether a request is retried, how long it waits, and how many retries there may be."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict
from batcher.core.pace.retry import (
    EARNED,
    QUOTA,
    Decision,
    History,
    PassedOver,
    Retry,
    RetryPolicy,
    RetryQuota,
    Stop,
    backoff_s,
    decide,
    pause_s,
    retry_after_wait_s,
)

POLICY = RetryPolicy(attempts=3, max_wait_s=60.0, unknown_attempts=2)
TRANSIENT = {"status": Status.ERRORED, "verdict": Verdict.RETRY, "billing": Billing.FREE}
OVERLOADED = Outcome(**TRANSIENT, is_unreachable=True)
LIMITED = Outcome(**TRANSIENT, is_rate_limited=True, retry_after_s=10.0)
UNSENT = Outcome(**TRANSIENT, is_unsent=True, is_unreachable=True)
CUT = Outcome(**TRANSIENT | {"billing": Billing.UNKNOWN}, is_unreachable=True)
DONE = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)
DENIED = Outcome(Status.ERRORED, Verdict.HALT, Billing.FREE)


def decisions_after(*outcomes: Outcome, unknown: int = 0, random: float = 0.5) -> list[Decision]:
    """Decide after each of a request's outcomes."""
    history, decisions = History(unknown=unknown), []
    for outcome in outcomes:
        history = history.after(outcome)
        decisions.append(decide(outcome, history, POLICY, random))
    return decisions


@pytest.mark.parametrize(
    ("outcomes", "last"),
    [
        pytest.param([DONE], Stop("final"), id="a success is final"),
        pytest.param([OVERLOADED, DONE], Stop("final"), id="also after an error"),
        pytest.param([DENIED], Stop("halt"), id="a halt is not retried"),
        pytest.param([OVERLOADED], Retry(0.5), id="first backoff"),
        pytest.param([OVERLOADED] * 2, Retry(1.0), id="second backoff"),
        pytest.param([OVERLOADED] * 3, Stop("attempts"), id="attempts run out"),
        pytest.param([LIMITED], Retry(10.5), id="retry-after is obeyed"),
        pytest.param([LIMITED] * 50, Retry(10.5), id="a rate limit uses up no attempt"),
        pytest.param([LIMITED] * 50 + [OVERLOADED] * 2, Retry(30.0), id="nor does it later"),
        pytest.param([UNSENT] * 50, Retry(30.0), id="a request never sent uses up none"),
        pytest.param([CUT], Retry(0.5), id="unknown is retried"),
        pytest.param([CUT] * 2, Stop("unknown_attempts"), id="only within its allowance"),
        pytest.param([CUT, OVERLOADED], Retry(1.0), id="unknown and failed"),
        pytest.param(
            [CUT, OVERLOADED, OVERLOADED], Stop("attempts"), id="unknown uses up an attempt"
        ),
    ],
)
def test_decisions(outcomes: list[Outcome], last: Decision) -> None:
    """Check what follows the last of these outcomes."""
    assert decisions_after(*outcomes)[-1] == last


def test_the_allowance_counts_all_runs() -> None:
    """An unknown attempt of an earlier run counts like one of this run."""
    assert decisions_after(CUT, unknown=1) == [Stop("unknown_attempts")]


@pytest.mark.parametrize("random", [0.0, 0.999])
def test_a_server_that_asks_for_no_wait_gets_the_usual_backoff(random: float) -> None:
    """``retry-after: 0`` must not make us retry as fast as it can respond."""
    zero = Outcome(**TRANSIENT, is_rate_limited=True, retry_after_s=0.0)
    absent = Outcome(**TRANSIENT, is_rate_limited=True)
    assert decisions_after(*[zero] * 7, random=random) == decisions_after(
        *[absent] * 7, random=random
    )


OUTCOMES = st.lists(st.sampled_from([OVERLOADED, LIMITED, UNSENT, CUT]), min_size=1, max_size=60)


@given(OUTCOMES, st.integers(1, 20), st.integers(1, 5), st.floats(0, 1, exclude_max=True))
def test_no_bound_is_ever_passed(
    outcomes: list[Outcome], attempts: int, allowance: int, random: float
) -> None:
    """While the decision is to retry, no allowance is used up and waits are within bounds."""
    policy = RetryPolicy(attempts, 60.0, allowance)
    history = History()
    for outcome in outcomes:
        history = history.after(outcome)
        decision = decide(outcome, history, policy, random)
        if isinstance(decision, Stop):
            assert history.failures >= attempts or history.unknown >= allowance
            return
        assert history.failures < attempts
        assert history.unknown < allowance
        if outcome is LIMITED:
            assert 10.0 <= decision.after_s <= 11.0
        else:
            assert 0 <= decision.after_s <= 60.0
    failures = [outcome for outcome in outcomes if outcome in (OVERLOADED, CUT)]
    assert (history.tries, history.failures) == (len(outcomes), len(failures))
    assert history.unknown == outcomes.count(CUT)


UNIT = st.floats(0, 1, exclude_max=True)


@given(st.integers(1, 10**9), st.floats(0.001, 1e6), UNIT)
def test_backoff_stays_below_its_limit(failures: int, max_wait_s: float, random: float) -> None:
    """However many failures, the wait is from 0 to the longest allowed."""
    assert 0 <= backoff_s(failures, max_wait_s, random) <= max_wait_s


@pytest.mark.parametrize(
    ("failures", "limit"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (5_000, 60)]
)
def test_the_limit_doubles_up_to_the_longest_wait(failures: int, limit: float) -> None:
    """The limit of a wait doubles with every failure until it reaches max_wait_s."""
    assert backoff_s(failures, 60, 0.5) == limit / 2


@given(st.floats(0, 1e6), UNIT)
def test_retry_after_is_never_cut_short(retry_after_s: float, random: float) -> None:
    """The wait is what the server asked for, or up to a tenth more."""
    assert retry_after_s <= retry_after_wait_s(retry_after_s, random) <= retry_after_s * 1.1


def test_waiting_clients_spread_out() -> None:
    """They do not all return in the same instant."""
    assert len({retry_after_wait_s(30, n / 10) for n in range(10)}) == 10
    assert len({backoff_s(3, 60, n / 10) for n in range(10)}) == 10


@given(st.lists(st.sampled_from(["retry", "success", "return"]), max_size=400))
def test_retries_are_a_bounded_share(events: list[str]) -> None:
    """At most the first hundred and half of the successes, and one at a time beyond that."""
    quota = RetryQuota()
    within_quota = successes = 0
    in_flight: list[bool] = []
    for event in events:
        if event == "retry" and quota.allows():
            is_over_quota = quota.take()
            in_flight.append(is_over_quota)
            within_quota += not is_over_quota
        elif event == "success":
            quota.earn()
            successes += 1
        elif event == "return" and in_flight:
            quota.on_returned(is_over_quota=in_flight.pop(0))
        assert within_quota <= QUOTA + EARNED * successes
        assert sum(in_flight) <= 1


def test_a_row_is_delayed_but_never_dropped() -> None:
    """With an empty quota one retry is in flight, and the next follows when it has returned."""
    quota = RetryQuota()
    while quota.level >= 1:
        quota.take()
    assert quota.allows()
    assert quota.take()
    assert not quota.allows()
    quota.on_returned(is_over_quota=True)
    assert quota.allows()


@pytest.mark.parametrize("refusal", [LIMITED, UNSENT], ids=["429", "not sent"])
@pytest.mark.parametrize(
    ("tries", "passed_over_s", "is_stopped"),
    [(3, 95.0, True), (2, 95.0, False), (50, 80.0, False), (50, 0.0, False)],
    ids=["both bounds", "tries left", "patience left", "no other answered"],
)
def test_what_only_one_request_is_refused_is_bounded(
    refusal: Outcome, tries: int, passed_over_s: float, is_stopped: bool
) -> None:
    """By the attempts and the patience together, the next wait included."""
    policy = replace(POLICY, patience_s=100.0)
    outcome = replace(refusal, retry_after_s=10.0)
    decision = decide(outcome, History(tries, passed_over_s=passed_over_s), policy, 0.0)
    assert isinstance(decision, Stop) is is_stopped


def test_a_wait_for_all_is_not_bounded_by_one_request() -> None:
    """If no other request is answered either, the whole run waits."""
    policy = replace(POLICY, patience_s=100.0)
    decision = decide(replace(LIMITED, retry_after_s=50.0), History(50), policy, 0.0)
    assert decision == Retry(50.0)


def test_a_request_is_passed_over_from_its_first_refusal_on() -> None:
    """Only if another one was answered since; other failures are counted as attempts."""
    passed_over = PassedOver()
    assert passed_over.seconds(OVERLOADED, 5, 0.0) == 0.0
    assert passed_over.seconds(LIMITED, 5, 10.0) == 0.0
    assert passed_over.seconds(LIMITED, 5, 500.0) == 0.0
    assert passed_over.seconds(LIMITED, 6, 600.0) == 590.0
    assert passed_over.seconds(UNSENT, 6, 700.0) == 690.0
    assert passed_over.seconds(OVERLOADED, 6, 800.0) == 0.0


def test_a_server_may_forbid_a_retry() -> None:
    """Then the row is left for the next run."""
    forbidden = replace(OVERLOADED, forbids_retry=True)
    assert isinstance(decide(forbidden, History(1), POLICY, 0.0), Stop)


@pytest.mark.parametrize(
    ("wait_s", "expected"), [(10.0, 10.0), (99.0, 99.0), (101.0, None), (86_400.0, None)]
)
@pytest.mark.parametrize("failures", [1, 3])
def test_a_wait_beyond_the_patience_pauses_nobody(
    wait_s: float, expected: float | None, failures: int
) -> None:
    """The next response shows whether the server means it; a shorter wait holds all requests."""
    outcome = replace(OVERLOADED, is_overloaded=True, retry_after_s=wait_s)
    policy = replace(POLICY, patience_s=100.0)
    decision = decide(outcome, History(failures, failures), policy, 0.0)
    assert pause_s(outcome, decision, policy) == expected
    assert pause_s(replace(outcome, retry_after_s=None), Stop("attempts"), policy) is None
