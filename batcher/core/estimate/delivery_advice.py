"""What an estimate lets advise: how to send a plan, what that saves, and what to mind."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from batcher.core.estimate.estimate import Estimate
from batcher.core.estimate.predict import LEAST_ANSWERS
from batcher.core.money.budget import BudgetState
from batcher.core.money.display import rounded_text


@dataclass(frozen=True, slots=True)
class Advice:
    """``choice`` in a line, and ``warnings``; ``affordable`` is how many rows a budget buys."""

    choice: str
    warnings: tuple[str, ...]
    affordable: int | None = None


def advise(estimate: Estimate, budget: BudgetState | None, *, can_batch: bool) -> Advice:
    """Advise on an estimate; ``can_batch`` says whether this version sends batches."""
    affordable = None if budget is None else _affordable(estimate, budget)
    warnings = [*_about_rows(estimate), *_about_money(estimate, budget, affordable)]
    return Advice(_choice(estimate, can_batch=can_batch), tuple(warnings), affordable)


def _choice(estimate: Estimate, *, can_batch: bool) -> str:
    live = estimate.choice("live", is_cached=True)
    plain = estimate.choice("live", is_cached=False)
    batch = estimate.choice("batch", is_cached=True)
    text = "live"
    if live.is_cached:
        saved = plain.usd.expected - live.usd.expected
        text += f" with the prompt cache, which saves {rounded_text(saved)}"
    cheaper = live.usd.expected - batch.usd.expected
    if cheaper > 0:
        when = "if it may take up to 24 hours"
        text += f"; as a batch it would cost {rounded_text(cheaper)} less {when}"
        text += "" if can_batch else " (this version sends live only)"
    return text


def _affordable(estimate: Estimate, budget: BudgetState) -> int:
    """How many of the requests what is available will pay for, at the expected cost of each."""
    if estimate.usd.expected <= 0:
        return estimate.requests
    share = max(Decimal(0), budget.available) / estimate.usd.expected
    return min(estimate.requests, int(share * estimate.requests))


def _about_rows(estimate: Estimate) -> Iterator[str]:
    if estimate.too_long:
        yield (
            f"about {estimate.too_long:,} rows seem too long for the model's context, and will be "
            "refused"
        )
    if estimate.long_requests:
        yield (
            f"about {estimate.long_requests:,} rows have so long a prompt that all of the request "
            "costs more; see batcher prices MODEL"
        )


def _about_money(
    estimate: Estimate, budget: BudgetState | None, affordable: int | None
) -> Iterator[str]:
    if 0 < estimate.answers < LEAST_ANSWERS:
        yield f"{estimate.answers} answers are too few to learn from; {LEAST_ANSWERS} are needed"
    if budget is None or affordable is None or not estimate.requests:
        return
    if affordable < estimate.requests:
        yield (
            f"the budget of {rounded_text(budget.cap)} is too small: what is left of it, "
            f"{rounded_text(max(Decimal(0), budget.available))}, buys about {affordable:,} of "
            f"{estimate.requests:,} rows"
        )
    elif budget.available < estimate.usd.high:
        yield (
            f"the budget may not be enough: {rounded_text(budget.available)} are left of it, and "
            f"the rows may cost up to {rounded_text(estimate.usd.high)}"
        )
