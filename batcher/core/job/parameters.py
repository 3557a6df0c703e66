"""The Messages parameters that a job file may pass through, and their conversion to JSON."""

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from batcher.core.job.mistake import Key, Mistake, dotted

_BETA = (
    "A beta parameter, sent unchanged. Name its beta in the header anthropic-beta (api.headers)."
)


PARAMETERS: Mapping[str, str] = {
    "cache_control": "Your own mark for the prompt cache; batcher then adds none.",
    "container": "The id of a code execution container to reuse.",
    "diagnostics": "Asks the API why a prompt was not read from the cache.",
    "inference_geo": "The region in which the model runs.",
    "metadata": "A table with an opaque user_id.",
    "output_config": "The effort of the answer, and the format of a structured one. [labels] sets "
    "the format itself.",
    "service_tier": "The service tier: auto or standard_only.",
    "speed": "The speed: standard or fast.",
    "stop_sequences": "Texts at which the answer ends.",
    "temperature": "The randomness of the answer, from 0 to 1; some models do not accept it.",
    "thinking": "Whether the model thinks before it answers, and how much.",
    "tool_choice": "Whether the model may or must use a tool, and which.",
    "tools": "The tools that the model may use.",
    "top_k": "Sample only from the k most likely tokens.",
    "top_p": "Sample only from the most likely tokens whose probabilities add up to this.",
    "billing_policy": _BETA,
    "compaction": _BETA,
    "context_management": _BETA,
    "fallback_credit_token": _BETA,
    "fallbacks": _BETA,
    "mcp_servers": _BETA,
    "thread": _BETA,
}
"""Parameter name to description."""


def as_json(value: Any, key: Key) -> tuple[Any, list[Mistake]]:
    """Return the JSON value for a TOML value, and the mistakes: values that JSON does not have."""
    if isinstance(value, dict):
        pairs = {name: as_json(item, (*key, name)) for name, item in value.items()}
        mistakes = [mistake for _, inner in pairs.values() for mistake in inner]
        return {name: item for name, (item, _) in pairs.items()}, mistakes
    if isinstance(value, list):
        items = [as_json(item, key) for item in value]
        return [item for item, _ in items], [mistake for _, inner in items for mistake in inner]
    if isinstance(value, Decimal):
        return _number(value, key)
    if isinstance(value, date | datetime | time):
        return None, [
            Mistake(key, f"{dotted(key)} is a date, which JSON does not have", "put it in quotes")
        ]
    return value, []


def _number(value: Decimal, key: Key) -> tuple[float | None, list[Mistake]]:
    if not value.is_finite():
        return None, [Mistake(key, f"{dotted(key)} must be a finite number")]
    number = float(value)
    if Decimal(repr(number)) != value:
        return None, [Mistake(key, f"{dotted(key)} has more digits than a JSON number can keep")]
    return number, []
