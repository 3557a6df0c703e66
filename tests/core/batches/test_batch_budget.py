"""A budget that binds in the middle of batches is never passed, whatever happens to them."""

import random
from collections import Counter
from decimal import Decimal

import pytest
from budget_world import Killed, Run, World

MOST_PROCESSES = 1_000


def play(seed: int) -> World:
    """Run a job until its budget, then raise the budget and finish it; ``Run.check`` watches."""
    rng = random.Random(seed)
    rows = rng.randint(5, 40)
    world = World(rng, Decimal(rng.randint(100, 900)) / 1000 * rows / 2, rows)
    for _ in range(MOST_PROCESSES):
        run = Run(world)
        try:
            run.go()
        except Killed:
            continue
        if not run.is_halted:
            break
        world.has_credit = True  # somebody has bought credit
    assert world.billed <= world.cap
    assert not world.open_batches
    world.cap, world.is_calm, world.has_credit = Decimal(1_000), True, True
    Run(world).go()
    assert len(world.answered | world.given_up) == rows
    costs = Counter(a.row for a in world.attempts if a.cost)
    assert set(costs) == world.answered
    assert max(costs.values(), default=1) == 1
    return world


def test_a_sample_of_runs() -> None:
    """In a few hundred runs nothing passes the budget, and a higher one finishes the job."""
    worlds = [play(seed) for seed in range(300)]
    assert sum(world.was_bound for world in worlds) > 200
    assert sum(world.canceled_nothing for world in worlds) > 50


@pytest.mark.slow
def test_ten_thousand_runs() -> None:
    """The same for many runs."""
    worlds = [play(seed) for seed in range(1_000, 11_000)]
    assert sum(world.was_bound for world in worlds) > 7_000
