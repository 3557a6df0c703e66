"""The progress of a run, counted from recorded attempts, and its reasons to stop."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal

from batcher.core.answers.outcome import Billing, Outcome, Status, Verdict
from batcher.core.money.bill import Bill
from batcher.core.money.display import rounded_text
from batcher.core.money.exact import total
from batcher.core.pace.failure_ceiling import FailureCeiling
from batcher.core.pace.halt import Halt, HaltWatch
from batcher.core.pace.kinds import Kind, KnownLimit
from batcher.core.pace.rest_watch import RestWatch
from batcher.core.pace.retry import Retry, Stop
from batcher.core.pace.suspects import Ruling
from batcher.core.pace.unpriced_watch import UnpricedWatch
from batcher.core.usage_fields import TOKEN_FIELDS
from batcher.exit_codes import ExitCode
from batcher.runner.sending.context import AttemptResult
from batcher.runner.sending.feed import PendingRequest

_MOST_NOTES = 5


@dataclass(slots=True)
class Progress:
    """Counts one run.

    ``done`` counts rows, ``live`` those of them that were not answered in a batch. ``spent_usd`` is
    exact; ``saved_usd`` is what the prompt cache saved. ``unknown_usd`` is the
    worst case of attempts of unknown cost: of ``unknown`` attempts the billing status is unknown,
    of ``unpriced`` answers the cost. ``on_hold`` counts rows with too many unknown attempts.
    ``notes`` say why answers have no price, and how a usage that contradicts itself was read.
    ``pace_s`` has the seconds under each limiter, ``limits`` the API's limits as observed.
    ``longest_answer`` is in bytes, as kept in the checkpoint. ``first_failures`` has the status of
    the first failure of each error type. ``stopped_by`` names the signal, the deadline or the
    budget that stopped the run, ``halt`` any other reason. ``given_up`` has the fingerprints of the
    requests that are not sent again in this run, although their failures were transient.
    """

    to_send: int
    watch: HaltWatch
    unpriced_watch: UnpricedWatch
    stop: Callable[[], None]
    clock: Callable[[], float] = time.monotonic
    ceiling: FailureCeiling | None = None
    started_at: float = field(init=False)
    sent: int = 0
    live: int = 0
    done: int = 0
    retried: int = 0
    failed: int = 0
    spent_usd: Decimal = Decimal(0)
    unknown_usd: Decimal = Decimal(0)
    unknown: int = 0
    unpriced: int = 0
    on_hold: int = 0
    saved_usd: Decimal = Decimal(0)
    tokens: dict[str, int] = field(default_factory=dict)
    by_status: dict[str, int] = field(default_factory=dict)
    pace_s: dict[str, float] = field(default_factory=dict)
    longest_answer: int = 0
    notes: list[str] = field(default_factory=list)
    first_failures: dict[str, str] = field(default_factory=dict)
    limits: dict[str, dict[Kind, KnownLimit]] = field(default_factory=dict)
    stopped_by: str | None = None
    given_up: set[bytes] = field(default_factory=set)
    _usd_squares: float = 0.0
    halt: Halt | None = None

    rest_watch: RestWatch = field(init=False)

    def __post_init__(self) -> None:
        self.rest_watch = RestWatch(self.watch.patience_s)
        self.started_at = self.clock()

    def judge(self, pending: PendingRequest, outcome: Outcome) -> Outcome:
        """Return the outcome in the light of what other requests got."""
        is_known = pending.is_known_for(outcome.error_type)
        return self.watch.suspects.judge(outcome, is_known=is_known)

    def on_result(self, result: AttemptResult) -> Ruling:
        """Stop the run when the result of an attempt is a reason to."""
        self.longest_answer = max(self.longest_answer, result.kept_bytes)
        self._note(result.bill)
        gives_up = not isinstance(result.decision, Retry)
        if gives_up and result.outcome.verdict is Verdict.RETRY:
            self.given_up.add(result.pending.fingerprint)
        if result.is_batched and result.outcome.is_transient:
            return Ruling()  # a batch has ended: its failures in passing say nothing about now
        halt, ruling = self.watch.check(result.ending, self.clock(), gives_up=gives_up)
        rest = self.rest_watch.check(result.outcome, datetime.now(UTC))
        halt = self._overspent(result) or halt or self._unpriced(result) or rest
        if halt is None and self.ceiling is not None:
            halt = self.ceiling.check(result.outcome)
        if halt is not None:
            self.stop_for(halt)
        return ruling

    def on_batch_collected(self) -> tuple[int, ...]:
        """Return the failures that are final now that all results of a batch are in."""
        return self.watch.suspects.settle_all()

    def stop_for_budget(self) -> None:
        """Stop the run because no further request fits into the budget."""
        self.stopped_by = self.stopped_by or "budget"
        self.stop()

    def stop_for(self, halt: Halt) -> None:
        """Stop the run; of several reasons the first one is reported."""
        self.halt = self.halt or halt
        self.stop()

    def on_committed(self, result: AttemptResult) -> None:
        """Count an attempt that is on the disk."""
        self.sent += 1
        outcome = result.outcome
        if result.bill.cost_usd is not None:
            self.spent_usd = total([self.spent_usd, result.bill.cost_usd])
            self.saved_usd = total([self.saved_usd, result.bill.saved_usd])
            self._usd_squares += float(result.bill.cost_usd) ** 2
        elif outcome.billing is not Billing.FREE:
            self._count_unknown(result)
        self._count_tokens(result)
        if outcome.error_type is not None:
            self.first_failures.setdefault(outcome.error_type, outcome.status.value)
        if isinstance(result.decision, Retry):
            self.retried += 1
        elif outcome.verdict is not Verdict.HALT:
            self.done += 1
            self.live += not result.is_batched
            self.failed += outcome.status is not Status.SUCCEEDED
            self.by_status[outcome.status] = self.by_status.get(outcome.status, 0) + 1

    def _note(self, bill: Bill) -> None:
        """Keep what has to be said about a usage, once for each kind."""
        note = bill.note or bill.problem
        if note is not None and note not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(note)

    @property
    def usd_deviation(self) -> float:
        """The standard deviation of the cost of a finished row, in USD."""
        if self.done < 2:
            return 0.0
        mean = float(self.spent_usd) / self.done
        return math.sqrt(max(0.0, self._usd_squares / self.done - mean**2))

    @property
    def mean_usd(self) -> Decimal | None:
        """The mean cost of a finished row, in USD; None before anything was billed."""
        return self.spent_usd / self.done if self.done and self.spent_usd else None

    def _overspent(self, result: AttemptResult) -> Halt | None:
        if result.is_within_bound:
            return None
        return Halt(
            ExitCode.ERROR,
            f"an answer cost {rounded_text(result.bill.cost_usd or Decimal(0))}, more than its "
            f"bound of {rounded_text(result.pending.worst_case_usd or Decimal(0))}",
            "the answer is recorded; no budget is safe with a wrong bound: remove "
            "budget.max_cost_usd to go on without one, and please report this",
        )

    def _unpriced(self, result: AttemptResult) -> Halt | None:
        if result.outcome.billing is not Billing.BILLED:
            return None
        return self.unpriced_watch.check(result.bill)

    def _count_unknown(self, result: AttemptResult) -> None:
        """Count an attempt whose cost is unknown."""
        is_answer = result.outcome.billing is Billing.BILLED
        self.unpriced += is_answer
        self.unknown += not is_answer
        self.on_hold += isinstance(result.decision, Stop) and result.decision.is_on_hold
        worst = result.pending.worst_case_usd or Decimal(0)
        self.unknown_usd = total([self.unknown_usd, worst])

    def _count_tokens(self, result: AttemptResult) -> None:
        usage = result.bill.usage
        if usage is None:
            return
        for kind in TOKEN_FIELDS:
            self.tokens[kind] = self.tokens.get(kind, 0) + (getattr(usage, kind) or 0)
