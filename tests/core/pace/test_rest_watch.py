"""A wait that is longer than the run's patience ends the run only when other responses agree."""

from datetime import UTC, datetime

import pytest

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict, classify
from batcher.core.answers.response import Response
from batcher.core.pace.rest_watch import RestWatch, until_text
from batcher.core.pace.retry import History, Retry, RetryPolicy, Stop, decide
from batcher.exit_codes import ExitCode

NOW = datetime(2026, 11, 30, 16, 0, tzinfo=UTC)
SUCCEEDED = Outcome(Status.SUCCEEDED, Verdict.FINAL, Billing.BILLED)


def asking(retry_after: str, status: int = 503) -> Outcome:
    """Return the outcome of a response with this header."""
    body = b'{"type": "error", "error": {"type": "api_error", "message": "maintenance"}}'
    return classify(Response(status, {"retry-after": retry_after}, body, 1.0))


@pytest.mark.parametrize("status", [429, 503, 529])
@pytest.mark.parametrize("retry_after", ["86400", "60000", "1e308"])
def test_a_single_wish_stops_its_request_and_not_the_run(retry_after: str, status: int) -> None:
    """A day, milliseconds that were sent as seconds, and more seconds than a clock has."""
    outcome, watch = asking(retry_after, status), RestWatch(600.0)
    assert watch.check(outcome, NOW) is None
    assert watch.asked is not None
    assert "maintenance" in watch.asked
    assert watch.check(SUCCEEDED, NOW) is None
    assert watch.check(outcome, NOW) is None
    decision = decide(outcome, History(1), RetryPolicy(20, 60.0, 3, 600.0), 0.5)
    assert isinstance(decision, Stop)


@pytest.mark.parametrize("retry_after", ["86400", "60000", "1e308"])
def test_two_wishes_in_a_row_end_the_run(retry_after: str) -> None:
    """Exit code 5, with the server's words."""
    watch = RestWatch(600.0)
    watch.check(asking(retry_after), NOW)
    halt = watch.check(asking(retry_after), NOW)
    assert halt is not None
    assert halt.exit_code == ExitCode.UNREACHABLE
    assert "maintenance" in halt.message


@pytest.mark.parametrize("retry_after", ["0", "30", "600", "Mon, 30 Nov 2020 16:00:00 GMT", "-5"])
def test_a_wish_within_the_patience_is_obeyed(retry_after: str) -> None:
    """Dates in the past and unreadable values are no wish."""
    outcome, watch = asking(retry_after), RestWatch(600.0)
    assert watch.check(outcome, NOW) is watch.check(outcome, NOW) is None
    assert watch.asked is None
    assert isinstance(decide(outcome, History(1), RetryPolicy(20, 60.0, 3, 600.0), 0.5), Retry)


def test_the_end_of_a_wait_is_said() -> None:
    """With the date, unless it lies beyond ten years."""
    assert until_text(86_400.0, NOW) == "86,400 s, until 2026-12-01 16:00:00 UTC"
    assert until_text(1e308, NOW) == "1e+308 s"
