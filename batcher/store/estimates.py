"""What the cost of a plan is estimated from, in SQL; plan first."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from batcher.core.money.exact import product, total
from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries

_ESTIMATING = queries("estimating")

MOST_ANSWERS = 20_000
"""From so many answers on more make no difference."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Figures:
    """What is to be sent, and what was answered; columns as in estimating.sql.

    ``cached`` is what is read from the prompt cache and written into it, by price group.
    ``latency_s`` is the mean of all answers and ``slowest_s`` that of one in a hundred, None when
    there are none.
    """

    buckets: list[Row]
    answered: list[Row]
    cached: list[Row]
    latency_s: float | None
    slowest_s: float | None


def figures(checkpoint: Checkpoint, items: Sequence[int] | pa.Array, *, is_shared: bool) -> Figures:
    """Collect them for these items; ``is_shared`` says that some of them share a prefix.

    The prefixes that were found last count, so find those of the same items first.
    """
    ((latency_s, slowest_s),) = checkpoint.rows(_ESTIMATING["speed"])
    return Figures(
        buckets=_of(checkpoint, "buckets", items),
        answered=checkpoint.table(_ESTIMATING["answered_pairs"], most=MOST_ANSWERS).to_pylist(),
        cached=checkpoint.table(_ESTIMATING["cached_tokens"]).to_pylist() if is_shared else [],
        latency_s=latency_s,
        slowest_s=slowest_s,
    )


def predicted_of(checkpoint: Checkpoint, items: Sequence[int]) -> list[Row]:
    """What was estimated of some items."""
    return _of(checkpoint, "predicted_of", items)


def drawn(
    checkpoint: Checkpoint, items: Sequence[int] | pa.Array, number: int, classes: int
) -> list[int]:
    """Draw so many of the items, about as many from each of some classes of length.

    The draw is as good as by lot and always the same; a larger one holds a smaller one.
    """
    rows = _of(checkpoint, "drawn", items, number=number, classes=classes)
    return [row["item"] for row in rows]


def worst_of(
    checkpoint: Checkpoint, items: Sequence[int], attempts: int
) -> tuple[Decimal | None, Decimal | None]:
    """Bound what sending some items costs with so many attempts of each that may be billed.

    And the least bound of one attempt; None without bounds.
    """
    with checkpoint.named_table("items", pa.table({"item": items})):
        ((worst, repairs, least, is_unbounded),) = checkpoint.rows(_ESTIMATING["worst_of"])
    if is_unbounded or worst is None:
        return None, None
    return total([product(worst, attempts), repairs]), least


def _of(
    checkpoint: Checkpoint, query: str, items: Sequence[int] | pa.Array, **parameters: Any
) -> list[Row]:
    """Ask about some items."""
    with checkpoint.named_table("items", pa.table({"item": items})):
        rows: list[Row] = checkpoint.table(_ESTIMATING[query], **parameters).to_pylist()
    return rows
