"""The token counts of one answer by kind, and their exact price."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batcher.simulator.billing.model_table import Model, Rates

PER_MILLION = Decimal("0.000001")
US_ONLY = Decimal("1.1")
BATCH = "batch"
BATCH_SHARE = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class Usage:
    """The token counts of one answer; ``output`` includes ``thinking``."""

    input: int
    output: int
    write_5m: int = 0
    write_1h: int = 0
    read: int = 0
    thinking: int = 0
    inference_geo: str = "global"
    speed: str = "standard"
    tier: str = "standard"

    @property
    def prompt(self) -> int:
        """All tokens of the prompt, cached or not."""
        return self.input + self.write_5m + self.write_1h + self.read

    def as_json(self) -> dict[str, Any]:
        """Return the ``usage`` object of a message."""
        return {
            "input_tokens": self.input,
            "cache_creation_input_tokens": self.write_5m + self.write_1h,
            "cache_read_input_tokens": self.read,
            "cache_creation": {
                "ephemeral_5m_input_tokens": self.write_5m,
                "ephemeral_1h_input_tokens": self.write_1h,
            },
            "output_tokens": self.output,
            "output_tokens_details": {"thinking_tokens": self.thinking},
            "server_tool_use": None,
            "service_tier": self.tier,
            "inference_geo": self.inference_geo,
            "speed": self.speed,
        }


def rates_of(model: Model, usage: Usage) -> Rates:
    """Return the rates that apply: fast, long prompt, or standard."""
    if usage.speed == "fast" and model.fast_rates is not None:
        return model.fast_rates
    if (
        model.long_prompt_tokens is not None
        and model.long_rates is not None
        and usage.prompt > model.long_prompt_tokens
    ):
        return model.long_rates
    return model.rates


def price(model: Model, usage: Usage) -> Decimal:
    """Return the exact cost of one answer in USD; in a batch all tokens cost half."""
    rates = rates_of(model, usage)
    per_million = (
        usage.input * rates.input
        + usage.output * rates.output
        + usage.write_5m * rates.write_5m
        + usage.write_1h * rates.write_1h
        + usage.read * rates.read
    )
    cost = per_million * PER_MILLION
    if usage.inference_geo == "us":
        cost *= US_ONLY
    return cost * BATCH_SHARE if usage.tier == BATCH else cost
