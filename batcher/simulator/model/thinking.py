"""Whether the model thinks, how long, and what of it is shown."""

from typing import Any

from batcher.simulator.billing.model_table import Model
from batcher.simulator.model.seeded_random import Dice
from batcher.simulator.model.text import sentences

TYPICAL_TOKENS = {"low": 20, "medium": 45, "high": 90, "xhigh": 180, "max": 360}


def is_thinking(body: dict[str, Any], model: Model) -> bool:
    """On unless switched off, on current models; off unless asked for, on older ones."""
    asked = body.get("thinking")
    if asked is None:
        return model.thinks_by_default
    return asked["type"] in ("adaptive", "enabled")


def thinking_tokens(body: dict[str, Any], model: Model, dice: Dice) -> int:
    """Tokens spent before the answer, from a third of what is typical for the effort to thrice."""
    effort = (body.get("output_config") or {}).get("effort") or model.default_effort or "high"
    tokens = max(1, round(TYPICAL_TOKENS[effort] * 3 ** (2 * dice.share() - 1)))
    budget = (body.get("thinking") or {}).get("budget_tokens")
    return tokens if budget is None else min(tokens, budget)


def thinking_block(body: dict[str, Any], model: Model, dice: Dice, key: str) -> dict[str, Any]:
    """Make the first block: empty but for its signature unless a summary is displayed."""
    # From 4.7 on, the models with the new tokenizer, nothing is displayed unless asked for.
    usual = "summarized" if model.tokenizer == "old" else "omitted"
    display = (body.get("thinking") or {}).get("display") or usual
    shown = sentences(dice, 2) if display == "summarized" else ""
    return {"type": "thinking", "thinking": shown, "signature": f"Eu4BCkYIBx{key}GAI="}
