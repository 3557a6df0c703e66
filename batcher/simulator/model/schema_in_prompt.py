"""A schema that is asked for in the system prompt, and JSON as a model writes it unasked-for."""

import json
from typing import Any

from batcher.simulator.model.seeded_random import Dice

_NAMED = "JSON Schema"


def schema_in_words(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that a system prompt shows after naming it; None when there is none."""
    system = body.get("system") or ""
    text = system if isinstance(system, str) else "\n".join(block["text"] for block in system)
    start = text.find("{", text.find(_NAMED)) if _NAMED in text else -1
    if start < 0:
        return None
    try:
        found, _ = json.JSONDecoder().raw_decode(text, start)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "properties" in found else None


def in_prose(text: str, dice: Dice) -> str:
    """JSON alone, in a code fence, or with a sentence before it."""
    return dice.pick((text, f"```json\n{text}\n```", f"Here is the answer:\n\n{text}\n\nDone."))
