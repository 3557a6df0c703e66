"""A price table as a run used it, written down so that what it priced can be explained later."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Any

from batcher.core.money.cost import US_MULTIPLIER, US_RATES, USD_PER_WEB_SEARCH
from batcher.core.money.display import exact_text
from batcher.core.money.prices import PriceTable, Rates


@dataclass(frozen=True, slots=True)
class PinnedPrices:
    """Every rate that was in force, the job file's among them, and what else a cost is made of.

    ``as_of`` is the day the shipped table was checked, ``overrides_as_of`` the one that the job
    file says of its own prices, if it does; ``overridden`` are the models that they are of.
    """

    as_of: date
    overrides_as_of: date | None
    overridden: tuple[str, ...]
    us_multiplier: Decimal
    usd_per_web_search: Decimal
    _rates: Mapping[str, Mapping[str, Rates]]
    _aliases: Mapping[str, str]

    @classmethod
    def of(cls, table: PriceTable, overrides_as_of: date | None = None) -> "PinnedPrices":
        """Pin a table that is in force."""
        overridden = tuple(sorted(name for name in table.ids() if table.model(name).is_override))
        facts = [table.facts(name) for name in table.ids()]
        return cls(
            as_of=table.as_of,
            overrides_as_of=overrides_as_of if overridden else None,
            overridden=overridden,
            us_multiplier=US_MULTIPLIER,
            usd_per_web_search=USD_PER_WEB_SEARCH,
            _rates={name: table.model(name).tiers for name in table.ids()},
            _aliases={fact.alias: fact.id for fact in facts if fact and fact.alias},
        )

    @classmethod
    def read(cls, text: str) -> "PinnedPrices":
        """Read what ``text`` wrote; ValueError, KeyError or TypeError for anything else."""
        content = json.loads(text)
        own = content["overrides_as_of"]
        return cls(
            as_of=date.fromisoformat(content["as_of"]),
            overrides_as_of=None if own is None else date.fromisoformat(own),
            overridden=tuple(content["overridden"]),
            us_multiplier=Decimal(content["us_multiplier"]),
            usd_per_web_search=Decimal(content["usd_per_web_search"]),
            _rates={
                name: {tier: _rates(row) for tier, row in tiers.items()}
                for name, tiers in content["usd_per_mtok"].items()
            },
            _aliases=content["aliases"],
        )

    @property
    def text(self) -> str:
        """All of it as JSON; equal tables are written alike."""
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
        return json.dumps(content, sort_keys=True, separators=(",", ":"))

    def model(self, answered: str | None, asked: str) -> str | None:
        """The model whose rates price an answer; None when it has neither of the two."""
        names = [self._aliases.get(name, name) for name in (answered, asked) if name is not None]
        return next((name for name in names if name in self._rates), None)

    def rates(self, model: str, name: str) -> tuple[Rates, Decimal] | None:
        """The rates of a model by the name of ``rates_name``, and what the region multiplies by."""
        tier = name.removesuffix(US_RATES)
        rates = self._rates.get(model, {}).get(tier)
        if rates is None:
            return None
        return rates, Decimal(1) if tier == name else self.us_multiplier


def digest_of(text: str) -> str:
    """Name a table by its text: 32 hexadecimal digits."""
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def _rates(row: Mapping[str, str]) -> Rates:
    return Rates(**{field.name: Decimal(row[field.name]) for field in fields(Rates)})
