"""The sections about money: what tokens cost, and how much may be spent."""

from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field

from batcher.core.job.sections import EXACT, Names, Section

Price = Annotated[Decimal, Field(ge=0, le=10**6, decimal_places=8), EXACT]
Dollars = Annotated[Decimal, Field(gt=0, decimal_places=18, max_digits=30), EXACT]


class PriceOverride(Section):
    """USD per million tokens of one model, instead of or beside the price table's."""

    input: Price = Field(description="Uncached input.")
    output: Price = Field(description="Output, thinking included.")
    cache_write_5m: Price | None = Field(
        None, description="Default the model's own multiple of input, else 1.25."
    )
    cache_write_1h: Price | None = Field(
        None, description="Default the model's own multiple of input, else 2."
    )
    cache_read: Price | None = Field(
        None, description="Default the model's own multiple of input, else 0.1."
    )


class PricesSection(Section):
    """[prices]: what the price table does not know, or knows wrongly for this contract."""

    overrides: dict[str, PriceOverride] = Field(
        default_factory=dict, description="Prices by model id."
    )
    as_of: date | None = Field(
        None, description="The day on which the overrides were right, such as 2026-11-22."
    )
    free_usage_fields: Names = Field(
        (), description="Usage fields that the server reports and that cost nothing."
    )


class BudgetSection(Section):
    """[budget]: how much may be spent, and from when on somebody is asked."""

    max_cost_usd: Dollars | None = Field(
        None,
        description="The most that may be spent, in USD; never passed, whatever happens. Attempts "
        "that may have been billed unseen count at the most that they can have cost.",
    )
    per: Literal["job", "day"] = Field(
        "job",
        description="job: all that this job ever spent counts. day: what was spent since 24 hours "
        "before the run, for a job that runs every night.",
    )
    confirm_above_usd: Annotated[Decimal, Field(ge=0), EXACT] = Field(
        Decimal(1),
        description="A run that is likely to spend more asks first; without a terminal it needs "
        "max_cost_usd or --yes.",
    )
