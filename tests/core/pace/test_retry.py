"""Whether a request is tried again, and how long it waits."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict
from batcher.core.pace.retry import Decision, History, Retry, RetryPolicy, Stop, decide

POLICY = RetryPolicy(attempts=3, max_wait_s=60.0, unknown_attempts=2)
PASSING = {"status": Status.ERRORED, "verdict": Verdict.RETRY, "billing": Billing.FREE}
OVERLOADED = Outcome(**PASSING, is_unreachable=True)
LIMITED = Outcome(**PASSING, is_rate_limited=True, retry_after_s=10.0)
UNSENT = Outcome(**PASSING, is_unsent=True, is_unreachable=True)
CUT = Outcome(**PASSING | {"billing": Billing.UNKNOWN}, is_unreachable=True)
DONE = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)
DENIED = Outcome(Status.ERRORED, Verdict.HALT, Billing.FREE)


def played(*outcomes: Outcome, unknown: int = 0, random: float = 0.5) -> list[Decision]:
    """Decide after each of a request's outcomes."""
    history, decisions = History(unknown=unknown), []
    for outcome in outcomes:
        history = history.after(outcome)
        decisions.append(decide(outcome, history, POLICY, random))
    return decisions


@pytest.mark.parametrize(
    ("outcomes", "last"),
    [
        pytest.param([DONE], Stop("final"), id="an answer is final"),
        pytest.param([OVERLOADED, DONE], Stop("final"), id="after trouble too"),
        pytest.param([DENIED], Stop("halt"), id="a halt is not tried again"),
        pytest.param([OVERLOADED], Retry(0.5), id="backoff of the first"),
        pytest.param([OVERLOADED] * 2, Retry(1.0), id="backoff grows"),
        pytest.param([OVERLOADED] * 3, Stop("attempts"), id="attempts run out"),
        pytest.param([LIMITED], Retry(10.5), id="retry-after is obeyed"),
        pytest.param([LIMITED] * 50, Retry(10.5), id="a rate limit uses up no attempt"),
        pytest.param([LIMITED] * 50 + [OVERLOADED] * 2, Retry(30.0), id="nor later"),
        pytest.param([UNSENT] * 50, Retry(30.0), id="nor does what never left"),
        pytest.param([CUT], Retry(0.5), id="unknown is tried again"),
        pytest.param([CUT] * 2, Stop("unknown_attempts"), id="only within its allowance"),
        pytest.param([CUT, OVERLOADED], Retry(1.0), id="unknown and failed"),
        pytest.param([CUT, OVERLOADED, OVERLOADED], Stop("attempts"), id="it used up one too"),
    ],
)
def test_decisions(outcomes: list[Outcome], last: Decision) -> None:
    """What follows the last of these."""
    assert played(*outcomes)[-1] == last


def test_the_allowance_counts_all_runs() -> None:
    """An attempt that was lost in an earlier run counts like one of this."""
    assert played(CUT, unknown=1) == [Stop("unknown_attempts")]


@pytest.mark.parametrize("random", [0.0, 0.999])
def test_a_server_that_asks_for_no_wait_gets_the_backoff(random: float) -> None:
    """``retry-after: 0`` must not make us ask as fast as it can answer."""
    eager = Outcome(**PASSING, is_rate_limited=True, retry_after_s=0.0)
    patient = Outcome(**PASSING, is_rate_limited=True)
    assert played(*[eager] * 7, random=random) == played(*[patient] * 7, random=random)


OUTCOMES = st.lists(st.sampled_from([OVERLOADED, LIMITED, UNSENT, CUT]), min_size=1, max_size=60)


@given(OUTCOMES, st.integers(1, 20), st.integers(1, 5), st.floats(0, 1, exclude_max=True))
def test_no_bound_is_ever_passed(
    outcomes: list[Outcome], attempts: int, allowance: int, random: float
) -> None:
    """While it says retry, both allowances have room; waits are within their bounds."""
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
    counted = [o for o in outcomes if o in (OVERLOADED, CUT)]
    assert (history.tries, history.failures) == (len(outcomes), len(counted))
    assert history.unknown == outcomes.count(CUT)
