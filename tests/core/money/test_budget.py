"""A budget is never exceeded, not even by kills, and almost all of it is used."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from spending import spend

from batcher.core.money.budget import Budget, BudgetState, Reservation

USD = st.decimals("0.000001", "2", places=6)


class Spending(RuleBasedStateMachine):
    """Attempts reserve money, end in any order, or stay open when the process is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.cap, self.spent, self.unknown = Decimal(5), Decimal(0), Decimal(0)
        self.flying: list[Decimal] = []
        self.waiting: list[Decimal] = []  # in a batch
        self.start()

    def start(self, *, collects: bool = True) -> None:
        """Start a process with the sums on disk; it may leave the batches of others alone."""
        self.collects = collects
        reserved = sum(self.waiting, Decimal(0))
        budget_state = BudgetState(self.cap, self.spent, self.unknown, reserved)
        self.budget = Budget(budget_state, len(self.waiting) if collects else 0)

    @rule(worst=USD)
    def reserve(self, worst: Decimal) -> None:
        """Reserve when it fits; else wait, or give up when nothing is in flight."""
        held = [*self.flying, *self.waiting]
        available = self.cap - self.spent - self.unknown - sum(held, Decimal(0))
        reservation = self.budget.reserve(worst)
        if worst <= available:
            assert reservation is Reservation.NOW
            self.flying.append(worst)
        else:
            may_wait = self.flying or (self.waiting and self.collects)
            assert reservation is (Reservation.LATER if may_wait else Reservation.NEVER)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), share=st.decimals("0", "1", places=3))
    def settle_one(self, data: st.DataObject, share: Decimal) -> None:
        """Settle an attempt with a cost within its worst case."""
        worst = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        self.budget.settle(worst, worst * share)
        self.spent += worst * share

    @precondition(lambda self: self.flying)
    @rule()
    def settle_one_as_unknown(self) -> None:
        """Settle an attempt with unknown billing status: its worst case stays reserved."""
        worst = self.flying.pop()
        self.budget.settle(worst, None)
        self.unknown += worst

    @precondition(lambda self: self.flying and self.collects)
    @rule()
    def submit(self) -> None:
        """Submit what is reserved as a batch: it outlives the process."""
        self.waiting += self.flying
        self.flying = []

    @precondition(lambda self: self.waiting and self.collects)
    @rule(share=st.none() | st.decimals("0", "1", places=3))
    def collect(self, share: Decimal | None) -> None:
        """Settle a result of a batch; None: it has none, and its cost stays unknown."""
        worst = self.waiting.pop()
        self.budget.settle(worst, None if share is None else worst * share)
        self.spent += Decimal(0) if share is None else worst * share
        self.unknown += worst if share is None else 0

    @rule(collects=st.booleans())
    def kill(self, collects: bool) -> None:
        """Kill the process: attempts in flight are unknown to the next one, batches wait."""
        self.unknown += sum(self.flying, Decimal(0))
        self.flying = []
        self.start(collects=collects)

    @rule(cap=st.decimals("1", "20", places=2))
    def change_cap(self, cap: Decimal) -> None:
        """Resume with another cap, which may be below what is already spent."""
        self.kill(collects=True)
        self.cap = cap
        self.start()

    @invariant()
    def is_never_exceeded(self) -> None:
        """Spent, unknown and reserved add up, and stay below the cap unless it was lowered."""
        budget_state = self.budget.state
        assert (budget_state.spent, budget_state.unknown) == (self.spent, self.unknown)
        held = [*self.flying, *self.waiting]
        assert budget_state.reserved == sum(held, Decimal(0))
        assert self.budget.in_flight == len(held if self.collects else self.flying)
        if self.spent + self.unknown + sum(self.waiting, Decimal(0)) <= self.cap:
            assert budget_state.available >= 0


TestSpending = Spending.TestCase
TestSpending.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(USD, USD)
def test_a_cost_above_its_bound_is_reported_and_counted(worst: Decimal, more: Decimal) -> None:
    """The bound was wrong, but the money is spent."""
    budget = Budget(BudgetState(Decimal(100), Decimal(0), Decimal(0)))
    budget.reserve(worst)
    with pytest.raises(ValueError, match="worst case"):
        budget.settle(worst, worst + more)
    assert budget.state.spent == worst + more


@pytest.mark.parametrize(
    ("requests", "cap"),
    [
        (50_000, Decimal(30)),
        pytest.param(2_000_000, Decimal(1_150), marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_under_faults_and_kills_nothing_is_overspent(
    requests: int, cap: Decimal, seed: int
) -> None:
    """The API never bills more than the cap; at least 97 % of the cap is spent or unknown."""
    ledger = spend(requests, cap, seed)
    assert ledger.max_overshoot <= 0
    assert ledger.spent + ledger.unknown <= cap
    assert ledger.spent + ledger.unknown >= cap * Decimal("0.97")
    assert ledger.kills > requests // 50_000
    assert ledger.attempts >= requests // 2
