"""The price table of a run, stored so that its costs can be explained later."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from batcher.core.money.cost import US_MULTIPLIER, US_RATES, USD_PER_WEB_SEARCH
from batcher.core.money.display import exact_text
from batcher.core.money.prices import PriceTable
from batcher.core.money.rates import LongPrompt, ModelPrices, Rates


@dataclass(frozen=True, slots=True)
class PinnedPrices:
    """All rates of a run, with the job file's overrides, and the other factors of a cost.

    ``as_of`` is the day the shipped table was checked. ``overrides_as_of`` is the day that the job
    file states for its own prices, if it does; ``overridden`` lists the models with such prices.
    """

    as_of: date
    overrides_as_of: date | None
    overridden: tuple[str, ...]
    us_multiplier: Decimal
    usd_per_web_search: Decimal
    _rates: Mapping[str, Mapping[str, Rates]]
    _aliases: Mapping[str, str]
    _long_above: Mapping[str, int]  # tokens of a long prompt, by model; empty in older versions

    @classmethod
    def of(cls, table: PriceTable, overrides_as_of: date | None = None) -> "PinnedPrices":
        """Pin the table of a run."""
        overridden = tuple(sorted(name for name in table.ids() if table.model(name).is_override))
        facts = [table.facts(name) for name in table.ids()]
        long_prompts = {name: table.model(name).long for name in table.ids()}
        return cls(
            as_of=table.as_of,
            overrides_as_of=overrides_as_of if overridden else None,
            overridden=overridden,
            us_multiplier=US_MULTIPLIER,
            usd_per_web_search=USD_PER_WEB_SEARCH,
            _rates={name: table.model(name).tiers for name in table.ids()},
            _aliases={fact.alias: fact.id for fact in facts if fact and fact.alias},
            _long_above={name: long.threshold for name, long in long_prompts.items() if long},
        )

    @classmethod
    def read(cls, text: str) -> "PinnedPrices":
        """Read JSON from ``text``; ValueError, KeyError or TypeError for anything else."""
        content = json.loads(text)
        overrides_as_of = content["overrides_as_of"]
        return cls(
            as_of=date.fromisoformat(content["as_of"]),
            overrides_as_of=overrides_as_of and date.fromisoformat(overrides_as_of),
            overridden=tuple(content["overridden"]),
            us_multiplier=Decimal(content["us_multiplier"]),
            usd_per_web_search=Decimal(content["usd_per_web_search"]),
            _rates={
                name: {tier: _rates(row) for tier, row in tiers.items()}
                for name, tiers in content["usd_per_mtok"].items()
            },
            _aliases=content["aliases"],
            _long_above=content.get("long_above", {}),
        )

    @property
    def text(self) -> str:
        """The table as JSON; equal tables give equal text."""
        content: dict[str, Any] = {
            "as_of": self.as_of.isoformat(),
            "overrides_as_of": self.overrides_as_of and self.overrides_as_of.isoformat(),
            "overridden": self.overridden,
            "us_multiplier": exact_text(self.us_multiplier),
            "usd_per_web_search": exact_text(self.usd_per_web_search),
            "usd_per_mtok": {
                name: {
                    tier: {kind: exact_text(rate) for kind, rate in asdict(rates).items()}
                    for tier, rates in tiers.items()
                }
                for name, tiers in self._rates.items()
            },
            "aliases": dict(self._aliases),
        }
        if self._long_above:
            content["long_above"] = dict(self._long_above)
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    def model(self, response_model: str | None, requested_model: str) -> str | None:
        """Return the model whose rates price a response; None when neither has rates here."""
        models = [name for name in (response_model, requested_model) if name is not None]
        ids = [self._aliases.get(name, name) for name in models]
        return next((name for name in ids if name in self._rates), None)

    def rates(self, model: str, name: str) -> tuple[Rates, Decimal] | None:
        """Look up a model's rates by ``rates_name``, with the region's factor; None if unknown."""
        tier = name.removesuffix(US_RATES)
        rates = self._rates.get(model, {}).get(tier)
        if rates is None:
            return None
        return rates, Decimal(1) if tier == name else self.us_multiplier

    def of_today(self, current: PriceTable) -> PriceTable:
        """Return the price table of the run, to price what it sent and another run receives.

        ``current``, the table of today, adds the facts of the models, and what a long prompt is if
        an older version pinned the prices. Models without a pinned price have none.
        """
        facts = {name: fact for name in self._rates if (fact := current.facts(name)) is not None}
        prices = {name: self._model_prices(name, current) for name in self._rates}
        return PriceTable(self.as_of, prices, facts, self._aliases)

    def _model_prices(self, name: str, current: PriceTable) -> ModelPrices:
        tiers, above = self._rates[name], self._long_above.get(name)
        if above is None and name in current.ids() and (listed := current.model(name).long):
            above = listed.threshold
        long = None
        if above is not None and "long" in tiers:
            long = LongPrompt(above, tiers["long"], tiers["long batch"])
        return ModelPrices(
            id=name,
            standard=tiers["standard"],
            batch=tiers["batch"],
            fast=tiers.get("fast"),
            long=long,
            facts=current.facts(name),
            is_override=name in self.overridden,
        )


def digest_of(text: str) -> str:
    """Return the digest that names a table: 32 hexadecimal digits of its text."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _rates(row: Mapping[str, str]) -> Rates:
    return Rates(**{field.name: Decimal(row[field.name]) for field in fields(Rates)})
