"""Decides when a run stops early, with which exit code, and what to do next."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_UP, Decimal
from enum import Enum

from batcher.core.answers.outcome import Outcome, Status, Verdict
from batcher.core.money.budget import BudgetState
from batcher.core.money.display import rounded_text
from batcher.core.money.exact import total
from batcher.core.pace.suspects import Ending, Ruling, Suspects
from batcher.core.plural import counted
from batcher.errors import BatcherError
from batcher.exit_codes import ExitCode

_HEADROOM = Decimal("1.1")
_CENT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Halt:
    """The reason why the run stops, its exit code, and what to do.

    ``max_cost_usd`` is a budget that is likely to be enough when the command is run again.
    ``next_command`` is the batcher command that is needed before, if it is not the same.
    """

    exit_code: ExitCode
    message: str
    hint: str | None = None
    max_cost_usd: Decimal | None = None
    next_command: str = "run"

    @classmethod
    def of_error(cls, error: BatcherError) -> "Halt":
        """Return the halt of a run that an error ended after it had sent something."""
        return cls(ExitCode.ERROR, error.message, error.hint, None, error.next_command)


def halt_of(outcome: Outcome) -> Halt:
    """Return the halt of a run that cannot go on after this outcome."""
    code = ExitCode.UNREACHABLE if outcome.is_unreachable else ExitCode.REFUSED
    return Halt(code, f"{outcome.error_type}: {outcome.error_message}", outcome.hint)


@dataclass(slots=True)
class HaltWatch:
    """Looks at every outcome for a reason to stop the run.

    There are three reasons. A response that every request would get, such as that the account has
    no credit: exit 4. Nothing but failures for ``patience_s`` seconds: exit 5. The last failures in
    a row are alike, and no row explains them (``suspects``): exit 4, or 5 when their retries ran
    out; a million rows must not be sent to learn what twenty have shown. A 429 is not a failure.
    Patience starts with the first failure, not with the last success: between the two there may
    have been a long wait for a rate limit or for one long answer.
    ``now`` is seconds of any monotonic clock.
    """

    patience_s: float
    failing_since: float
    suspects: Suspects = field(default_factory=Suspects)
    _is_failing: bool = field(default=False, init=False)

    def check(
        self, ending: Ending, now: float, *, gives_up: bool = False
    ) -> tuple[Halt | None, Ruling]:
        """Take one outcome; ``gives_up`` when its request is not retried."""
        outcome = ending.outcome
        halt = self._of_outcome(outcome, now)
        if halt is not None:
            self.suspects.has_stopped = True
            return halt, Ruling()
        if not gives_up and outcome.verdict is not Verdict.FINAL:
            return None, Ruling()
        ruling = self.suspects.rule(ending)
        if ruling.alike is None:
            return None, ruling
        which = "first" if self.suspects.are_first else "last"
        return _all_alike(outcome, f"the {which} {ruling.alike}"), ruling

    def _of_outcome(self, outcome: Outcome, now: float) -> Halt | None:
        """Return the halt that this outcome alone, or a long outage, is a reason for."""
        fails = outcome.is_unreachable or (outcome.is_transient and not outcome.is_rate_limited)
        if fails and not self._is_failing:
            self.failing_since = now
        self._is_failing = fails
        if outcome.verdict is Verdict.HALT:
            return halt_of(outcome)
        if not fails or now - self.failing_since <= self.patience_s:
            return None
        return Halt(
            ExitCode.UNREACHABLE,
            f"every attempt failed for {self.patience_s:.0f} s; the last error was "
            f"{outcome.error_type}: {outcome.error_message}",
            "run the same command again later",
        )


def _all_alike(outcome: Outcome, which: str) -> Halt:
    """Return the halt of a run whose last requests failed like this one."""
    what = outcome.error_type or outcome.status
    if outcome.error_message:
        what += f": {outcome.error_message}"
    message = f"{which} requests all failed with {what}"
    if outcome.verdict is Verdict.RETRY:
        hint = (
            "the server forbids a retry now; run the same command again later"
            if outcome.forbids_retry
            else "run the same command again later; rows on hold (billing status unknown) are sent "
            "again only by batcher retry"
        )
        return Halt(ExitCode.UNREACHABLE, message, hint)
    if outcome.message is not None:
        is_cut = outcome.status is Status.TRUNCATED
        change = "raise request.max_tokens" if is_cut else "change the prompt or the labels"
        hint = (
            f"see why with batcher failures; {change}, or set limits.max_failed = 1 to accept such "
            "answers; then run the same command again"
        )
    else:
        hint = outcome.hint or (
            "see why with batcher failures and remove the cause; then the same command sends these "
            "rows again, and the others"
        )
    return Halt(ExitCode.REFUSED, message, hint)


class Basis(Enum):
    """The source of the expected cost of the unsent rows, as text in messages; the best first."""

    RUN = "expected to cost {} at this run's average cost"
    ESTIMATE = "expected to cost {} by the estimate"
    BOUND = "which cost at most {}"


@dataclass(frozen=True, slots=True)
class Unsent:
    """The rows that did not fit into the budget: their number and expected cost.

    ``largest_usd`` is the worst case of the most expensive attempt that did not fit: this much
    must be available before it is sent, even if it costs less in the end.
    """

    rows: int
    usd: Decimal
    basis: Basis
    largest_usd: Decimal

    def enough(self, used_usd: Decimal) -> Decimal:
        """Return a budget that is likely to be enough when this much is used, in whole cents.

        It is above the budget that was too small, because it also covers the largest attempt.
        """
        more = total([self.usd * _HEADROOM, self.largest_usd])
        return total([used_usd, more]).quantize(_CENT, ROUND_UP)


def budget_reached(
    budget: BudgetState, unsent: Unsent, *, next_day: datetime | None, plan_cap_usd: Decimal | None
) -> Halt:
    """Return the halt of a run whose budget pays no further attempt, with a sufficient budget.

    ``next_day`` is when the next day of a budget per day begins, in its time zone; None for a
    budget of the whole job. ``plan_cap_usd`` is the cap of a saved plan; a larger budget does not
    raise it.
    """
    cap = f"{rounded_text(budget.cap)}{'' if next_day is None else ' a day'}"
    message = f"the budget is reached: spent {rounded_text(budget.spent)} of {cap}"
    if not budget.used and not budget.reserved:
        largest = rounded_text(unsent.largest_usd)
        message = f"the budget of {cap} is too small: one request alone may cost up to {largest}"
    if budget.unknown:
        unknown = rounded_text(budget.unknown)
        message += f", and up to {unknown} of unknown cost"
    if budget.reserved:
        message += f", and up to {rounded_text(budget.reserved)} reserved for batches"
    basis = unsent.basis.value.format(rounded_text(unsent.usd))
    message += f"; {counted(unsent.rows, 'row is', 'rows are')} left, {basis}"
    enough = unsent.enough(total([budget.used, budget.reserved]))
    if plan_cap_usd is not None and enough > plan_cap_usd:
        hint = "the saved plan has a lower cap; to send them, save a plan with a larger cap"
    else:
        hint = "to send them, raise budget.max_cost_usd or add --max-cost"
    if next_day is not None:
        hint += f", or wait: a run that starts after {next_day:%Y-%m-%d %H:%M %Z} has a new budget"
    if budget.unknown:
        hint += (
            "; add --release-unknown if the API's console shows that what is unknown was not billed"
        )
    return Halt(ExitCode.BUDGET_REACHED, message, hint, enough)
