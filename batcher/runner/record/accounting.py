"""Records the start of a run with its prices, and sums up what was billed."""

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
from batcher.store.records import RunStart
from batcher.store.results import RunSums, sum_up
from batcher.store.writer import CheckpointCall


@dataclass(frozen=True, slots=True)
class Account:
    """What was billed: the bill line by line, its waste, and its repairs."""

    bill: tuple[BillLine, ...]
    waste: Waste
    repairs: Repairs


@dataclass(frozen=True, slots=True)
class Accounting:
    """The sums and bills of a run, and of all runs of its checkpoint."""

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
    """Record that a run begins to send, with every price in force.

    Call it before the first request. ``sending`` is the job that makes and prices the requests.
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
        job=context.loaded.name,
    )
    db(begin_run, run, pinned)


def summarize(
    checkpoint: Checkpoint, run_id: str, allowance: int, *, has_results: bool
) -> Accounting:
    """Sum up a run and its checkpoint; ``allowance`` and ``has_results`` as for ``sum_up``."""
    tables = price_tables(checkpoint)
    return Accounting(
        sums=sum_up(checkpoint, run_id, allowance, has_results=has_results),
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
