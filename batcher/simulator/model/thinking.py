"""Decides whether the model thinks, for how many tokens, and which thinking block it shows."""

from typing import Any

from batcher.simulator.billing.model_table import Model
from batcher.simulator.model.seeded_random import SeededRandom
from batcher.simulator.model.text import sentences

TYPICAL_TOKENS = {"low": 20, "medium": 45, "high": 90, "xhigh": 180, "max": 360}


def is_thinking(body: dict[str, Any], model: Model) -> bool:
    """Whether the request makes the model think: by its ``thinking`` key, else by the model."""
    thinking = body.get("thinking")
    if thinking is None:
        return model.thinks_by_default
    return thinking["type"] in ("adaptive", "enabled")


def thinking_tokens(body: dict[str, Any], model: Model, rng: SeededRandom) -> int:
    """Return the thinking tokens: a third to three times what is typical for the effort."""
    effort = (body.get("output_config") or {}).get("effort") or model.default_effort or "high"
    tokens = max(1, round(TYPICAL_TOKENS[effort] * 3 ** (2 * rng.fraction() - 1)))
    budget = (body.get("thinking") or {}).get("budget_tokens")
    return tokens if budget is None else min(tokens, budget)


def thinking_block(
    body: dict[str, Any], model: Model, rng: SeededRandom, key: str
) -> dict[str, Any]:
    """Return the thinking block; its text is empty unless a summary is displayed."""
    # Models since 4.7 (those with the new tokenizer) omit the text unless the request asks for it.
    default = "summarized" if model.tokenizer == "old" else "omitted"
    display = (body.get("thinking") or {}).get("display") or default
    text = sentences(rng, 2) if display == "summarized" else ""
    return {"type": "thinking", "thinking": text, "signature": f"Eu4BCkYIBx{key}GAI="}
