"""What the prompt cache saved of one response, exactly."""

from dataclasses import replace
from decimal import Decimal

from batcher.core.money.cost import cost
from batcher.core.money.exact import product, total
from batcher.core.money.prices import ModelPrices
from batcher.core.money.usage import Usage


def saving(usage: Usage, prices: ModelPrices) -> Decimal:
    """What the same response would have cost in USD without the cache, less what it cost.

    Negative when it wrote more than it read is worth. Raises as ``cost`` does. A response that is
    not billed saves nothing, which only the caller knows.
    """
    uncached = replace(
        usage,
        input_tokens=usage.prompt_tokens,
        cache_creation_5m_input_tokens=0,
        cache_creation_1h_input_tokens=0,
        cache_read_input_tokens=0,
    )
    return total([cost(uncached, prices), product(-1, cost(usage, prices))])
