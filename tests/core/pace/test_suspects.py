"""A failure belongs to its row if other rows are answered, and to the account if none is."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.answers.message import Message
from batcher.core.answers.outcome import Billing, Outcome, Scope, Status, Verdict
from batcher.core.pace.suspects import SAME_FAILURES, SAME_REFUSALS, Ending, Ruling, Suspects

MESSAGE = Message("m", "m", "end_turn", None, "", "", None, False, True, None)
TEXT = replace(MESSAGE, text="yes", has_output=True, is_empty=False)


def answer(status: Status, error_type: str | None = None, scope: Scope = Scope.UNCLEAR) -> Outcome:
    """Return the outcome of a response with a message."""
    return Outcome(
        status, Verdict.FINAL, Billing.BILLED, error_type, None, message=MESSAGE, scope=scope
    )


def error(kind: str = "x", says: str = "why", scope: Scope = Scope.UNCLEAR) -> Outcome:
    """Return the outcome of an error that is not about the account."""
    verdict = Verdict.HALT if scope is Scope.EVERY_REQUEST else Verdict.FINAL
    return Outcome(Status.ERRORED, verdict, Billing.FREE, kind, says, scope=scope)


GOOD = answer(Status.SUCCEEDED)
EMPTY = answer(Status.EMPTY, "client.empty_answer")
INVALID = answer(Status.INVALID, "client.invalid_label")
REFUSED = answer(Status.REFUSED, "refusal", Scope.ROW)
WORDLESS = answer(Status.TRUNCATED, "max_tokens", Scope.ROW)
CUT_SHORT = replace(WORDLESS, message=TEXT)
TOO_LONG = error("invalid_request_error", "prompt is too long", Scope.ROW)
DENIED = error("permission_error", "no", Scope.EVERY_REQUEST)
BUSY = Outcome(
    Status.ERRORED,
    Verdict.RETRY,
    Billing.FREE,
    "overloaded_error",
    "busy",
    scope=Scope.EVERY_REQUEST,
    forbids_retry=True,
)


@dataclass
class Run:
    """A run that sends one request after the other."""

    suspects: Suspects = field(default_factory=Suspects)
    sent: int = 0
    settled: set[int] = field(default_factory=set)
    open: set[int] = field(default_factory=set)

    def end(
        self,
        outcome: Outcome,
        *,
        in_flight: int = 0,
        row: int | None = None,
        is_known: bool = False,
    ) -> Ruling:
        """End a request; ``in_flight`` others were sent after it."""
        self.sent += 1
        attempt = self.sent
        judged = self.suspects.judge(outcome, is_known=is_known)
        number = attempt if row is None else row
        ruling = self.suspects.rule(
            Ending(judged, attempt, attempt + in_flight, number, is_known=is_known)
        )
        self.open |= {attempt} if ruling.is_open else set()
        self.settled |= set(ruling.settled)
        return ruling

    def stops_after(self, outcome: Outcome, most: int = 1000) -> int | None:
        """Return how many such endings in a row stop the run."""
        for number in range(1, most + 1):
            if self.end(outcome).alike is not None:
                return number
        return None

    @classmethod
    def after(cls, *outcomes: Outcome) -> "Run":
        """Return a run with these outcomes."""
        run = cls()
        for outcome in outcomes:
            run.end(outcome)
        return run


@pytest.mark.parametrize("kind", [error(), EMPTY, INVALID, REFUSED, TOO_LONG, WORDLESS])
def test_the_first_twenty_alike_stop_a_run(kind: Outcome) -> None:
    """Whatever it is: errors, empty answers, invalid labels, refusals, nothing but thinking."""
    assert Run().stops_after(kind) == SAME_FAILURES


@pytest.mark.parametrize("kind", [error(), EMPTY, INVALID])
@pytest.mark.parametrize("good", [1, 30, 300])
def test_twenty_alike_stop_a_run_at_any_time(kind: Outcome, good: int) -> None:
    """Rows that failed so are open, and none of them is settled at the end."""
    run = Run.after(*[GOOD] * good)
    assert run.stops_after(kind) == SAME_FAILURES
    assert run.open == set(range(good + 1, good + SAME_FAILURES + 1))
    assert (run.settled, run.suspects.rest(is_complete=True)) == (set(), ())


def test_answers_that_are_cut_off_stop_nothing() -> None:
    """A job may want no more than the first token."""
    assert Run().stops_after(CUT_SHORT, 100) is None


def test_labels_that_are_always_cut_off_stop_a_run() -> None:
    """A part of them is no label; a job that accepts what is invalid accepts that, too."""
    assert Run(Suspects(needs_whole=True)).stops_after(CUT_SHORT) == SAME_FAILURES
    accepting = Suspects(needs_whole=True, accepts_failed=True)
    assert Run(accepting).stops_after(CUT_SHORT, 100) is None


@pytest.mark.parametrize("kind", [REFUSED, CUT_SHORT, WORDLESS, TOO_LONG])
def test_what_the_row_explains_stops_nothing_once_others_were_answered(kind: Outcome) -> None:
    """Thirty prompts in a row may be too long, or about what the model declines."""
    run = Run.after(GOOD)
    assert run.stops_after(kind, 100) is None
    assert run.open == set()


@pytest.mark.parametrize("kind", [DENIED, BUSY])
@pytest.mark.parametrize("good", [100, 1000])
def test_five_refusals_in_a_row_stop_a_run(kind: Outcome, good: int) -> None:
    """A revoked key costs five requests and what is in flight."""
    assert Run.after(*[GOOD] * good).stops_after(kind) == SAME_REFUSALS


def test_a_single_refusal_is_the_failure_of_its_row_once_others_were_answered() -> None:
    """Before, it stops the run at once, except for a row that is known to get it."""
    assert Suspects().judge(DENIED, is_known=False) == DENIED
    assert Suspects().judge(DENIED, is_known=True).verdict is Verdict.FINAL
    run = Run.after(GOOD)
    assert run.suspects.judge(DENIED, is_known=False).verdict is Verdict.FINAL
    assert run.end(DENIED).is_open
    assert run.end(GOOD).settled == (2,)


def test_several_answers_to_one_row_are_one_failure() -> None:
    """Five samples of a row that a firewall blocks do not stop the run."""
    run = Run.after(*[GOOD] * 100)
    assert all(run.end(DENIED, row=7).alike is None for _ in range(50))


def test_a_row_that_is_known_to_fail_does_not_count() -> None:
    """Otherwise each run would stop at the rows that stopped the last one."""
    run = Run.after(*[GOOD] * 100)
    assert all(run.end(DENIED, is_known=True).alike is None for _ in range(50))
    assert len(run.open) == 50


def test_an_answer_explains_only_errors_that_came_before_it_was_sent() -> None:
    """What was in flight when the credit ran out is answered, and shows nothing."""
    run = Run.after(GOOD, GOOD)
    assert run.end(error(), in_flight=2).is_open
    assert run.end(GOOD).settled == run.end(GOOD).settled == ()
    assert run.end(GOOD).settled == (3,)


@pytest.mark.parametrize("kind", [EMPTY, INVALID])
def test_the_next_answer_explains_an_answer_that_is_no_good(kind: Outcome) -> None:
    """It was billed, so a kill must not leave many of them open."""
    run = Run.after(GOOD)
    assert run.end(kind, in_flight=50).is_open
    assert run.end(GOOD).settled == (2,)


def test_answers_that_were_in_flight_settle_nothing_once_the_run_stops() -> None:
    """The rows of the failures that stopped it stay open."""
    run = Run.after(GOOD)
    run.stops_after(EMPTY)
    assert run.end(GOOD).settled == ()
    assert run.end(EMPTY).is_open
    assert run.suspects.rest(is_complete=True) == ()


def test_errors_with_other_words_are_not_alike() -> None:
    """Only numbers and quotations may differ, and before the first answer all words."""
    words = ["alpha", "beta", "gamma"]
    run = Run.after(GOOD)
    assert all(run.end(error(says=words[n % 3])).alike is None for n in range(100))
    run = Run.after(GOOD)
    ends = [run.end(error(says=f"spent {n}.5 of '{n}x'")).alike for n in range(SAME_FAILURES)]
    assert ends[-1] == SAME_FAILURES
    first = Run()
    ends = [first.end(error(says=words[n % 3])).alike for n in range(SAME_FAILURES)]
    assert ends[-1] == SAME_FAILURES


@pytest.mark.parametrize(("share", "least"), [(0.1, 20), (0.5, 25), (0.8, 80)])
def test_rows_that_often_fail_need_a_longer_row_of_failures(share: float, least: int) -> None:
    """Where half of the rows fail by themselves, twenty in a row happen by chance."""
    run = Run()
    for number in range(1000):
        run.end(INVALID if (number + 1) * share % 1 < share else GOOD)
    run.end(GOOD)
    assert (run.stops_after(INVALID) or 0) >= least


def test_a_job_may_accept_such_answers() -> None:
    """With on_invalid = "keep" an invalid answer is good; with max_failed = 1 every answer is."""
    assert Run(Suspects(accepts_invalid=True)).stops_after(INVALID, 100) is None
    for kind in (INVALID, EMPTY, REFUSED, CUT_SHORT):
        assert Run(Suspects(accepts_failed=True)).stops_after(kind, 100) is None
    assert Run(Suspects(accepts_failed=True)).stops_after(error()) == SAME_FAILURES


def test_at_the_end_of_a_run_its_last_failures_are_final() -> None:
    """If the run was cut off, five in a row or more may have been about the account: open."""
    run = Run.after(GOOD, *[error()] * 4)
    assert (
        run.suspects.rest(is_complete=True) == run.suspects.rest(is_complete=False) == (2, 3, 4, 5)
    )
    run.end(error())
    assert run.suspects.rest(is_complete=True) == (2, 3, 4, 5, 6)
    assert run.suspects.rest(is_complete=False) == ()


KINDS = st.sampled_from(
    [GOOD, GOOD, GOOD, error(), error("y"), EMPTY, INVALID, REFUSED, TOO_LONG, DENIED, BUSY]
)


@given(st.lists(st.tuples(KINDS, st.integers(0, 9)), max_size=200))
def test_every_open_failure_is_settled_once_or_stays_open(ends: list[tuple[Outcome, int]]) -> None:
    """Only open failures are settled; at a complete end all of them are, unless one stopped it."""
    run, settled = Run(), []
    for outcome, in_flight in ends:
        if run.suspects.judge(outcome, is_known=False).verdict is not Verdict.HALT:
            settled += run.end(outcome, in_flight=in_flight).settled
    settled += run.suspects.rest(is_complete=True)
    assert len(settled) == len(set(settled))
    if not run.suspects.has_stopped:
        assert set(settled) == run.open
    assert set(settled) <= run.open


def test_a_refusal_keeps_its_hint_when_it_becomes_its_rows() -> None:
    """Only the verdict changes."""
    denied = replace(DENIED, hint="ask")
    judged = Run.after(GOOD).suspects.judge(denied, is_known=False)
    assert judged == replace(denied, verdict=Verdict.FINAL)
