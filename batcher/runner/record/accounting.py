"""Accounting of a run: records its start with the prices in use, and sums up what was billed."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from batcher import __version__
from batcher.core.money.pinned import PinnedPrices, digest_of
from batcher.core.money.statement import BillLine, statement
from batcher.runner.job_context import JobContext
from batcher.store.bill import (
    Repairs,
    Waste,
    begin_run,
    charges,
    price_tables,
    repairs,
    waste,
)
from batcher.store.checkpoint import Checkpoint
from batcher.store.lock import Holder
from batcher.store.plans import RunSums, sum_up
from batcher.store.records import RunStart
from batcher.store.writer import CheckpointCall


@dataclass(frozen=True, slots=True)
class Account:
    """What was billed, line by line, what of it was wasted, and what asked again."""

    bill: tuple[BillLine, ...]
    waste: Waste
    repairs: Repairs


@dataclass(frozen=True, slots=True)
class Accounting:
    """What a run came to, and the checkpoint that it leaves."""

    sums: RunSums
    run: Account
    checkpoint: Account


def record_start(
    context: JobContext,
    sending: JobContext,
    run_id: str,
    started: datetime,
    db: CheckpointCall,
) -> None:
    """Record that a run begins to send, and every price in force, before anything is paid for.

    ``sending`` is the job as its requests are made and priced.
    """
    holder = Holder.this_process(started)
    pinned = PinnedPrices.of(sending.prices, sending.job.prices.as_of).text
    run = RunStart(
        run_id=run_id,
        started_at=started,
        pid=holder.pid,
        host=holder.host,
        boot_id=holder.boot_id,
        version=__version__,
        origin=context.origin,
        job_digest=context.loaded.digest,
        prices_as_of=context.prices.as_of.isoformat(),
        prices_digest=digest_of(pinned),
    )
    db(begin_run, run, pinned)


def summarize(checkpoint: Checkpoint, run_id: str, *, has_results: bool) -> Accounting:
    """Add everything up; ``has_results`` as for ``sum_up``."""
    tables = price_tables(checkpoint)
    return Accounting(
        sums=sum_up(checkpoint, run_id, has_results=has_results),
        run=_account(checkpoint, tables, run_id),
        checkpoint=_account(checkpoint, tables, None),
    )


def _account(
    checkpoint: Checkpoint, tables: Mapping[str, PinnedPrices], run_id: str | None
) -> Account:
    return Account(
        statement(charges(checkpoint, run_id), tables),
        waste(checkpoint, run_id),
        repairs(checkpoint, run_id),
    )
