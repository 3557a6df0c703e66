"""Requests to check, and the keys that are refused."""

from datetime import date
from pathlib import Path
from typing import Any

import batcher
from batcher.core.money.prices import PriceTable
from batcher.core.request.refusals import refusals

TABLE = PriceTable.parse((Path(batcher.__file__).parent / "data" / "models.json").read_text())
TODAY = date(2026, 11, 22)
OLD, NEW = "2023-06-01", "2026-10-21"


def refused_keys(
    body: Any,
    model: Any = "claude-haiku-5-5",
    version: Any = OLD,
    severity: Any = "error",
    **options: Any,
) -> Any:
    """Return the keys with an error, or a warning, for a model of the table."""
    options.setdefault("today", TODAY)
    results = refusals(body, TABLE.facts(model), version, **options)
    return [refusal.key for refusal in results if refusal.severity == severity]


def request_body(**more: Any) -> Any:
    """Return a complete request as a job sends it."""
    messages = [{"role": "user", "content": "hello"}]
    return {"model": "m", "max_tokens": 2000, "messages": messages, **more}
