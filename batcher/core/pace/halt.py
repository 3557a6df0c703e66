"""When a whole run stops early, and what it then tells its caller."""

from dataclasses import dataclass, field
from decimal import ROUND_UP, Decimal
from enum import Enum

from batcher.core.answers.outcome import Outcome, Status, Verdict
from batcher.core.money.budget import BudgetState
from batcher.core.money.display import rounded_text
from batcher.core.money.exact import total

SAME_FAILURES = 20

_HEADROOM = Decimal("1.1")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Halt:
    """Why the run stops, the exit code that says so, and what to do.

    ``max_cost_usd`` is the budget with which the same command is likely to go on.
    """

    exit_code: int
    message: str
    hint: str | None = None
    max_cost_usd: Decimal | None = None


@dataclass(slots=True)
class HaltWatch:
    """Looks at every outcome for a reason to stop the run.

    Three reasons: an answer that no request can change (exit 4), nothing but failures for
    ``patience_s`` seconds (exit 5), and a run whose first requests all end in the same error
    (exit 4, or 5 when they were given up): a million rows must not be burnt to learn what twenty
    have shown. Rate limits are no failures.
    Patience runs from the first failure, not from the last good answer: between the two there
    may have been a long wait for a rate limit, or for one long answer.
    ``now`` is seconds of any monotonic clock.
    """

    patience_s: float
    failing_since: float
    _is_failing: bool = field(default=False, init=False)
    _first_error: str | None = field(default=None, init=False)
    _same_failures: int = field(default=0, init=False)
    _has_answered: bool = field(default=False, init=False)

    def see(self, outcome: Outcome, now: float, *, gives_up: bool = False) -> Halt | None:
        """Take one outcome into account; ``gives_up`` when its request is not tried again."""
        fails = outcome.is_unreachable or (outcome.is_trouble and not outcome.is_rate_limited)
        if fails and not self._is_failing:
            self.failing_since = now
        self._is_failing = fails
        if outcome.verdict is Verdict.HALT:
            code = 5 if outcome.is_unreachable else 4
            return Halt(code, f"{outcome.error_type}: {outcome.error_message}", outcome.hint)
        if self._is_failing and now - self.failing_since > self.patience_s:
            return Halt(
                5,
                f"nothing but failures for {self.patience_s:.0f} s; the last was "
                f"{outcome.error_type}: {outcome.error_message}",
                "run the same command again later",
            )
        if self._has_answered or not (gives_up or outcome.verdict is Verdict.FINAL):
            return None
        return self._see_first(outcome)

    def _see_first(self, outcome: Outcome) -> Halt | None:
        is_same = outcome.status is Status.ERRORED and outcome.error_type == (
            self._first_error or outcome.error_type
        )
        if not is_same:
            self._has_answered = True
            return None
        self._first_error = outcome.error_type
        self._same_failures += 1
        if self._same_failures < SAME_FAILURES:
            return None
        is_final = outcome.verdict is Verdict.FINAL
        return Halt(
            4 if is_final else 5,
            f"the first {SAME_FAILURES} requests all failed with {outcome.error_type}: "
            f"{outcome.error_message}",
            "batcher failures shows why; mend the request, then batcher retry asks the failed rows "
            "as the job is then, and batcher run the rest"
            if is_final
            else "run the same command again later; rows given up as perhaps billed unseen are for "
            "batcher retry",
        )


class Basis(Enum):
    """How it is known what unsent rows cost, as it is told; best first."""

    RUN = "which cost about {} at what rows cost in this run"
    ESTIMATE = "which cost about {} by the estimate"
    BOUND = "which cost at most {}"


@dataclass(frozen=True, slots=True)
class Unsent:
    """The rows that a budget leaves out: how many, and what they are thought to cost.

    ``largest_usd`` is the worst case of the largest attempt that did not fit: so much has to be
    free for it to leave, whatever it costs in the end.
    """

    rows: int
    usd: Decimal
    basis: Basis
    largest_usd: Decimal

    def enough(self, used_usd: Decimal) -> Decimal:
        """A budget that is likely to suffice when so much of it is used, in whole cents.

        It is above the one that did not, because the largest did not fit beside what is used.
        """
        more = total([self.usd * _HEADROOM, self.largest_usd])
        return total([used_usd, more]).quantize(_CENT, ROUND_UP)


def budget_reached(
    budget: BudgetState, unsent: Unsent, *, is_daily: bool, plan_cap_usd: Decimal | None
) -> Halt:
    """Stop because nothing more fits into the budget, and say which one would do.

    ``plan_cap_usd`` is the cap of a saved plan, which no larger budget lifts.
    """
    cap = f"{rounded_text(budget.cap)}{' a day' if is_daily else ''}"
    message = f"the budget is reached: {rounded_text(budget.spent)} of {cap} are spent"
    if not budget.used:
        largest = rounded_text(unsent.largest_usd)
        message = f"the budget of {cap} is too small: one request alone may cost up to {largest}"
    if budget.unknown:
        message += f", {rounded_text(budget.unknown)} may have been billed unseen and are held"
    about = unsent.basis.value.format(rounded_text(unsent.usd))
    message += f"; {unsent.rows:,} rows are left, {about}"
    enough = unsent.enough(budget.used)
    if plan_cap_usd is not None and enough > plan_cap_usd:
        hint = "the cap is that of the plan; to go on with them, save one with a larger cap"
    else:
        hint = "raise budget.max_cost_usd, or add --max-cost, to go on with them"
    if is_daily:
        hint += ", or wait: what was sent more than 24 hours before a run does not count"
    if budget.unknown:
        hint += (
            "; what is held can be released with --release-unknown when the API's console shows "
            "that it was not billed"
        )
    return Halt(6, message, hint, enough)
