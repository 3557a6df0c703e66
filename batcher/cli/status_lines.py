"""Writes the status of a run as text: several lines, or one."""

import os
from collections.abc import Iterator
from typing import Any

from batcher.cli.amounts import batches_text, counts_text, duration, time_left
from batcher.core.money.display import rounded_text
from batcher.core.pace.kinds import limiter_text
from batcher.core.run_record.job_progress import JobProgress
from batcher.core.run_record.run_status import SendingPace, SendingRows
from batcher.core.run_record.run_summary import RunFacts, RunMoney, RunSummary
from batcher.runner.commands.status import ObservedRun

_DOING = {
    "planning": "reading its input",
    "waiting": "waiting for confirmation",
    "sending": "sending",
    "writing": "writing its output",
}


def status_lines(observed: ObservedRun) -> Iterator[str]:
    """Yield the status as lines, one fact a line: of the job first, then of its last run."""
    run, usd = observed.run, observed.status.usd
    yield job_line(observed)
    yield f"  state    {_state(observed)}"
    yield f"  run      {run.run_id} in {os.path.relpath(observed.folder)}"
    yield f"  time     {_times(observed)}"
    if run.reason:
        yield f"  reason   {run.reason}"
    for line in _progress(observed):
        yield f"  {line}"
    if usd is not None:
        yield f"  spent    {_spent(usd)}"
    if not isinstance(run, RunSummary):
        return
    if run.errors:
        errors = ", ".join(f"{error.rows:,} {error.type}" for error in run.errors)
        yield f"  errors   {errors}"
    for file in run.output:
        yield f"  output   {os.path.relpath(file.path)}"


def job_line(observed: ObservedRun) -> str:
    """Write how far a job is, as one line."""
    return f"{_name(observed.run)}: {_job(observed.progress)}"


def job_cells(observed: ObservedRun) -> dict[str, Any]:
    """Return what a table of jobs says about one, the most important first."""
    run, progress = observed.run, observed.progress
    cells: dict[str, Any] = {"job": _name(run)}
    for name in ("answered", "total", "failed"):
        cells[name] = None if progress is None else getattr(progress, name)
    for name in ("spent", "cap"):
        usd = None if progress is None else getattr(progress, name)
        cells["budget" if name == "cap" else name] = "" if usd is None else rounded_text(usd)
    is_exit = observed.state == "ended"
    phase = observed.status.moment.phase if observed.state == "running" else None
    cells["state"] = f"exit {run.exit_code}" if is_exit else phase or observed.state
    cells["since"] = f"{run.ended or run.started:%Y-%m-%d %H:%M}"
    return {**cells, "folder": os.path.relpath(observed.folder)}


def _name(run: RunFacts) -> str:
    return run.job + (" (simulated)" if run.is_simulated else "")


def _job(progress: JobProgress | None) -> str:
    """Write how far a job is: its rows, then its money."""
    if progress is None:
        return "no rows counted yet"
    parts = [f"{progress.answered:,} of {progress.total:,} answered"]
    if progress.scope:
        parts[0] += f" (with {', '.join(progress.scope)})"
    if progress.spent is not None:
        money = rounded_text(progress.spent)
        if progress.cap is not None:
            money += f" of {rounded_text(progress.cap)}"
        parts.append(money + (" spent that day" if progress.per == "day" else " spent"))
    if progress.skipped:
        parts.append(f"{progress.skipped:,} skipped")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.pending:
        parts.append(f"{progress.pending:,} in batches")
    return ", ".join(parts)


def status_line(observed: ObservedRun) -> str:
    """Write the progress of a run as one line for a log; it is equal while nothing changes."""
    usd = observed.status.usd
    parts = [_state(observed)]
    parts += [" ".join(line.split()) for line in _progress(observed)]
    if usd is not None:
        parts.append(f"{rounded_text(usd.spent)} spent")
    return "; ".join(parts)


def _spent(usd: RunMoney) -> str:
    """Write the money spent, the money with unknown billing status, the estimate and the budget."""
    text = rounded_text(usd.spent)
    if usd.unknown:
        text += f"; up to {rounded_text(usd.unknown)} of unknown cost"
    if usd.reserved:
        text += f"; {rounded_text(usd.reserved)} reserved for attempts in flight"
    if usd.estimate is not None:
        text += f"; estimate {rounded_text(usd.estimate.expected)}"
    if usd.cap is not None:
        text += f"; budget {rounded_text(usd.cap)}"
    return text


def _state(observed: ObservedRun) -> str:
    process, phase = observed.status.process, observed.status.moment.phase
    name = f"process {process.pid} on {process.host}"
    doing = "running" if phase is None else _DOING[phase]
    if observed.state == "ended":
        return f"ended with exit code {observed.run.exit_code}"
    if observed.state == "died":
        return f"died while {doing}; {name} exited unexpectedly (killed?)"
    if observed.state == "silent":
        return f"silent while {doing}; {name} exists, but is stopped, hangs or cannot write"
    return f"{doing}, {name}"


def _times(observed: ObservedRun) -> str:
    started, heartbeat = observed.run.started, observed.status.process.heartbeat
    begun = f"started {started:%Y-%m-%d %H:%M:%S} UTC"
    if observed.run.ended is not None:
        took = observed.run.ended - started
        return f"{begun}, took {duration(took.total_seconds())}"
    if observed.state == "running":
        return f"{begun}, {duration((heartbeat - started).total_seconds())} ago"
    return f"{begun}, last update {heartbeat:%Y-%m-%d %H:%M:%S}"


def _progress(observed: ObservedRun) -> Iterator[str]:
    """Yield the progress of the rows and, while the run sends, its pace."""
    run, rows, moment = observed.run, observed.status.rows, observed.status.moment
    if isinstance(rows, SendingRows):
        yield f"rows     {rows.done:,} of {rows.to_send:,} done, {rows.failed:,} failed"
    elif rows is not None:
        counts = counts_text(rows.by_status)
        yield f"rows     {rows.total:,}" + (f": {counts}" if counts else "")
    if moment.rows_read is not None:
        total = f" of {run.plan.rows:,}" if run.plan else ""
        yield f"read     {moment.rows_read:,}{total} input rows"
    if observed.state == "running" and moment.phase == "sending" and moment.pace is not None:
        yield _pace(moment.pace)
        if moment.pace.batches:
            yield _batches(moment.pace)


def _pace(pace: SendingPace) -> str:
    pause = f", paused for {duration(pace.wait_s)}" if pace.wait_s else ""
    if pause and pace.wait_type:
        pause += f" by the server ({pace.wait_type})"
    return (
        f"pace     {pace.rate:,.1f}/s, {time_left(pace.eta_s)}, {limiter_text(pace.limiter)}"
        f"{pause}, {pace.in_flight:,} in flight"
    )


def _batches(pace: SendingPace) -> str:
    text = batches_text(pace.batches, pace.in_batches, pace.next_batch_s)
    return f"batches  {text}, the oldest {duration(pace.oldest_batch_s or 0)} old"
