"""batcher batches: lists the Message Batches of a job; cancels or deletes them."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from batcher.cli.amounts import duration
from batcher.cli.command_line import job_command, this_command
from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import job_argument, json_option, load, set_option, simulate_option
from batcher.core.batches.actions import Action
from batcher.core.money.display import exact_text, rounded_text
from batcher.core.plural import counted
from batcher.exit_codes import ExitCode
from batcher.runner.commands.batches import ActedOn, act_on_batches, read_batches
from batcher.store.batches import StoredBatch

_WAITING = frozenset({"unconfirmed", "created", "canceling", "ended"})
_HEADINGS = ("batch", "id", "state", "age", "requests", "results", "cost")


@click.command("batches", epilog="Example: batcher batches job.toml --cancel 3")
@job_argument
@click.argument("names", nargs=-1, metavar="[BATCH]...")
@click.option(
    "--cancel",
    "cancels",
    is_flag=True,
    help="Cancel the batches, or all that have not ended. What has begun may still be billed; a "
    "run collects it and sends the rest again.",
)
@click.option(
    "--delete",
    "deletes",
    is_flag=True,
    help="Delete the batches with their results at the API, or all whose results are recorded.",
)
@simulate_option
@set_option
@json_option
def command(
    job: Path,
    names: tuple[str, ...],
    overrides: tuple[str, ...],
    *,
    cancels: bool,
    deletes: bool,
    is_simulated: bool,
    as_json: bool,
) -> int:
    """List the Message Batches of a job: state, age, requests and cost.

    BATCH is the number or the id of a batch; without one, all are meant. Nothing is sent without
    --cancel or --delete. It does not work during a run, which holds the checkpoint.
    """
    if cancels and deletes:
        raise click.UsageError("--cancel and --delete exclude each other: delete after the end")
    loaded = load(job, overrides)
    if cancels or deletes:
        action: Action = "cancel" if cancels else "delete"
        acted = act_on_batches(loaded, action, names, os.environ, is_simulated=is_simulated)
        _show_acted(acted, action, as_json=as_json)
        return max((one.exit_code for one in acted), default=ExitCode.OK, key=_severity)
    batches = read_batches(loaded, names, is_simulated=is_simulated)
    now = datetime.now(UTC)
    if as_json:
        print_json({"batches": [_to_json(batch, now) for batch in batches]})
        return 0
    _print_table(batches, now)
    say(f"next   {_next(batches)}")
    return 0


def _severity(code: ExitCode) -> int:
    return [ExitCode.OK, ExitCode.UNREACHABLE, ExitCode.REFUSED].index(code)


def _show_acted(acted: Sequence[ActedOn], action: Action, *, as_json: bool) -> None:
    if as_json:
        print_json({"batches": [_acted_json(one) for one in acted]})
        return
    if not acted:
        print_line(f"there is no batch to {action}")
    for one in acted:
        print_line(f"batch {one.batch.record.batch} ({one.batch.id}): {one.message}")
    if any(one.exit_code for one in acted):
        say(f"next   fix this, then run: {this_command()}")
    else:
        say(f"next   {job_command('run' if action == 'cancel' and acted else 'batches')}")


def _acted_json(acted: ActedOn) -> dict[str, Any]:
    return {
        "batch": acted.batch.record.batch,
        "id": acted.batch.id,
        "is_done": acted.exit_code == ExitCode.OK,
        "message": acted.message,
    }


def _to_json(batch: StoredBatch, now: datetime) -> dict[str, Any]:
    record = batch.record
    times = {
        "made_at": record.made_at,
        "created_at": batch.created_at,
        "cancel_at": batch.cancel_at,
        "ended_at": batch.ended_at,
        "fetched_at": batch.fetched_at,
    }
    return {
        "batch": record.batch,
        "id": batch.id,
        "state": batch.state,
        "run_id": record.run_id,
        "requests": record.requests,
        "results": batch.answered,
        "pending": batch.pending,
        "unknown": batch.unknown,
        "usd": exact_text(batch.usd),
        "worst_usd": None if batch.worst_usd is None else exact_text(batch.worst_usd),
        "body_bytes": record.body_bytes,
        "cache_ttl": record.cache_ttl,
        "age_s": round(_age_s(batch, now)),
        **{name: None if time is None else time.isoformat() for name, time in times.items()},
    }


def _print_table(batches: Sequence[StoredBatch], now: datetime) -> None:
    waiting = sum(batch.state in _WAITING for batch in batches)
    print_line(
        f"{counted(len(batches), 'batch', 'batches')}, {waiting:,} of them not collected yet"
    )
    if not batches:
        return
    rows = [_HEADINGS, *(_cells(batch, now) for batch in batches)]
    widths = [max(len(row[place]) for row in rows) for place in range(len(_HEADINGS))]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print_line("  ".join(padded).rstrip())


def _cells(batch: StoredBatch, now: datetime) -> tuple[str, ...]:
    return (
        str(batch.record.batch),
        batch.id or "-",
        batch.state,
        duration(_age_s(batch, now)),
        f"{batch.record.requests:,}",
        f"{batch.answered:,}",
        _cost(batch),
    )


def _cost(batch: StoredBatch) -> str:
    """Write what was billed, what may come, and how many attempts nobody knows the cost of."""
    parts = [rounded_text(batch.usd)] if batch.usd or not batch.pending else []
    if batch.pending:
        more = " more" if parts else ""
        worst = batch.worst_usd
        parts.append("no bound" if worst is None else f"at most {rounded_text(worst)}{more}")
    if batch.unknown:
        parts.append(f"{batch.unknown:,} with unknown billing status")
    return ", ".join(parts)


def _age_s(batch: StoredBatch, now: datetime) -> float:
    """Return the seconds since a batch was created, as far as that is known."""
    return max(0.0, (now - (batch.created_at or batch.record.made_at)).total_seconds())


def _next(batches: Sequence[StoredBatch]) -> str:
    if any(batch.state in _WAITING for batch in batches) or not batches:
        return job_command("run")
    if any(batch.state == "fetched" for batch in batches):
        return job_command("batches", options=["--delete"])
    return job_command("status")
