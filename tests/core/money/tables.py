"""The shipped price table, and strategies for usages that the API could report."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

import batcher
from batcher.core.money.prices import PriceTable
from batcher.core.money.usage import Usage

TABLE_TEXT = (Path(batcher.__file__).parent / "data" / "models.json").read_text("utf-8")
TABLE = PriceTable.parse(TABLE_TEXT)

COUNTS = st.one_of(st.integers(0, 300_000), st.integers(0, 2**53))


def usages(model: str, counts: Any = COUNTS) -> st.SearchStrategy[Usage]:
    """Draw any usage that has a price: fast only for models with a fast price."""
    prices = TABLE.model(model)
    can_be_fast = prices.fast is not None
    tiers = st.sampled_from([None, "standard", "priority", "batch"])
    return st.builds(
        Usage,
        input_tokens=counts,
        output_tokens=counts,
        cache_creation_5m_input_tokens=counts,
        cache_creation_1h_input_tokens=counts,
        cache_read_input_tokens=counts,
        web_search_requests=st.integers(0, 50),
        service_tier=tiers,
        inference_geo=st.sampled_from([None, "global", "us", "not_available"]),
        speed=st.sampled_from([None, "standard", "fast"] if can_be_fast else [None, "standard"]),
    ).filter(lambda usage: not (usage.speed == "fast" and usage.service_tier == "batch"))
