"""What was billed, with which prices, and what of it was wasted, in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from batcher.core.money.pinned import PinnedPrices, digest_of
from batcher.core.money.statement import Charge
from batcher.core.money.usage import Usage
from batcher.core.usage_fields import BILLED_FIELDS
from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries
from batcher.store.records import RunStart, UsedPrices

_BILL = queries("bill")


@dataclass(frozen=True, slots=True)
class Waste:
    """Billed attempts of known cost that brought no answer, and their exact USD.

    ``failed`` are those of requests that have no good answer, ``repeated`` those of requests that
    got theirs by another attempt.
    """

    failed: int
    failed_usd: Decimal
    repeated: int
    repeated_usd: Decimal


@dataclass(frozen=True, slots=True)
class Repairs:
    """Billed attempts that asked again with a complaint, and their exact USD."""

    attempts: int
    usd: Decimal


def begin_run(checkpoint: Checkpoint, started: RunStart, prices: str) -> None:
    """Record that a run begins, with the text of the price table whose digest it names."""
    known = dict(checkpoint.rows(_BILL["tables"]))
    new = [] if started.prices_digest in known else [UsedPrices(digest_of(prices), prices)]
    checkpoint.commit({"price_tables": new, "runs": [started]})


def price_tables(checkpoint: Checkpoint) -> dict[str, PinnedPrices]:
    """The price tables that runs used, by digest."""
    return {digest: PinnedPrices.read(text) for digest, text in checkpoint.rows(_BILL["tables"])}


def tables_of_runs(checkpoint: Checkpoint) -> dict[str, str]:
    """The digest of the table that each run used; none for a run of an older batcher."""
    return dict(checkpoint.rows(_BILL["tables_of_runs"]))


def charges(checkpoint: Checkpoint, run_id: str | None = None) -> list[Charge]:
    """What was billed in one run, or in all, in groups that were priced alike."""
    rows = checkpoint.table(_BILL["charges"], run_id=run_id).to_pylist()
    return [
        Charge(
            prices=row["prices"],
            response_model=row["response_model"],
            requested_model=row["requested_model"],
            rates=row["rates"],
            usage=usage_of(row),
            usd=row["usd"],
        )
        for row in rows
    ]


def usage_of(row: Mapping[str, Any]) -> Usage:
    """The tokens of a row with an outcome's columns, or with sums of them."""
    tokens: dict[str, Any] = {field: row[field] or 0 for field in BILLED_FIELDS}
    return Usage(**tokens)


def repairs(checkpoint: Checkpoint, run_id: str | None = None) -> Repairs:
    """What asking again with complaints came to, in one run or in all."""
    return Repairs(**checkpoint.row(_BILL["repairs"], run_id=run_id))


def waste(checkpoint: Checkpoint, run_id: str | None = None) -> Waste:
    """What one run, or all, paid for without an answer; as things stand now."""
    return Waste(**checkpoint.row(_BILL["waste"], run_id=run_id))
