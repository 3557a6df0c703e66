"""Requests to judge, and what is found in them."""

from datetime import date
from pathlib import Path
from typing import Any

import batcher
from batcher.core.money.prices import PriceTable
from batcher.core.request.refusals import refusals

TABLE = PriceTable.parse((Path(batcher.__file__).parent / "data" / "models.json").read_text())
TODAY = date(2026, 11, 22)
OLD, NEW = "2023-06-01", "2026-10-21"


def found(
    body: Any,
    model: Any = "claude-haiku-5-5",
    version: Any = OLD,
    severity: Any = "error",
    **options: Any,
) -> Any:
    """List the keys that are refused, or warned of, for a model of the table."""
    options.setdefault("today", TODAY)
    every = refusals(body, TABLE.facts(model), version, **options)
    return [refusal.key for refusal in every if refusal.severity == severity]


def plain(**more: Any) -> Any:
    """Make a complete request, as a job would send it."""
    messages = [{"role": "user", "content": "hello"}]
    return {"model": "m", "max_tokens": 2000, "messages": messages, **more}
