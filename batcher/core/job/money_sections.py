"""The sections about money: what tokens cost, and how much may be spent."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from batcher.core.job.section import EXACT, Names, Section, Share

Price = Annotated[Decimal, Field(ge=0, le=10**6, decimal_places=8), EXACT]
Dollars = Annotated[Decimal, Field(gt=0, decimal_places=18, max_digits=30), EXACT]


class PriceOverride(Section):
    """The prices of one model in USD per million tokens, used instead of the price table's."""

    input: Price = Field(description="USD per million input tokens that are not cached.")
    output: Price = Field(description="USD per million output tokens, thinking included.")
    cache_write_5m: Price | None = Field(
        None,
        description="USD per million tokens written to the 5-minute cache. Default: the input "
        "price times the factor of the model in the price table, or 1.25.",
    )
    cache_write_1h: Price | None = Field(
        None,
        description="USD per million tokens written to the 1-hour cache. Default: the input price "
        "times the factor of the model in the price table, or 2.",
    )
    cache_read: Price | None = Field(
        None,
        description="USD per million tokens read from the cache. Default: the input price times "
        "the factor of the model in the price table, or 0.1.",
    )


class PricesSection(Section):
    """[prices]: prices that the price table does not have, or that your contract changes."""

    overrides: dict[str, PriceOverride] = Field(
        default_factory=dict,
        description="Prices by model id, in USD per million tokens, each as a section "
        '[prices.overrides."MODEL"] with input and output. Default: the price table (batcher '
        "prices).",
    )
    as_of: date | None = Field(
        None,
        description="The day on which the overrides were correct, such as 2026-11-22; it is shown "
        "with the prices.",
    )
    free_usage_fields: Names = Field(
        (),
        description="Usage fields that the server reports and does not charge for. The cost of "
        "an answer with another usage field that batcher cannot price is unknown.",
    )
    max_unpriced: Share = Field(
        Decimal("0.1"),
        description="The share of answers whose cost may stay unknown: without usage, with a "
        "usage that cannot be, or with a field that has no price. Each counts with the most that "
        "it can cost. A run with more of them stops (exit 1), from the 20th on; with a budget, a "
        "usage that cannot be counts ten times, from the 5th on; 1 never stops.",
    )


class BudgetSection(Section):
    """[budget]: how much may be spent, and above which cost a run asks first."""

    max_cost_usd: Dollars | None = Field(
        None,
        description="The most that may be spent, in USD; never exceeded. Attempts in flight and "
        "attempts with unknown billing status count with the most that they can cost. Default: no "
        "budget.",
    )
    per: Literal["job", "day"] = Field(
        "job",
        description="What max_cost_usd covers. job: everything that this job has ever spent. day: "
        "what runs spent that started on the same calendar day, for nightly jobs. A run counts for "
        "the day on which it started, also what it sends after midnight.",
    )
    time_zone: str | None = Field(
        None,
        min_length=1,
        description="The time zone in which a day begins at midnight, and of the times in "
        'delivery.deadline, such as "Europe/Berlin" or "UTC". Default: the time zone of this '
        "machine, which cron and systemd timers go by, too.",
    )
    confirm_above_usd: Annotated[Decimal, Field(ge=0), EXACT] = Field(
        Decimal(1),
        description="A run with a higher expected cost, in USD, asks before it sends anything. "
        "Without a terminal it then needs max_cost_usd, a saved plan or --yes; otherwise it exits "
        "10.",
    )
