"""Data for the cost estimate of a plan, in SQL; make the plan first."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from batcher.core.money.exact import product, total
from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries

_ESTIMATES = queries("estimates")

MAX_ANSWERS = 20_000
"""The most answers to learn from; more do not change the estimate."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class EstimateData:
    """Requests to send and answered requests; the columns are those of estimates.sql.

    ``cached`` has the tokens read from and written to the prompt cache, by price group.
    ``latency_s`` is the mean latency of all answers and ``slowest_s`` their 99th percentile; both
    are None without answers.
    """

    buckets: list[Row]
    answered: list[Row]
    cached: list[Row]
    latency_s: float | None
    slowest_s: float | None


def estimate_data(
    checkpoint: Checkpoint, items: Sequence[int] | pa.Array, *, is_shared: bool
) -> EstimateData:
    """Collect the data for these items; ``is_shared``: some of them share a prefix.

    Call ``shared_prefixes`` with the same items before, because its result is used.
    """
    ((latency_s, slowest_s),) = checkpoint.rows(_ESTIMATES["speed"])
    return EstimateData(
        buckets=_rows_of(checkpoint, "buckets", items),
        answered=checkpoint.table(_ESTIMATES["answered_pairs"], limit=MAX_ANSWERS).to_pylist(),
        cached=checkpoint.table(_ESTIMATES["cached_tokens"]).to_pylist() if is_shared else [],
        latency_s=latency_s,
        slowest_s=slowest_s,
    )


def predicted_of(checkpoint: Checkpoint, items: Sequence[int]) -> list[Row]:
    """Return the estimated prompt tokens of some items."""
    return _rows_of(checkpoint, "predicted_of", items)


def draw_items(
    checkpoint: Checkpoint, items: Sequence[int] | pa.Array, number: int, classes: int
) -> list[int]:
    """Draw ``number`` of the items, about equally many from each class of length.

    The draw is effectively random and always the same; a larger draw includes a smaller one.
    """
    rows = _rows_of(checkpoint, "draw_items", items, number=number, classes=classes)
    return [row["item"] for row in rows]


def worst_cases_of(
    checkpoint: Checkpoint, items: Sequence[int], attempts: int
) -> tuple[Decimal | None, Decimal | None]:
    """Return the most that sending some items can cost, in USD, and the least worst case of one.

    ``attempts`` attempts of each item may be billed. Both are None when an item has no bound.
    """
    with checkpoint.named_table("items", pa.table({"item": items})):
        ((worst, repairs, least, is_unbounded),) = checkpoint.rows(_ESTIMATES["worst_cases_of"])
    if is_unbounded or worst is None:
        return None, None
    return total([product(worst, attempts), repairs]), least


def _rows_of(
    checkpoint: Checkpoint, query: str, items: Sequence[int] | pa.Array, **parameters: Any
) -> list[Row]:
    """Run a query over some items, which it reads from the table ``items``."""
    with checkpoint.named_table("items", pa.table({"item": items})):
        rows: list[Row] = checkpoint.table(_ESTIMATES[query], **parameters).to_pylist()
    return rows
