"""The rates of one model, and which of them apply."""

from dataclasses import dataclass, fields
from decimal import Decimal
from typing import Literal

from batcher.core.money.exact import MAX_RATE, MAX_RATE_DECIMALS, decimals, product
from batcher.core.request.models import ModelFacts
from batcher.core.usage_fields import TTL


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens of each kind.

    ValueError for a rate that is negative, infinite or not a number, or that has too many digits
    for exact costs.
    """

    input: Decimal
    output: Decimal
    cache_write_5m: Decimal
    cache_write_1h: Decimal
    cache_read: Decimal

    def __post_init__(self) -> None:
        for field in fields(self):
            rate: Decimal = getattr(self, field.name)
            if not rate.is_finite() or not 0 <= rate < MAX_RATE:
                raise ValueError(f"{field.name} must be from 0 to under {MAX_RATE:,}")
            if decimals(rate) > MAX_RATE_DECIMALS:
                raise ValueError(f"{field.name} has more than {MAX_RATE_DECIMALS} decimals")

    def times(self, factor: Decimal) -> "Rates":
        """Multiply each rate."""
        return Rates(*(product(getattr(self, field.name), factor) for field in fields(self)))

    @property
    def are_zero(self) -> bool:
        """Whether tokens of every kind are free."""
        return not (
            self.input
            or self.output
            or self.cache_read
            or self.cache_write_5m
            or self.cache_write_1h
        )

    def highest_input_rate(self, longest_ttl: TTL | None) -> Decimal:
        """Return the highest rate that a token of the prompt can have.

        ``longest_ttl`` is the longest lifetime of the request's cache marks, None without marks.
        """
        possible = [self.input, self.cache_read]
        if longest_ttl is not None:
            possible.append(self.cache_write_5m)
        if longest_ttl == "1h":
            possible.append(self.cache_write_1h)
        return max(possible)


RatesName = Literal["standard", "batch", "fast", "long", "long batch"]


@dataclass(frozen=True, slots=True)
class LongPrompt:
    """The rates of a whole request, output included, whose prompt is longer than ``threshold``."""

    threshold: int
    standard: Rates
    batch: Rates


@dataclass(frozen=True, slots=True)
class ModelPrices:
    """All prices of one model, and the facts that decide which of them apply.

    ``facts`` is None for a model that only the job file names. ``is_override``: the job file set
    the rates.
    """

    id: str
    standard: Rates
    batch: Rates
    fast: Rates | None = None
    long: LongPrompt | None = None
    facts: ModelFacts | None = None
    is_override: bool = False

    @property
    def tiers(self) -> dict[str, Rates]:
        """All rates of the model, by name."""
        tiers = {"standard": self.standard, "batch": self.batch}
        if self.long is not None:
            tiers |= {"long": self.long.standard, "long batch": self.long.batch}
        if self.fast is not None:
            tiers["fast"] = self.fast
        return tiers

    def rates(self, name: RatesName) -> Rates:
        """Look up rates by name; LookupError when the model has none of this name."""
        if name == "standard":
            return self.standard
        return self.tiers[name]

    @property
    def has_geo_price(self) -> bool:
        """Whether inference in the US costs more.

        True unless the table says that the model has no regions. A model that the table lacks is
        probably newer than the first one with regions, and for a budget a bound that is too high is
        safer than one that is too low.
        """
        return self.facts is None or self.facts.has_inference_geo is not False
