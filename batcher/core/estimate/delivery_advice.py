"""Advice from an estimate: how to send a plan, what that saves, and warnings."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from batcher.core.delivery import Mode
from batcher.core.estimate.deliveries import best
from batcher.core.estimate.estimate import Estimate
from batcher.core.estimate.predict import MIN_ANSWERS
from batcher.core.money.budget import BudgetState
from batcher.core.money.display import rounded_text
from batcher.core.plural import counted


@dataclass(frozen=True, slots=True)
class Advice:
    """A line about the ``choice``, ``warnings``, and how many rows the budget pays for."""

    choice: str
    warnings: tuple[str, ...]
    affordable: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """How a job may be sent: the delivery that it asks for, and what stands against batches.

    ``only_live`` says why the API takes the requests only live, None when it also takes batches.
    """

    mode: Mode
    allows_batches: bool
    only_live: str | None = None


def advise(estimate: Estimate, budget: BudgetState | None, offer: Offer) -> Advice:
    """Advise on an estimate; the first of its choices is what a run would do."""
    affordable = None if budget is None else _affordable(estimate, budget)
    warnings = [*_about_rows(estimate), *_about_money(estimate, budget, affordable)]
    return Advice(_choice(estimate, offer), tuple(warnings), affordable)


def _choice(estimate: Estimate, offer: Offer) -> str:
    first, live = estimate.choices[0], best(estimate.choices, "live")
    if first.delivery == "live" or live is None:
        return _live(estimate, offer)
    cheaper = live.usd.expected - first.usd.expected
    compared = "less" if cheaper >= 0 else "more"
    text = f"{first.delivery}, likely {rounded_text(abs(cheaper))} {compared} than live"
    if first.is_cached:
        text += "; a batch of one request primes the prompt cache for the others"
    return text


def _live(estimate: Estimate, offer: Offer) -> str:
    """Return the advice for a live run: what the cache saves, and what batches would save."""
    live = estimate.choices[0]
    text, plain = "live", estimate.choice("live", is_cached=False)
    if live.is_cached:
        saved = plain.usd.expected - live.usd.expected
        text += f" with the prompt cache, which saves {rounded_text(saved)}"
    batch = best(estimate.choices, "batch")
    if offer.only_live is not None or batch is None:
        return f"{text}; not in batches: {offer.only_live}"
    cheaper = live.usd.expected - batch.usd.expected
    if cheaper <= 0:
        return f"{text}; batches would not cost less"
    saving = f"would cost {rounded_text(cheaper)} less"
    if offer.mode == "auto" and not offer.allows_batches:
        allow = "delivery.allow_batch = true lets auto use them"
        return f"{text}, because batches are not allowed; in batches it {saving}, and {allow}"
    return (
        f"{text}; a batch may take up to 24 hours and {saving}: --delivery batch, or auto with a "
        "--deadline"
    )


def _affordable(estimate: Estimate, budget: BudgetState) -> int:
    """Return the number of requests that the available money pays for at the expected cost."""
    if estimate.usd.expected <= 0:
        return estimate.requests
    share = max(Decimal(0), budget.available) / estimate.usd.expected
    return min(estimate.requests, int(share * estimate.requests))


def _about_rows(estimate: Estimate) -> Iterator[str]:
    if estimate.too_long:
        rows = counted(estimate.too_long, "row is", "rows are")
        yield (
            f"about {rows} probably too long for the model's context window; the API will refuse "
            "them"
        )
    if estimate.long_requests:
        rows = counted(estimate.long_requests, "row has a long prompt", "rows have long prompts")
        yield f"about {rows}: such a request costs more as a whole (see batcher prices MODEL)"


def _about_money(
    estimate: Estimate, budget: BudgetState | None, affordable: int | None
) -> Iterator[str]:
    if 0 < estimate.answers < MIN_ANSWERS:
        yield (
            f"the estimate ignores the {counted(estimate.answers, 'answer')} so far: it needs at "
            f"least {MIN_ANSWERS}"
        )
    if budget is None or affordable is None or not estimate.requests:
        return
    if affordable < estimate.requests:
        yield (
            f"the budget of {rounded_text(budget.cap)} is too small: the remaining "
            f"{rounded_text(max(Decimal(0), budget.available))} pays for about {affordable:,} of "
            f"{counted(estimate.requests, 'row')}"
        )
    elif budget.available < estimate.usd.high:
        yield (
            f"the budget may be too small: {rounded_text(budget.available)} remains, and the rows "
            f"may cost up to {rounded_text(estimate.usd.high)}"
        )
