"""Reads the price table that comes with batcher."""

from importlib import resources

from batcher.core.money.prices import PriceTable


def load_price_table() -> PriceTable:
    """Return the table of models and prices that comes with batcher."""
    return PriceTable.parse(
        resources.files("batcher.data").joinpath("models.json").read_text("utf-8")
    )
