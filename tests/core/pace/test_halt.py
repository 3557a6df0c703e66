"""A run stops before it sends a whole data set in vain, but not for single failures."""

import pytest

from batcher.core.answers.message import Message
from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict
from batcher.core.pace.halt import Halt, HaltWatch
from batcher.core.pace.suspects import SAME_FAILURES, Ending

SUCCEEDED = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)
MESSAGE = Message("m", "m", "max_tokens", None, "", "", None, True, False, None)
CUT_SHORT = Outcome(
    Status.TRUNCATED, Verdict.FINAL, Billing.BILLED, error_type="max_tokens", message=MESSAGE
)
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


def failed(error_type: str) -> Outcome:
    """Return the outcome of a row that failed for good."""
    return Outcome(Status.ERRORED, Verdict.FINAL, Billing.FREE, error_type, "why")


def halts_of(*events: tuple[float, Outcome], patience: float = 600) -> list[Halt | None]:
    """Return what a watch says after each outcome."""
    watch = HaltWatch(patience, 0.0)
    endings = (Ending(outcome, n, n, n) for n, (_, outcome) in enumerate(events))
    return [watch.check(end, now)[0] for end, (now, _) in zip(endings, events, strict=True)]


def test_a_refused_key_stops_the_run_at_once() -> None:
    """The exit code is 4, and the hint says what to do."""
    assert halts_of((1, DENIED)) == [Halt(4, "authentication_error: no", "check the key")]


def test_a_server_that_cannot_be_trusted_stops_at_once() -> None:
    """A certificate that cannot be verified ends the run without waiting: exit 5."""
    (halt,) = halts_of((1, UNTRUSTED))
    assert halt is not None
    assert halt.exit_code == 5


def test_failures_for_longer_than_the_patience_stop_the_run() -> None:
    """The exit code is 5, and the message has the last error."""
    *before, halt = halts_of((0, DOWN), (300, DOWN), (600, DOWN), (600.1, DOWN))
    assert before == [None] * 3
    assert halt is not None
    assert halt.exit_code == 5
    assert "overloaded_error: busy" in halt.message


@pytest.mark.parametrize("good", [SUCCEEDED, LIMITED, failed("x")], ids=["answer", "429", "400"])
def test_any_response_renews_the_patience(good: Outcome) -> None:
    """A 429 or a 400 also shows that the server works."""
    assert not any(halts_of((0, DOWN), (500, DOWN), (599, good), (700, DOWN), (1300, DOWN)))
    assert halts_of((0, DOWN), (599, good), (700, DOWN), (1301, DOWN))[-1] is not None


@pytest.mark.parametrize(
    "before", [[], [(0, SUCCEEDED)], [(0, LIMITED)]], ids=["start", "good", "429"]
)
def test_patience_runs_from_the_first_failure(before: list[tuple[float, Outcome]]) -> None:
    """One failure after a long wait is not an outage: nothing was sent in that time."""
    assert not any(halts_of(*before, (1000, DOWN), (1500, DOWN)))


def test_twenty_first_rows_with_the_same_error_stop_the_run() -> None:
    """A million rows must not be sent to learn what twenty have shown: exit 4."""
    halts = halts_of(*[(n, failed("invalid_request_error")) for n in range(SAME_FAILURES)])
    assert halts[:-1] == [None] * (SAME_FAILURES - 1)
    assert halts[-1] is not None
    assert halts[-1].exit_code == 4
    assert "invalid_request_error: why" in halts[-1].message
    assert SAME_FAILURES == 20


@pytest.mark.parametrize(
    "other", [SUCCEEDED, CUT_SHORT, failed("another")], ids=["good", "truncated", "other error"]
)
@pytest.mark.parametrize("at", [0, 10, 18])
def test_one_other_result_begins_the_count_anew(other: Outcome, at: int) -> None:
    """Whenever it happens, twenty in a row stop the run; the message does not say "the first"."""
    outcomes = [failed("x")] * at + [other] + [failed("x")] * SAME_FAILURES
    *before, halt = halts_of(*enumerate(outcomes))
    assert not any(before)
    assert halt is not None
    assert (halt.exit_code, "the last 20 requests" in halt.message) == (4, True)


def test_transient_errors_do_not_count_as_the_same_failure() -> None:
    """A retry is neither another result nor a failed row."""
    outcomes = ([LIMITED] * 3 + [failed("x")]) * SAME_FAILURES
    halts = halts_of(*[(n / 10, outcome) for n, outcome in enumerate(outcomes)])
    assert [halt is not None for halt in halts] == [False] * (len(halts) - 1) + [True]
