"""A job that spends money through a budget, with faults, kills and resumes: nothing is sent."""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from batcher.core.money.budget import Budget, BudgetState, Reservation

MILLIONTH = Decimal("0.000001")


@dataclass(slots=True)
class Attempt:
    """One attempt as the checkpoint has it; ``cost`` is None until its outcome is recorded."""

    worst: Decimal
    billed: Decimal
    is_unknown: bool = False
    cost: Decimal | None = None


@dataclass(slots=True)
class Ledger:
    """What is durable, and what the API really billed."""

    cap: Decimal
    spent: Decimal = Decimal(0)
    unknown: Decimal = Decimal(0)
    billed: Decimal = Decimal(0)
    attempts: int = 0
    kills: int = 0
    most_overshoot: Decimal = Decimal(0)
    _open: dict[int, Decimal] = field(default_factory=dict)

    def intend(self, worst: Decimal) -> int:
        """An attempt is about to leave."""
        self.attempts += 1
        self._open[self.attempts] = worst
        return self.attempts

    def bill(self, usd: Decimal) -> None:
        """The API bills something, whether we ever hear of it or not."""
        self.billed += usd
        self.most_overshoot = max(self.most_overshoot, self.billed - self.cap)

    def record(self, attempt: int, cost: Decimal | None) -> None:
        """Its outcome is on the disk; None when it may have been billed unseen."""
        worst = self._open.pop(attempt)
        if cost is None:
            self.unknown += worst
        else:
            self.spent += cost

    def state(self) -> BudgetState:
        """What a new process counts: whatever has no outcome may have been billed."""
        self.unknown += sum(self._open.values(), Decimal(0))
        self._open.clear()
        return BudgetState(self.cap, self.spent, self.unknown)


def spend(requests: int, cap: Decimal, seed: int, *, in_flight: int = 64) -> Ledger:
    """Send so many requests as the senders do, until nothing more fits.

    A tenth of the attempts fail for free, one in two hundred has a fate that is never known, and
    the process is killed once in about ten thousand attempts.
    """
    random, ledger = Random(seed), Ledger(cap)
    budget, flying = Budget(ledger.state()), deque[tuple[int, Attempt]]()
    left = requests
    while left or flying:
        if random.random() < 1e-4:
            for _, attempt in flying:  # the API goes on with what is in flight, and bills it
                if random.random() < 0.7:
                    ledger.bill(attempt.billed)
            flying.clear()
            ledger.kills += 1
            budget = Budget(ledger.state())
        if left and len(flying) < in_flight:
            worst, real = _draw(random)
            said = budget.reserve(worst)
            if said is Reservation.NOW:
                flying.append((ledger.intend(worst), Attempt(worst, real)))
                left -= 1
                continue
            if said is Reservation.NEVER:
                left = 0
                continue
        left += _return(random, ledger, budget, flying)
    return ledger


def _draw(random: Random) -> tuple[Decimal, Decimal]:
    """The worst case of a request and what it really costs, which is far less as a rule."""
    worst = MILLIONTH * random.randrange(500, 20_000)
    share = Decimal(random.randrange(1, 101)) / 100
    return worst, worst * (share if random.random() < 0.1 else share / 8)


def _return(
    random: Random, ledger: Ledger, budget: Budget, flying: deque[tuple[int, Attempt]]
) -> int:
    """Let one attempt come back, not always the oldest; 1 when its request is to be sent again."""
    flying.rotate(-random.randrange(min(8, len(flying))))
    number, attempt = flying.popleft()
    fate = random.random()
    if fate < 0.1:
        cost: Decimal | None = Decimal(0)
    else:
        ledger.bill(attempt.billed if fate > 0.102 else Decimal(0))
        cost = attempt.billed if fate > 0.105 else None
    budget.settle(attempt.worst, cost)
    ledger.record(number, cost)
    return int(fate < 0.105)
