"""The price table that batcher ships."""

from importlib import resources

from batcher.core.money.prices import PriceTable


def load_price_table() -> PriceTable:
    """Read the shipped table of models and prices."""
    return PriceTable.parse(
        resources.files("batcher.data").joinpath("models.json").read_text("utf-8")
    )
