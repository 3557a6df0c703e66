"""Money: billed attempts, their prices, waste, and the sums for a budget, in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
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
    """Billed attempts of known cost without a good answer, and their exact cost in USD.

    ``failed``: the request has no good answer. ``repeated``: another attempt brought it.
    """

    failed: int
    failed_usd: Decimal
    repeated: int
    repeated_usd: Decimal


@dataclass(frozen=True, slots=True)
class Repairs:
    """Billed attempts that repaired an invalid answer, and their exact cost in USD."""

    attempts: int
    usd: Decimal


def begin_run(checkpoint: Checkpoint, started: RunStart, prices: str) -> None:
    """Record the start of a run, and the JSON text of its price table unless it is recorded."""
    recorded = dict(checkpoint.rows(_BILL["tables"]))
    new = [] if started.prices_digest in recorded else [UsedPrices(digest_of(prices), prices)]
    checkpoint.commit({"price_tables": new, "runs": [started]})


def price_tables(checkpoint: Checkpoint) -> dict[str, PinnedPrices]:
    """Return the price tables that runs used, by digest."""
    return {digest: PinnedPrices.read(text) for digest, text in checkpoint.rows(_BILL["tables"])}


def prices_of_run(checkpoint: Checkpoint, run_id: str) -> PinnedPrices | None:
    """Return the price table that a run used; None when it is not recorded."""
    rows = checkpoint.rows(_BILL["prices_of_run"], run_id=run_id)
    return PinnedPrices.read(rows[0][0]) if rows else None


def tables_of_runs(checkpoint: Checkpoint) -> dict[str, str]:
    """Return the digest of each run's price table; runs of schema 1 and 2 have none."""
    return dict(checkpoint.rows(_BILL["tables_of_runs"]))


def charges(checkpoint: Checkpoint, run_id: str | None = None) -> list[Charge]:
    """Return the bill of one run, or of all, in groups that were priced and delivered alike."""
    rows = checkpoint.table(_BILL["charges"], run_id=run_id).to_pylist()
    return [
        Charge(
            prices=row["prices"],
            response_model=row["response_model"],
            requested_model=row["requested_model"],
            rates=row["rates"],
            delivery=row["delivery"],
            usage=usage_of(row),
            usd=row["usd"],
        )
        for row in rows
    ]


def usage_of(row: Mapping[str, Any]) -> Usage:
    """Return the tokens of a row that has an outcome's token columns, or sums of them."""
    tokens: dict[str, Any] = {field: row[field] or 0 for field in BILLED_FIELDS}
    return Usage(**tokens)


def repairs(checkpoint: Checkpoint, run_id: str | None = None) -> Repairs:
    """Return the number and cost of repairs, in one run or in all."""
    return Repairs(**checkpoint.row(_BILL["repairs"], run_id=run_id))


def waste(checkpoint: Checkpoint, run_id: str | None = None) -> Waste:
    """Return the attempts of one run, or of all, that were billed without a good answer."""
    return Waste(**checkpoint.row(_BILL["waste"], run_id=run_id))


@dataclass(frozen=True, slots=True)
class SpentMoney:
    """The money that a budget has to count, in exact USD.

    ``spent`` was billed. ``unknown`` is the most that attempts of unknown cost can have cost: those
    whose billing status is unknown, and answers without a price; not the released ones.
    ``unbounded`` is the number of these attempts without a bound. ``reserved`` is the most that the
    ``pending`` attempts can cost, which wait in a batch; ``reserved_unbounded`` of them have no
    bound.
    """

    spent: Decimal
    unknown: Decimal
    unbounded: int
    reserved: Decimal = Decimal(0)
    reserved_unbounded: int = 0
    pending: int = 0


def spent_money(checkpoint: Checkpoint, since: datetime | None = None) -> SpentMoney:
    """Sum up all attempts, or those of runs that started since a time."""
    text = None if since is None else since.isoformat()
    return SpentMoney(**checkpoint.row(_BILL["spent_money"], since=text))


@dataclass(frozen=True, slots=True)
class Released:
    """Attempts of unknown billing status, answers of unknown cost, and the USD that they held."""

    attempts: int
    answers: int
    usd: Decimal


def release_unknown(checkpoint: Checkpoint, now: datetime) -> Released:
    """Release the money that is held for attempts of unknown cost.

    Call it only while holding the lock, because attempts in flight have no outcome either.
    """
    (row,) = checkpoint.rows(_BILL["held"])
    released = Released(*row)
    if released.attempts or released.answers:
        checkpoint.add(_BILL["release"], now=now.isoformat())
    return released
