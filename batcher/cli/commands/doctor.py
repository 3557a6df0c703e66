"""batcher doctor: what is wrong with a checkpoint, and a repaired copy of it."""

import os
import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from batcher.cli.command_line import job_command
from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import job_argument, json_option, load, set_option, simulate_option
from batcher.cli.private_files import write_private_files
from batcher.core.money.display import exact_text, rounded_text
from batcher.runner.commands.doctor import Diagnosis, diagnose
from batcher.store.repair.rescue import OpenAttempts


@click.command(
    "doctor",
    epilog="Example: batcher doctor job.toml --json",
)
@job_argument
@simulate_option
@set_option
@json_option
def command(job: Path, overrides: tuple[str, ...], *, is_simulated: bool, as_json: bool) -> int:
    """Read all of a checkpoint and say what is wrong with it.

    What can be read of a damaged one goes into a repaired copy beside it; the original is left as
    it is. The exit code is 0 when it is sound and 1 when something is wrong. Nothing is sent.
    """
    write_private_files()
    found = diagnose(load(job, overrides), is_simulated=is_simulated)
    again = job_command("run")
    if as_json:
        print_json(_for_programs(found, again))
    else:
        _tell(found)
        for step in _next(found, again):
            say(f"next   {step}")
    return 0 if found.is_sound else 1


def _for_programs(found: Diagnosis, again: str) -> dict[str, Any]:
    checkpoint = found.checkpoint
    open_attempts = checkpoint.open_attempts
    return {
        "state": str(found.workspace.state),
        "is_sound": found.is_sound,
        "findings": [asdict(finding) for finding in found.findings],
        "records": {
            "recorded": checkpoint.recorded,
            "read": checkpoint.read,
            "missing": checkpoint.missing,
            "answers_lost": checkpoint.answers_lost,
        },
        "tables": {name: asdict(state) for name, state in checkpoint.tables.items()},
        "open_attempts": open_attempts
        and {**asdict(open_attempts), "at_most_usd": exact_text(open_attempts.at_most_usd)},
        "repaired": found.repaired and str(found.repaired),
        "next": _next(found, again),
    }


def _tell(found: Diagnosis) -> None:
    checkpoint = found.checkpoint
    verdict = "sound" if found.is_sound else "something is wrong"
    print_line(f"{os.path.relpath(found.workspace.state)}: {verdict}")
    for finding in found.findings:
        print_line(f"  {'note ' if finding.is_harmless else 'wrong'}  {finding.message}")
    for name, state in checkpoint.tables.items():
        lost = f", {state.lost:,} lost" if state.lost else ""
        print_line(f"  table  {name}: {state.read:,} rows read{lost}")
    for line in _losses(found):
        print_line(f"  lost   {line}")
    if found.repaired is not None:
        print_line(f"  wrote  {os.path.relpath(found.repaired)}: all that can be read")


def _losses(found: Diagnosis) -> Iterator[str]:
    checkpoint = found.checkpoint
    if checkpoint.missing:
        yield f"{checkpoint.missing:,} of {checkpoint.recorded:,} records"
    if checkpoint.answers_lost:
        yield f"{checkpoint.answers_lost:,} answers whose cost is kept; they are asked again"
    if checkpoint.open_attempts is not None and checkpoint.open_attempts.attempts:
        yield _open_attempts(checkpoint.open_attempts)


def _open_attempts(found: OpenAttempts) -> str:
    cost = f"up to {rounded_text(found.at_most_usd)}"
    more = f", and {found.unbounded:,} of them any sum" if found.unbounded else ""
    return f"{found.attempts:,} attempts have no outcome and may have cost {cost}{more}"


def _next(found: Diagnosis, again: str) -> list[str]:
    """The commands to type."""
    state = os.path.relpath(found.workspace.state)
    away = shlex.join(["mv", state, f"{state}.damaged"])
    kinds = {finding.kind for finding in found.findings}
    if found.repaired is not None:
        back = shlex.join(["mv", os.path.relpath(found.repaired), state])
        return [f"{away} && {back}", again]
    if kinds & {"missing", "unreadable"}:
        return [
            f"put back a copy of {state}; without one, to begin anew and pay again: {away}",
            again,
        ]
    return ["use a newer batcher"] if "newer" in kinds else [again]
