"""A job with a budget that runs in batches, and an API that bills what it has answered.

The API is free to do what hurts: cancels that cancel nothing, batches that expire, that run out of
credit, whose create call has no answer, whose results are lost, cut or of no known type. The
process may be killed between any two steps; then only what was recorded is left.
"""

import json
import random
from dataclasses import dataclass, field
from decimal import Decimal

from batcher.core.answers.outcome import Billing, Verdict
from batcher.core.batches.result_outcome import outcome_of
from batcher.core.batches.size import BatchSize
from batcher.core.batches.wire import CANCELED, ERRORED, EXPIRED, SUCCEEDED, ResultLine
from batcher.core.money.budget import Budget, BudgetState, Reservation
from batcher.core.money.exact import total

MESSAGE = b'{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn"}'
FREE = Decimal(0)
NO_CREDIT = "Your credit balance is too low to access the Anthropic API."


class Killed(Exception):  # noqa: N818 - it is no error
    """The process was killed."""


def error(kind: str, text: str = "") -> bytes:
    """Return the error of an item."""
    return json.dumps({"type": "error", "error": {"type": kind, "message": text}}).encode()


@dataclass
class Attempt:
    """A recorded attempt; ``cost`` is what it was settled with, None while it is open."""

    row: int
    worst: Decimal
    batch: int | None
    is_settled: bool = False
    cost: Decimal | None = None

    @property
    def is_unknown(self) -> bool:
        """Whether it was settled without a known cost."""
        return self.is_settled and self.cost is None


@dataclass
class ApiBatch:
    """A batch at the API: its items, and the results of those that are done."""

    items: list[Attempt]
    results: dict[int, ResultLine] = field(default_factory=dict)
    costs: dict[int, Decimal] = field(default_factory=dict)
    is_canceling: bool = False


@dataclass
class World:
    """The API and the checkpoint: what survives when the process is killed."""

    rng: random.Random
    cap: Decimal
    rows: int
    is_calm: bool = False
    billed: Decimal = Decimal(0)
    has_credit: bool = True
    attempts: list[Attempt] = field(default_factory=list)
    unconfirmed: dict[int, ApiBatch | None] = field(default_factory=dict)  # the API's side
    open_batches: dict[int, ApiBatch] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    given_up: set[int] = field(default_factory=set)
    made: int = 0
    was_bound: bool = False
    canceled_nothing: int = 0

    def chance(self, probability: float) -> bool:
        """Return whether something goes wrong; nothing does in a calm world."""
        return not self.is_calm and self.rng.random() < probability

    def may_die(self) -> None:
        """Be killed, sometimes."""
        if self.chance(0.02):
            raise Killed

    def budget(self) -> Budget:
        """Open the budget from the checkpoint, as a run does when it starts.

        A live attempt without an outcome is unknown; one that waits in a batch stays reserved.
        """
        for attempt in self.attempts:
            attempt.is_settled |= attempt.batch is None
        pending = [a.worst for a in self.attempts if not a.is_settled]
        unknown = [a.worst for a in self.attempts if a.is_unknown]
        spent = [a.cost for a in self.attempts if a.cost is not None]
        state = BudgetState(self.cap, total(spent), total(unknown), total(pending))
        return Budget(state, len(pending))

    def to_send(self) -> list[int]:
        """Return the rows without an answer that are in no batch."""
        waiting = {a.row for a in self.attempts if not a.is_settled}
        return [
            row for row in range(self.rows) if row not in self.answered | waiting | self.given_up
        ]

    def process(self, batch: ApiBatch, share: float) -> None:
        """Let the API work on a share of the items that are not done."""
        for index, item in enumerate(batch.items):
            if index not in batch.results and self.rng.random() < share:
                batch.results[index], batch.costs[index] = self.answer(item)

    def answer(self, item: Attempt) -> tuple[ResultLine, Decimal]:
        """Answer one item; return its result and what it is billed."""
        if self.chance(0.01):
            self.has_credit = False
        if not self.has_credit:
            return ResultLine("", ERRORED, error=error("invalid_request_error", NO_CREDIT)), FREE
        if self.chance(0.05):
            return ResultLine("", ERRORED, error=error("api_error")), FREE
        cost = item.worst * self.rng.choice((Decimal(1), Decimal("0.4"), Decimal("0.9")))
        self.billed += cost
        if self.chance(0.02):
            return ResultLine("", self.rng.choice(("unknown", SUCCEEDED)), b"cut {"), cost
        return ResultLine("", SUCCEEDED, MESSAGE), cost

    def end(self, batch: ApiBatch) -> None:
        """End a batch: the rest is answered, unless a cancel or its age keeps it from beginning."""
        if batch.is_canceling and self.chance(0.5):
            self.canceled_nothing += 1
            batch.is_canceling = False
        has_expired = self.chance(0.1)
        left = [index for index in range(len(batch.items)) if index not in batch.results]
        if batch.is_canceling or has_expired:
            kind = CANCELED if batch.is_canceling else EXPIRED
            batch.results |= {index: ResultLine("", kind) for index in left}
        else:
            self.process(batch, 1.0)


class Run:
    """One process that works on the job until it is killed, halted, or done."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.budget = world.budget()
        self.is_halted = False

    def check(self) -> None:
        """What was billed is covered by the budget's sums, and these by the cap."""
        state = self.budget.state
        assert self.world.billed <= state.used + state.reserved <= self.world.cap

    def go(self) -> None:
        """Work until nothing is left to do, or no money for it."""
        world = self.world
        for number in [*world.unconfirmed]:
            self.resolve(number)
        while not self.is_halted:
            reservation = self.submit()
            is_open = any(not attempt.is_settled for attempt in world.attempts)
            assert not (reservation is Reservation.NEVER and is_open)  # it has to wait for it
            if reservation is Reservation.NEVER or not (world.open_batches or world.to_send()):
                break
            for number in [*world.open_batches]:
                self.watch(number)
        for number in [*world.open_batches]:
            self.collect(number)

    def submit(self) -> Reservation | None:
        """Make a batch of the rows that fit into it and into the budget; say why it is not full."""
        world = self.world
        size = BatchSize(world.rng.randint(2, 12))
        filled: list[Attempt] = []
        reservation = None
        for row in world.to_send():
            if size.is_full(len(filled), 10 * len(filled), 10):
                break
            worst = Decimal(world.rng.randint(1, 999)) / 1000
            reservation = self.budget.reserve(worst)
            if reservation is not Reservation.NOW:
                world.was_bound = True
                break
            if world.chance(0.1):
                self.send_live(row, worst)
                continue
            filled.append(Attempt(row, worst, world.made))
        if not filled:
            return reservation
        self.create(filled)
        return None

    def send_live(self, row: int, worst: Decimal) -> None:
        """Send one row live; the money is reserved."""
        attempt = Attempt(row, worst, None)
        self.world.attempts.append(attempt)
        result, cost = self.world.answer(attempt)
        self.check()
        self.world.may_die()
        self.record(attempt, result, cost)

    def create(self, filled: list[Attempt]) -> None:
        """Record the intent of a batch, create it, and record that."""
        world = self.world
        world.may_die()
        number, world.made = world.made, world.made + 1
        world.attempts += filled
        world.unconfirmed[number] = None
        world.may_die()
        if world.chance(0.1):  # refused: certainly not created
            return self.resolve(number)
        world.unconfirmed[number] = batch = ApiBatch(filled)
        world.process(batch, world.rng.random())
        self.check()
        world.may_die()
        if world.chance(0.1):  # no answer: found in the listing later
            world.process(batch, world.rng.random())
        self.resolve(number)
        return None

    def resolve(self, number: int) -> None:
        """Find out whether a batch was created; the requests of an absent one were not sent."""
        world = self.world
        batch = world.unconfirmed.pop(number)
        if batch is not None:
            world.open_batches[number] = batch
            return
        for attempt in world.attempts:
            if attempt.batch == number:
                self.settle(attempt, Decimal(0))

    def watch(self, number: int) -> None:
        """Look at a batch: it goes on, is cancelled, or has ended."""
        world, batch = self.world, self.world.open_batches[number]
        world.process(batch, world.rng.random() / 2)
        self.check()
        if world.chance(0.1):
            batch.is_canceling = True  # nothing is released before the batch has ended
            self.check()
        world.may_die()
        if world.rng.random() < 0.5:
            self.collect(number)

    def collect(self, number: int) -> None:
        """Record the results of a batch that has ended; a part of them may be recorded already."""
        world, batch = self.world, self.world.open_batches[number]
        world.end(batch)
        self.check()
        if world.chance(0.03):  # deleted by somebody: nobody can know what was billed
            for attempt in batch.items:
                if not attempt.is_settled:
                    self.settle(attempt, None)
        order = list(batch.results)
        world.rng.shuffle(order)
        for index in order:
            if not batch.items[index].is_settled:
                self.record(batch.items[index], batch.results[index], batch.costs.get(index, FREE))
                world.may_die()
        del world.open_batches[number]

    def record(self, attempt: Attempt, result: ResultLine, cost: Decimal) -> None:
        """Settle an attempt by its outcome."""
        outcome = outcome_of(result)
        self.is_halted |= outcome.verdict is Verdict.HALT
        if outcome.billing is Billing.FREE:
            self.settle(attempt, Decimal(0))
        elif outcome.billing is Billing.UNKNOWN:
            self.settle(attempt, None)
        else:
            self.world.answered.add(attempt.row)
            self.settle(attempt, cost)
        self.check()

    def settle(self, attempt: Attempt, cost: Decimal | None) -> None:
        """Settle an attempt in the checkpoint and in the budget."""
        attempt.is_settled, attempt.cost = True, cost
        self.budget.settle(attempt.worst, cost)
        unknown = sum(a.row == attempt.row and a.is_unknown for a in self.world.attempts)
        if unknown >= 2:
            self.world.given_up.add(attempt.row)
