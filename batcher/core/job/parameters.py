"""The Messages parameters that a job file may pass through, and their values as JSON has them."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from batcher.core.job.mistake import Key, Mistake, dotted

_BETA = "A beta: its name has to be in the header anthropic-beta."

PARAMETERS: Mapping[str, str] = {
    "cache_control": "Automatic prompt caching.",
    "container": "The container that code execution uses again.",
    "diagnostics": "Asks why the prompt cache was missed.",
    "inference_geo": "Where the model runs.",
    "metadata": "An opaque user_id.",
    "output_config": "Effort, and the format of a structured answer.",
    "service_tier": "auto or standard_only.",
    "speed": "standard or fast.",
    "stop_sequences": "Texts at which the answer stops.",
    "temperature": "From 0 to 1, where the model takes it.",
    "thinking": "Whether and how much the model thinks first.",
    "tool_choice": "Which tool the model must or may use.",
    "tools": "The tools the model may use.",
    "top_k": "Sampling from the k likeliest tokens only.",
    "top_p": "Nucleus sampling.",
    "billing_policy": _BETA,
    "compaction": _BETA,
    "context_management": _BETA,
    "fallback_credit_token": _BETA,
    "fallbacks": _BETA,
    "mcp_servers": _BETA,
    "thread": _BETA,
}
"""By name, what each is for."""


def as_json(value: Any, key: Key) -> tuple[Any, list[Mistake]]:
    """Turn a TOML value into the JSON value that is sent, or say what JSON has no way to say."""
    if isinstance(value, dict):
        pairs = {name: as_json(item, (*key, name)) for name, item in value.items()}
        found = [mistake for _, mistakes in pairs.values() for mistake in mistakes]
        return {name: item for name, (item, _) in pairs.items()}, found
    if isinstance(value, list):
        items = [as_json(item, key) for item in value]
        return [item for item, _ in items], [one for _, found in items for one in found]
    if isinstance(value, Decimal):
        return _number(value, key)
    if isinstance(value, date | datetime | time):
        return None, [Mistake(key, f"{dotted(key)} is a date; JSON has none", "Put it in quotes.")]
    return value, []


def _number(value: Decimal, key: Key) -> tuple[float | None, list[Mistake]]:
    if not value.is_finite():
        return None, [Mistake(key, f"{dotted(key)} must be a finite number")]
    number = float(value)
    if Decimal(repr(number)) != value:
        return None, [Mistake(key, f"{dotted(key)} has more digits than a JSON number can keep")]
    return number, []
