"""Simulates a job that spends a budget, with faults, kills and resumes; sends nothing."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from batcher.core.money.budget import Budget, BudgetState, Reservation

MILLIONTH = Decimal("0.000001")


@dataclass(slots=True)
class Attempt:
    """One attempt in the checkpoint; ``cost`` is None until its outcome is recorded."""

    worst: Decimal
    billed: Decimal
    is_unknown: bool = False
    cost: Decimal | None = None


@dataclass(slots=True)
class Ledger:
    """The durable sums, and what the API really billed."""

    cap: Decimal
    spent: Decimal = Decimal(0)
    unknown: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    attempts: int = 0
    kills: int = 0
    max_overshoot: Decimal = Decimal(0)
    _open: dict[int, Decimal] = field(default_factory=dict)

    def intend(self, worst: Decimal) -> int:
        """Record that an attempt is about to be sent."""
        self.attempts += 1
        self._open[self.attempts] = worst
        return self.attempts

    def bill(self, usd: Decimal) -> None:
        """Let the API bill an amount, whether or not its response arrives."""
        self.billed += usd
        self.max_overshoot = max(self.max_overshoot, self.billed - self.cap)

    def record(self, attempt: int, cost: Decimal | None) -> None:
        """Record an outcome on disk; ``cost`` is None when its billing status is unknown."""
        worst = self._open.pop(attempt)
        if cost is None:
            self.unknown += worst
        else:
            self.spent += cost

    def state(self) -> BudgetState:
        """Return the sums of a new process: attempts without an outcome count as unknown."""
        self.unknown += sum(self._open.values(), Decimal(0))
        self._open.clear()
        return BudgetState(self.cap, self.spent, self.unknown)


def spend(requests: int, cap: Decimal, seed: int, *, in_flight: int = 64) -> Ledger:
    """Send requests as the senders do, until no further one fits.

    A tenth of the attempts fail for free, one in two hundred keeps an unknown billing status, and
    the process is killed about once in ten thousand attempts.
    """
    random, ledger = Random(seed), Ledger(cap)
    budget, flying = Budget(ledger.state()), deque[tuple[int, Attempt]]()
    left = requests
    while left or flying:
        if random.random() < 1e-4:
            for (
                _,
                attempt,
            ) in flying:  # the API still bills most attempts in flight
                if random.random() < 0.7:
                    ledger.bill(attempt.billed)
            flying.clear()
            ledger.kills += 1
            budget = Budget(ledger.state())
        if left and len(flying) < in_flight:
            worst, real = _draw(random)
            reservation = budget.reserve(worst)
            if reservation is Reservation.NOW:
                flying.append((ledger.intend(worst), Attempt(worst, real)))
                left -= 1
                continue
            if reservation is Reservation.NEVER:
                left = 0
                continue
        left += _end_attempt(random, ledger, budget, flying)
    return ledger


def _draw(random: Random) -> tuple[Decimal, Decimal]:
    """Draw the worst case of a request and its real cost, which is usually far less."""
    worst = MILLIONTH * random.randrange(500, 20_000)
    share = Decimal(random.randrange(1, 101)) / 100
    return worst, worst * (share if random.random() < 0.1 else share / 8)


def _end_attempt(
    random: Random, ledger: Ledger, budget: Budget, flying: deque[tuple[int, Attempt]]
) -> int:
    """End one attempt, not always the oldest; return 1 when its request has to be sent again."""
    flying.rotate(-random.randrange(min(8, len(flying))))
    number, attempt = flying.popleft()
    draw = random.random()
    if draw < 0.1:
        cost: Decimal | None = Decimal(0)
    else:
        ledger.bill(attempt.billed if draw > 0.102 else Decimal(0))
        cost = attempt.billed if draw > 0.105 else None
    budget.settle(attempt.worst, cost)
    ledger.record(number, cost)
    return int(draw < 0.105)
