"""A run's status in words: a few lines, or one."""

import os
from collections.abc import Iterator, Mapping

from batcher.cli.duration import duration
from batcher.core.money.display import rounded_text
from batcher.core.pace.kinds import limiter_text
from batcher.core.run_record.run_status import SendingPace, SendingRows
from batcher.core.run_record.run_summary import RunMoney, RunSummary
from batcher.runner.commands.status import ObservedRun

_DOING = {
    "planning": "reading its input",
    "waiting": "waiting for a yes",
    "sending": "sending",
    "writing": "writing its output",
}


def status_lines(observed: ObservedRun) -> Iterator[str]:
    """Yield all that a status says, a fact a line."""
    run, usd = observed.run, observed.status.usd
    name = run.job + (" (simulated)" if run.is_simulated else "")
    yield f"{name}: {_state(observed)}"
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


def status_line(observed: ObservedRun) -> str:
    """Say where a run is in one line, for a log; equal while nothing has changed."""
    usd = observed.status.usd
    parts = [_state(observed)]
    parts += [" ".join(line.split()) for line in _progress(observed)]
    if usd is not None:
        parts.append(f"{rounded_text(usd.spent)} spent")
    return "; ".join(parts)


def _spent(usd: RunMoney) -> str:
    """Say what was spent, what may have been, and what may be at most."""
    text = rounded_text(usd.spent)
    if usd.unknown:
        text += f"; up to {rounded_text(usd.unknown)} may have been billed unseen"
    if usd.estimate is not None:
        text += f"; about {rounded_text(usd.estimate.expected)} was estimated"
    if usd.cap is not None:
        text += f"; the budget is {rounded_text(usd.cap)}"
    return text


def _state(observed: ObservedRun) -> str:
    process, phase = observed.status.process, observed.status.moment.phase
    name = f"process {process.pid} on {process.host}"
    doing = "running" if phase is None else _DOING[phase]
    if observed.state == "ended":
        return f"ended with exit code {observed.run.exit_code}"
    if observed.state == "died":
        return f"died while {doing}; {name} left without a word"
    if observed.state == "silent":
        return f"silent while {doing}; {name} is there, but stopped, hangs or cannot write"
    return f"{doing}, {name}"


def _times(observed: ObservedRun) -> str:
    started, heartbeat = observed.run.started, observed.status.process.heartbeat
    begun = f"started {started:%Y-%m-%d %H:%M:%S} UTC"
    if observed.run.ended is not None:
        took = observed.run.ended - started
        return f"{begun}, took {duration(took.total_seconds())}"
    if observed.state == "running":
        return f"{begun}, {duration((heartbeat - started).total_seconds())} ago"
    return f"{begun}, last heard of {heartbeat:%Y-%m-%d %H:%M:%S}"


def _progress(observed: ObservedRun) -> Iterator[str]:
    """Yield what is known of the rows, and while it sends of the pace."""
    run, rows, moment = observed.run, observed.status.rows, observed.status.moment
    if isinstance(rows, SendingRows):
        yield f"rows     {rows.done:,} of {rows.to_send:,} asked, {rows.failed:,} failed"
    elif rows is not None:
        counted = _counted(rows.by_status)
        yield f"rows     {rows.total:,}" + (f": {counted}" if counted else "")
    if moment.rows_read is not None:
        of_all = f" of {run.plan.rows:,}" if run.plan else ""
        yield f"read     {moment.rows_read:,}{of_all} rows of the input"
    if observed.state == "running" and moment.phase == "sending" and moment.pace is not None:
        yield _pace(moment.pace)


def _pace(pace: SendingPace) -> str:
    eta = "no end in sight yet" if pace.eta_s is None else f"{duration(pace.eta_s)} left"
    return (
        f"pace     {pace.rate:,.1f}/s, {eta}, {limiter_text(pace.limiter)}, "
        f"{pace.in_flight:,} in flight"
    )


def _counted(by_status: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {status}" for status, n in sorted(by_status.items()))
