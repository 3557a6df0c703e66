"""The models that the simulator offers, read from its own table.

The table has the same sources as the model table of batcher, but is a separate copy: one wrong
reading must not hide in both the client and the server that tests it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per million tokens, by kind."""

    input: Decimal
    output: Decimal
    write_5m: Decimal
    write_1h: Decimal
    read: Decimal


@dataclass(frozen=True, slots=True)
class Model:
    """What one model accepts and charges.

    ``thinking_types`` maps each accepted ``thinking.type`` to the highest effort that it allows,
    or to None. Models with the same ``limit_group`` share one rate limit. ``long_rates`` hold for
    the whole request when its prompt has more than ``long_prompt_tokens`` tokens.
    """

    id: str
    alias: str | None
    line: str
    state: str
    released: str
    deprecated: str | None
    retires: str | None
    context_window: int
    max_output: int
    min_cacheable_tokens: int
    tokenizer: str
    image_tier: str
    limit_group: str
    accepts_sampling: bool
    accepts_prefill: bool
    accepts_forced_tool: bool
    accepts_inference_geo: bool
    accepts_system_role: bool
    thinks_by_default: bool
    thinking_types: Mapping[str, str | None]
    effort_levels: tuple[str, ...]
    default_effort: str | None
    tool_prompt_tokens: int
    forced_tool_prompt_tokens: int | None
    rates: Rates
    fast_rates: Rates | None
    fast_beta: str | None
    long_prompt_tokens: int | None
    long_rates: Rates | None

    @property
    def is_live(self) -> bool:
        """Whether the API still serves the model; a retired one is a 404, like an unknown one."""
        return self.state != "retired"


def _rates(prices: list[str] | None) -> Rates | None:
    return None if prices is None else Rates(*map(Decimal, prices))


def _model(row: dict[str, Any]) -> Model:
    rates = _rates(row.pop("prices"))
    if rates is None:
        raise ValueError(f"the simulator's table has no price for {row['id']}")
    fast, long = _rates(row.pop("fast_prices")), _rates(row.pop("long_prices"))
    row["effort_levels"] = tuple(row["effort_levels"])
    return Model(rates=rates, fast_rates=fast, long_rates=long, **row)


@cache
def models() -> Mapping[str, Model]:
    """Return every model by id and by alias, newest first, retired ones included."""
    table = json.loads((Path(__file__).parent.parent / "models.json").read_bytes())
    rows = [_model(row) for row in table["models"]]
    return {row.id: row for row in rows} | {row.alias: row for row in rows if row.alias}
