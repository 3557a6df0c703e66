"""Tells failures that their rows explain from failures that concern every request.

A failure alone often does not tell: a 400 may be about its row, or about an empty account. What
other requests get does. So a failure that its row does not explain is a *suspect*: its row stays
open until other rows are answered; then it is final. When the last failures in a row are alike, and
too many for chance, the run stops, and the next run sends the rows of its suspects again.
"""

import math
import re
from collections import Counter, deque
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from batcher.core.answers.outcome import Outcome, Scope, Status, Verdict

SAME_FAILURES = 20
"""Failures of one kind in a row, of different rows, that stop a run. Rows that fail in the same way
may lie together in an input, so it is more than chance alone would need."""

SAME_REFUSALS = 5
"""The same for failures that usually concern every request, such as a 401."""

_CHANCE = 1e-9
"""The chance of such a streak if rows fail by themselves: one in 1,000 jobs of a million rows."""

_MOST_SUSPECTS = 10_000
_QUOTED = re.compile(r"(['\"`]).*?\1")
_WITH_DIGITS = re.compile(r"\S*\d\S*")

Kind = tuple[str, str, str]


class Ending(NamedTuple):
    """How a request ended: ``attempt_id`` is its last attempt, ``row`` the number of its row.

    ``newest_id`` is the newest attempt when the response came back. ``is_known``: the row failed in
    the same way in an earlier run, and other rows have been answered since.
    """

    outcome: Outcome
    attempt_id: int
    newest_id: int
    row: int
    is_known: bool = False


class Ruling(NamedTuple):
    """What an ending means: whether its row stays open, and which earlier failures are now final.

    ``alike`` is the number of failures in a row that stops the run, else None.
    """

    is_open: bool = False
    settled: tuple[int, ...] = ()
    alike: int | None = None


@dataclass(frozen=True, slots=True)
class _Suspect:
    attempt_id: int
    newest_id: int
    error_type: str
    streak: int


@dataclass(slots=True)
class Suspects:
    """Counts failures in a row, and keeps those that nothing has explained yet.

    With ``accepts_invalid`` an invalid answer is as good as any. With ``accepts_failed`` every row
    may fail, so answers that are no good do not stop the run. With ``needs_whole`` an answer that
    is cut off is no use, because it has no labels.

    An error is explained by the answer to a request that was sent after the error had come back. An
    answer that is no good is explained by the next one of another kind: it was billed, and as long
    as its row is open, a killed run pays for it again.
    """

    accepts_invalid: bool = False
    accepts_failed: bool = False
    needs_whole: bool = False
    good: int = field(default=0, init=False)
    has_stopped: bool = field(default=False, init=False)
    _answers: int = field(default=0, init=False)
    _errors: deque[_Suspect] = field(default_factory=deque, init=False)
    _bad_answers: list[_Suspect] = field(default_factory=list, init=False)
    _explained: Counter[str] = field(default_factory=Counter, init=False)
    _kind: Kind | None = field(default=None, init=False)
    _rows: set[int] = field(default_factory=set, init=False)
    _streak: int = field(default=0, init=False)
    _has_other: bool = field(default=False, init=False)

    def judge(self, outcome: Outcome, *, is_known: bool) -> Outcome:
        """Return a refusal that usually concerns every request as one of its row alone, if it is.

        It is when any request was answered, or when the row is known to fail like this.
        """
        is_refusal = outcome.verdict is Verdict.HALT and outcome.scope is Scope.EVERY_REQUEST
        if is_refusal and (self._answers or is_known):
            return replace(outcome, verdict=Verdict.FINAL)
        return outcome

    def rule(self, ending: Ending) -> Ruling:
        """Take how a request ended."""
        outcome = ending.outcome
        kind = None if self._is_good(outcome) else self._kind_of(outcome)
        settled = self._explain(ending, kind)
        self._answers += outcome.message is not None
        self.good += kind is None
        if kind is None or self._is_row_fault(outcome):
            self._has_other = True
            return Ruling(settled=settled)
        if kind != self._kind:
            self._begin_streak(kind)
        if not ending.is_known:
            self._rows.add(ending.row)
        is_open = outcome.verdict is Verdict.FINAL
        if is_open:
            settled += self._suspect(ending)
        stops = len(self._rows) >= self._enough(outcome)
        self.has_stopped = self.has_stopped or stops
        return Ruling(is_open, settled, len(self._rows) if stops else None)

    def rest(self, *, is_complete: bool) -> tuple[int, ...]:
        """Return the failures that are final at the end of a run; none if a failure stopped it.

        If the run is not complete, five failures in a row or more stay open: it might have stopped.
        """
        if self.has_stopped:
            return ()
        is_doubtful = not is_complete and len(self._rows) >= SAME_REFUSALS
        return tuple(
            suspect.attempt_id
            for suspect in (*self._errors, *self._bad_answers)
            if not (is_doubtful and suspect.streak == self._streak)
        )

    def settle_all(self) -> tuple[int, ...]:
        """Return the failures that are final once all results of a batch are in, and forget them.

        A batch has been processed as a whole, so what it answered explains what it did not.
        """
        settled = self.rest(is_complete=True)
        self._errors.clear()
        self._bad_answers.clear()
        return settled

    @property
    def are_first(self) -> bool:
        """Whether all requests that have ended failed alike."""
        return not self._has_other and self._streak == 1

    def _is_good(self, outcome: Outcome) -> bool:
        is_kept = outcome.status is Status.INVALID and self.accepts_invalid
        return outcome.status is Status.SUCCEEDED or is_kept

    def _is_row_fault(self, outcome: Outcome) -> bool:
        """Return whether the row explains a failure; if everything fails, no row does.

        An answer that is cut off may still be what the job wants, such as one token; not when it
        has no text at all, because thinking took all of ``max_tokens``.
        """
        if outcome.message is not None:
            is_cut = outcome.status is Status.TRUNCATED
            has_use = is_cut and not self.needs_whole and not outcome.message.is_empty
            if self.accepts_failed or has_use:
                return True
        return outcome.scope is Scope.ROW and bool(self.good)

    def _kind_of(self, outcome: Outcome) -> Kind:
        """Return what failures have in common that are alike.

        Once there was a good answer, errors are alike only if they say the same, except for numbers
        and quotations. Before, a million rows must not be sent because their errors differ.
        """
        error_type, says = outcome.error_type or "", ""
        if self.good and outcome.message is None:
            says = _WITH_DIGITS.sub("#", _QUOTED.sub("''", outcome.error_message or ""))
        return (outcome.status, error_type, says)

    def _begin_streak(self, kind: Kind | None) -> None:
        self._kind = kind
        self._rows = set()
        self._streak += kind is not None

    def _explain(self, ending: Ending, kind: Kind | None) -> tuple[int, ...]:
        """Take the suspects that an ending explains; an answer also ends a streak of errors."""
        if ending.outcome.message is None:
            return ()
        explained: list[_Suspect] = []
        breaks = kind is None or (self._kind is not None and self._kind[0] == Status.ERRORED)
        if breaks and kind != self._kind:
            self._begin_streak(None)
        if self.has_stopped:
            return ()
        while self._errors and self._errors[0].newest_id < ending.attempt_id:
            explained.append(self._errors.popleft())
        if kind is None or kind != self._kind:
            explained += self._bad_answers
            self._bad_answers = []
        if explained:
            self._explained.update(suspect.error_type for suspect in explained)
        return tuple(suspect.attempt_id for suspect in explained)

    def _suspect(self, ending: Ending) -> tuple[int, ...]:
        """Keep a failure; return the oldest one when there are too many to keep."""
        error_type = ending.outcome.error_type or ""
        suspect = _Suspect(ending.attempt_id, ending.newest_id, error_type, self._streak)
        if ending.outcome.message is not None:
            self._bad_answers.append(suspect)
            return ()
        self._errors.append(suspect)
        if len(self._errors) <= _MOST_SUSPECTS:
            return ()
        return (self._errors.popleft().attempt_id,)

    def _enough(self, outcome: Outcome) -> int:
        """Return how many alike failures in a row are too many for chance.

        The share of rows that fail like this by themselves is estimated from the failures that were
        explained; one more of each is added, so that no share is 0.
        """
        is_of_all = outcome.scope is Scope.EVERY_REQUEST
        least = SAME_REFUSALS if is_of_all else SAME_FAILURES
        if not self.good:
            return least
        explained = self._explained[outcome.error_type or ""]
        share = (explained + 1) / (self.good + self._explained.total() + 2)
        return max(least, math.ceil(math.log(_CHANCE) / math.log(share)))
