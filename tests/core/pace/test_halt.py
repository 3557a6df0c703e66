"""A run stops before it burns through a dataset, and not for less."""

import pytest

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict
from batcher.core.pace.halt import SAME_FAILURES, Halt, HaltWatch

GOOD = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)
CUT_SHORT = Outcome(Status.TRUNCATED, Verdict.FINAL, Billing.BILLED, error_type="max_tokens")
DENIED = Outcome(
    Status.ERRORED, Verdict.HALT, Billing.FREE, "authentication_error", "no", "check the key"
)
DOWN = Outcome(
    Status.ERRORED, Verdict.RETRY, Billing.FREE, "overloaded_error", "busy", is_unreachable=True
)
LIMITED = Outcome(Status.ERRORED, Verdict.RETRY, Billing.FREE, is_rate_limited=True)
UNTRUSTED = Outcome(
    Status.ERRORED, Verdict.HALT, Billing.FREE, "client.tls", "no", is_unreachable=True
)


def failed(kind: str) -> Outcome:
    """A row that failed for good."""
    return Outcome(Status.ERRORED, Verdict.FINAL, Billing.FREE, kind, "why")


def seen(*events: tuple[float, Outcome], patience: float = 600) -> list[Halt | None]:
    """Show outcomes to a watch, each at a time."""
    watch = HaltWatch(patience, 0.0)
    return [watch.see(outcome, now) for now, outcome in events]


def test_a_refusal_of_us_stops_at_once() -> None:
    """The exit code is 4, and the hint says what to do."""
    assert seen((1, DENIED)) == [Halt(4, "authentication_error: no", "check the key")]


def test_a_server_that_cannot_be_trusted_stops_at_once() -> None:
    """No patience is lost on a certificate that does not verify: exit 5."""
    (halt,) = seen((1, UNTRUSTED))
    assert halt is not None
    assert halt.exit_code == 5


def test_patience_ends() -> None:
    """Failures only, for longer than the patience, is exit 5 and names the last."""
    *before, halt = seen((0, DOWN), (300, DOWN), (600, DOWN), (600.1, DOWN))
    assert before == [None] * 3
    assert halt is not None
    assert halt.exit_code == 5
    assert "overloaded_error: busy" in halt.message


@pytest.mark.parametrize("good", [GOOD, LIMITED, failed("x")], ids=["answer", "429", "400"])
def test_any_sign_of_life_renews_patience(good: Outcome) -> None:
    """A server that answers at all is no outage."""
    assert not any(seen((0, DOWN), (500, DOWN), (599, good), (700, DOWN), (1300, DOWN)))
    assert seen((0, DOWN), (599, good), (700, DOWN), (1301, DOWN))[-1] is not None


@pytest.mark.parametrize("before", [[], [(0, GOOD)], [(0, LIMITED)]], ids=["start", "good", "429"])
def test_patience_runs_from_the_first_failure(before: list[tuple[float, Outcome]]) -> None:
    """One failure after a long wait is no outage: nothing was tried meanwhile."""
    assert not any(seen(*before, (1000, DOWN), (1500, DOWN)))


def test_twenty_first_rows_that_fail_alike_stop_the_run() -> None:
    """A million rows must not be burnt to learn what twenty have shown: exit 4."""
    halts = seen(*[(n, failed("invalid_request_error")) for n in range(SAME_FAILURES)])
    assert halts[:-1] == [None] * (SAME_FAILURES - 1)
    assert halts[-1] is not None
    assert halts[-1].exit_code == 4
    assert "invalid_request_error: why" in halts[-1].message
    assert SAME_FAILURES == 20


@pytest.mark.parametrize(
    "other", [GOOD, CUT_SHORT, failed("another")], ids=["good", "truncated", "other error"]
)
@pytest.mark.parametrize("at", [0, 10, 18])
def test_one_other_answer_lets_the_run_go_on(other: Outcome, at: int) -> None:
    """Good rows are not hostage to bad ones, however many of these follow."""
    outcomes = [failed("x")] * at + [other] + [failed("x")] * 100
    assert not any(seen(*enumerate(outcomes)))


def test_passing_trouble_does_not_count_as_the_same_failure() -> None:
    """Retries are neither an answer nor a failed row."""
    outcomes = ([LIMITED] * 3 + [failed("x")]) * SAME_FAILURES
    halts = seen(*[(n / 10, outcome) for n, outcome in enumerate(outcomes)])
    assert [halt is not None for halt in halts] == [False] * (len(halts) - 1) + [True]
