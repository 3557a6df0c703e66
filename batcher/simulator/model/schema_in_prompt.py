"""A schema that the system prompt asks for in its text, and JSON as a model then writes it."""

import json
from typing import Any

from batcher.simulator.model.seeded_random import SeededRandom

_ANNOUNCEMENT = "JSON Schema"


def schema_in_system_prompt(body: dict[str, Any]) -> dict[str, Any] | None:
    """Return the first JSON object after the words "JSON Schema"; None when there is no schema."""
    system = body.get("system") or ""
    text = system if isinstance(system, str) else "\n".join(block["text"] for block in system)
    start = text.find("{", text.find(_ANNOUNCEMENT)) if _ANNOUNCEMENT in text else -1
    if start < 0:
        return None
    try:
        schema, _ = json.JSONDecoder().raw_decode(text, start)
    except ValueError:
        return None
    return schema if isinstance(schema, dict) and "properties" in schema else None


def with_text_around(json_text: str, rng: SeededRandom) -> str:
    """Return the JSON alone, in a code fence, or between two sentences."""
    return rng.pick(
        (
            json_text,
            f"```json\n{json_text}\n```",
            f"Here is the answer:\n\n{json_text}\n\nDone.",
        )
    )
