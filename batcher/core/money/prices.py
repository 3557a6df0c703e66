"""The price table: what each model costs, from the shipped data and the job file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal, Inexact, InvalidOperation
from typing import TYPE_CHECKING, Any

from batcher.core.job import PriceOverride
from batcher.core.money.exact import product
from batcher.core.money.rates import LongPrompt, ModelPrices, Rates
from batcher.core.request.models import ModelFacts, model_facts
from batcher.errors import ConfigurationError
from batcher.late import late_module

if TYPE_CHECKING:
    import difflib
else:
    difflib = late_module("difflib")

_WRITE_5M = Decimal("1.25")
_WRITE_1H = Decimal(2)
_READ = Decimal("0.1")
_BATCH = Decimal("0.5")


class UnknownModelError(ConfigurationError):
    """A model without a price; ``model`` is the name that was looked up."""

    def __init__(self, model: str, reason: str, suggestion: str | None = None) -> None:
        guess = "" if suggestion is None else f"did you mean {suggestion!r}? "
        super().__init__(
            f"model {model!r} {reason}",
            hint=f"{guess}set its price in the job file, in USD per million tokens: "
            f'[prices.overrides."{model}"] input = ..., output = ...',
        )
        self.model = model
        self.suggestion = suggestion


@dataclass(frozen=True, slots=True)
class PriceTable:
    """The prices in force; ``as_of`` is the day the shipped data was checked."""

    as_of: date
    _prices: Mapping[str, ModelPrices]
    _facts: Mapping[str, ModelFacts]
    _aliases: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> "PriceTable":
        """Read the model table's JSON; ``ConfigurationError`` when a part of it is malformed."""
        place = "its head"
        facts: dict[str, ModelFacts] = {}
        prices: dict[str, ModelPrices] = {}
        try:
            table = json.loads(text)
            as_of = date.fromisoformat(table["as_of"])
            for entry in table["models"]:
                place = str(entry.get("id"))
                fact = model_facts(entry)
                if fact.id in facts:
                    raise ValueError("is listed twice")  # noqa: TRY301
                facts[fact.id] = fact
                if "usd_per_mtok" in entry:
                    prices[fact.id] = _model_prices(entry, fact)
        except (ValueError, KeyError, TypeError, AttributeError, InvalidOperation) as error:
            raise ConfigurationError(
                f"the price table is malformed at {place}: {type(error).__name__}: {error}"
            ) from error
        aliases = {fact.alias: fact.id for fact in facts.values() if fact.alias is not None}
        return cls(as_of, prices, facts, aliases)

    def model(self, id_or_alias: str) -> ModelPrices:
        """Find a model's prices; ``UnknownModelError`` when there are none."""
        name = self._aliases.get(id_or_alias, id_or_alias)
        prices = self._prices.get(name)
        if prices is not None:
            return prices
        if name in self._facts:
            raise UnknownModelError(id_or_alias, "is in the price table without a price")
        known = [*self._prices, *self._aliases]
        close = difflib.get_close_matches(id_or_alias, known, n=1) or [
            name for name in known if id_or_alias.lower() in name and len(id_or_alias) > 3
        ]
        raise UnknownModelError(
            id_or_alias, "is not in the price table", close[0] if close else None
        )

    def facts(self, id_or_alias: str) -> ModelFacts | None:
        """Look up a model's facts; None for a model that the table does not have."""
        return self._facts.get(self._aliases.get(id_or_alias, id_or_alias))

    def ids(self) -> tuple[str, ...]:
        """List all models with a price: first those of the table, then those of the job file."""
        return tuple(self._prices)

    def with_overrides(self, overrides: Mapping[str, PriceOverride]) -> "PriceTable":
        """Replace or add prices by model id or alias.

        A rate that an override leaves out is derived with the model's own ratios in the table:
        cache writes and reads from input, fast and long prompts from standard. A model that the
        table lacks uses 1.25 (5-minute writes), 2 (1-hour writes) and 0.1 (reads); batch is always
        half of standard. ``ConfigurationError`` when a rate has too many digits to stay exact, or
        when a model is overridden twice.
        """
        prices = dict(self._prices)
        for name, override in overrides.items():
            model = self._aliases.get(name, name)
            if model in prices and prices[model].is_override:
                raise ConfigurationError(
                    f"[prices] overrides {model!r} twice: by its id and by its alias"
                )
            try:
                prices[model] = _overridden(model, override, prices.get(model), self.facts(model))
            except (ValueError, Inexact) as error:
                raise ConfigurationError(
                    f"the price of {name!r} in [prices] cannot be used: {error}",
                    hint="give every rate with at most 7 decimals",
                ) from error
        return PriceTable(self.as_of, prices, self._facts, self._aliases)


def _model_prices(entry: Mapping[str, Any], facts: ModelFacts) -> ModelPrices:
    fast = entry.get("usd_per_mtok_fast")
    return ModelPrices(
        id=facts.id,
        standard=_rates(entry["usd_per_mtok"]),
        batch=_rates(entry["usd_per_mtok_batch"]),
        fast=None if fast is None else _rates(fast),
        long=_long(entry),
        facts=facts,
    )


def _long(entry: Mapping[str, Any]) -> LongPrompt | None:
    rule = entry["long_prompt"]
    if rule is None:
        return None
    return LongPrompt(
        threshold=int(rule["threshold"]),
        standard=_rates(entry["usd_per_mtok_long"]),
        batch=_rates(entry["usd_per_mtok_long_batch"]),
    )


def _rates(row: Mapping[str, str]) -> Rates:
    # Strings only: a JSON number was already rounded to a float.
    if not all(isinstance(rate, str) for rate in row.values()):
        raise TypeError("rates must be strings")
    return Rates(
        input=Decimal(row["input"]),
        output=Decimal(row["output"]),
        cache_write_5m=Decimal(row["write_5m"]),
        cache_write_1h=Decimal(row["write_1h"]),
        cache_read=Decimal(row["read"]),
    )


def _overridden(
    model: str, override: PriceOverride, listed: ModelPrices | None, facts: ModelFacts | None
) -> ModelPrices:
    standard = _standard(override, listed)
    fast = long = None
    if listed is not None and listed.fast is not None:
        fast = standard.times(_multiple(listed.fast, listed.standard))
    if listed is not None and listed.long is not None:
        scaled = standard.times(_multiple(listed.long.standard, listed.standard))
        long = LongPrompt(listed.long.threshold, scaled, scaled.times(_BATCH))
    return ModelPrices(
        id=model,
        standard=standard,
        batch=standard.times(_BATCH),
        fast=fast,
        long=long,
        facts=facts,
        is_override=True,
    )


def _standard(override: PriceOverride, listed: ModelPrices | None) -> Rates:
    def or_else(given: Decimal | None, kind: str, default: Decimal) -> Decimal:
        if given is not None:
            return given
        if listed is not None:
            default = _ratio([(getattr(listed.standard, kind), listed.standard.input)])
        return product(override.input, default)

    return Rates(
        input=override.input,
        output=override.output,
        cache_write_5m=or_else(override.cache_write_5m, "cache_write_5m", _WRITE_5M),
        cache_write_1h=or_else(override.cache_write_1h, "cache_write_1h", _WRITE_1H),
        cache_read=or_else(override.cache_read, "cache_read", _READ),
    )


def _multiple(rates: Rates, standard: Rates) -> Decimal:
    return _ratio(
        (getattr(rates, field.name), getattr(standard, field.name)) for field in fields(Rates)
    )


def _ratio(pairs: Iterable[tuple[Decimal, Decimal]]) -> Decimal:
    """Return the greatest ratio; in the shipped table all pairs have the same exact one."""
    return max(numerator / denominator for numerator, denominator in pairs)
