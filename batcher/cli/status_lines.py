"""A run's status in words: a few lines, or one."""

import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from batcher.cli.duration import duration
from batcher.core.money.display import rounded_text
from batcher.core.pace.kinds import limiter_text

_DOING = {
    "planning": "reading its input",
    "waiting": "waiting for a yes",
    "sending": "sending",
    "writing": "writing its output",
}


def status_lines(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield all that a status says, a fact a line."""
    name = status["job"] + (" (simulated)" if status["is_simulated"] else "")
    yield f"{name}: {_state(status)}"
    yield f"  run      {status['run_id']} in {os.path.relpath(status['folder'])}"
    yield f"  time     {_times(status)}"
    if status.get("reason"):
        yield f"  reason   {status['reason']}"
    for line in _progress(status):
        yield f"  {line}"
    usd = status.get("usd")
    if usd is not None and "spent" in usd:
        yield f"  spent    {_spent(usd)}"
    if status.get("errors"):
        errors = ", ".join(f"{error['n']:,} {error['type']}" for error in status["errors"])
        yield f"  errors   {errors}"
    for file in status.get("output") or ():
        yield f"  output   {os.path.relpath(file['path'])}"


def status_line(status: Mapping[str, Any]) -> str:
    """Say where a run is in one line, for a log; equal while nothing has changed."""
    parts = [_state(status)]
    parts += [" ".join(line.split()) for line in _progress(status)]
    usd = status.get("usd")
    if usd is not None and "spent" in usd:
        parts.append(f"{rounded_text(Decimal(usd['spent']))} spent")
    return "; ".join(parts)


def _spent(usd: Mapping[str, Any]) -> str:
    """Say what was spent, what may have been, and what may be at most."""
    text, unseen = rounded_text(Decimal(usd["spent"])), Decimal(usd["unknown"])
    if unseen:
        text += f"; up to {rounded_text(unseen)} may have been billed unseen"
    if usd.get("estimate"):
        text += f"; about {rounded_text(Decimal(usd['estimate']['expected']))} was estimated"
    if usd.get("cap"):
        text += f"; the budget is {rounded_text(Decimal(usd['cap']))}"
    return text


def _state(status: Mapping[str, Any]) -> str:
    state, who = status["state"], f"process {status['pid']} on {status['host']}"
    doing = _DOING.get(status.get("phase", "sending"), "running")
    if state == "ended":
        return f"ended with exit code {status['exit_code']}"
    if state == "died":
        return f"died while {doing}; {who} left without a word"
    if state == "silent":
        return f"silent while {doing}; {who} is there, but stopped, hangs or cannot write"
    return f"{doing}, {who}"


def _times(status: Mapping[str, Any]) -> str:
    started = datetime.fromisoformat(status["started"])
    heard = datetime.fromisoformat(status["heartbeat"])
    begun = f"started {started:%Y-%m-%d %H:%M:%S} UTC"
    if status["ended"] is not None:
        took = datetime.fromisoformat(status["ended"]) - started
        return f"{begun}, took {duration(took.total_seconds())}"
    if status["state"] == "running":
        return f"{begun}, {duration((heard - started).total_seconds())} ago"
    return f"{begun}, last heard of {heard:%Y-%m-%d %H:%M:%S}"


def _progress(status: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is known of the rows, and while it sends of the pace."""
    rows = status.get("rows")
    if rows is not None and "done" not in rows:  # the run came to its end, and counted them all
        counted = _counted(rows["by_status"])
        yield f"rows     {rows['total']:,}" + (f": {counted}" if counted else "")
    elif rows is not None:
        yield f"rows     {rows['done']:,} of {rows['to_send']:,} asked, {rows['failed']:,} failed"
    if status.get("rows_read") is not None:
        of_all = f" of {status['plan']['rows']:,}" if status.get("plan") else ""
        yield f"read     {status['rows_read']:,}{of_all} rows of the input"
    if status["state"] == "running" and status.get("phase", "sending") == "sending" and rows:
        left = status.get("eta_s")
        eta = "no end in sight yet" if left is None else f"{duration(left)} left"
        yield (
            f"pace     {status['rate']:,.1f}/s, {eta}, {limiter_text(status['limiter'])}, "
            f"{status['in_flight']:,} in flight"
        )


def _counted(by_status: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {status}" for status, n in sorted(by_status.items()))
