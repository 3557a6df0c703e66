"""batcher doctor: examines a checkpoint, and writes a repaired copy of a damaged one."""

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
from batcher.core.plural import counted
from batcher.runner.commands.doctor import Diagnosis, diagnose
from batcher.store.repair.rescue import OpenAttempts


@click.command("doctor", epilog="Example: batcher doctor job.toml --json")
@job_argument
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Where to write the repaired copy; default: beside the checkpoint's folder. Use it when "
    "that is read-only.",
)
@simulate_option
@set_option
@json_option
def command(
    job: Path, out: Path | None, overrides: tuple[str, ...], *, is_simulated: bool, as_json: bool
) -> int:
    """Examine a checkpoint: read all of it and list what is wrong.

    When it is damaged, everything that can be read is written to a repaired copy; the original is
    not changed. The exit code is 0 when nothing is wrong, else 1. Nothing is sent.
    """
    write_private_files()
    diagnosis = diagnose(load(job, overrides), is_simulated=is_simulated, out=out)
    steps = _next(diagnosis, out)
    if as_json:
        print_json({**_to_json(diagnosis), "next": steps})
    else:
        _print(diagnosis)
        for step in steps:
            say(f"next   {step}")
    return 0 if diagnosis.is_sound else 1


def _to_json(diagnosis: Diagnosis) -> dict[str, Any]:
    checkpoint = diagnosis.checkpoint
    open_attempts = checkpoint.open_attempts
    return {
        "state": str(diagnosis.workspace.state),
        "is_sound": diagnosis.is_sound,
        "findings": [asdict(finding) for finding in diagnosis.findings],
        "records": {
            "recorded": checkpoint.recorded,
            "read": checkpoint.read,
            "missing": checkpoint.missing,
            "answers_lost": checkpoint.answers_lost,
        },
        "tables": {name: asdict(state) for name, state in checkpoint.tables.items()},
        "open_attempts": open_attempts
        and {**asdict(open_attempts), "at_most_usd": exact_text(open_attempts.at_most_usd)},
        "repaired": diagnosis.repaired and str(diagnosis.repaired),
    }


def _print(diagnosis: Diagnosis) -> None:
    verdict = "sound" if diagnosis.is_sound else "something is wrong"
    print_line(f"{os.path.relpath(diagnosis.workspace.state)}: {verdict}")
    for finding in diagnosis.findings:
        print_line(f"  {'note ' if finding.is_harmless else 'wrong'}  {finding.message}")
    for name, state in diagnosis.checkpoint.tables.items():
        lost = f", {state.lost:,} lost" if state.lost else ""
        print_line(f"  table  {name}: {counted(state.read, 'row')} read{lost}")
    for loss in _losses(diagnosis):
        print_line(f"  lost   {loss}")
    if diagnosis.repaired is not None:
        repaired = os.path.relpath(diagnosis.repaired)
        print_line(f"  wrote  {repaired}: a copy with everything that can be read")


def _losses(diagnosis: Diagnosis) -> Iterator[str]:
    checkpoint = diagnosis.checkpoint
    if checkpoint.missing:
        yield f"{checkpoint.missing:,} of {counted(checkpoint.recorded, 'record')}"
    if checkpoint.answers_lost:
        answers = counted(checkpoint.answers_lost, "answer")
        yield f"{answers}; the cost is kept, and a run sends these requests again"
    if checkpoint.open_attempts is not None and checkpoint.open_attempts.attempts:
        yield _open_attempts(checkpoint.open_attempts)


def _open_attempts(attempts: OpenAttempts) -> str:
    number = counted(attempts.attempts, "outcome of an attempt", "outcomes of attempts")
    cost = f"up to {rounded_text(attempts.at_most_usd)} may have been billed"
    unbounded = f", and {attempts.unbounded:,} of them have no cost bound"
    more = unbounded if attempts.unbounded else ""
    return f"{number}; {cost} (billing status unknown){more}"


def _next(diagnosis: Diagnosis, out: Path | None) -> list[str]:
    """Return the commands to run next, in this order."""
    if diagnosis.repaired is not None and out is not None:
        resume = job_command("run", options=["--set", f"job.state={out.absolute()}"])
        if not diagnosis.workspace.is_simulated:
            return [resume]
        return [shlex.join(["mv", str(out), f"{out}.simulated"]), resume]
    run = job_command("run")
    state = os.path.relpath(diagnosis.workspace.state)
    move_away = shlex.join(["mv", state, f"{state}.damaged"])
    kinds = {finding.kind for finding in diagnosis.findings}
    if diagnosis.repaired is not None:
        put_back = shlex.join(["mv", os.path.relpath(diagnosis.repaired), state])
        return [f"{move_away} && {put_back}", run]
    if kinds & {"missing", "unreadable"}:
        return [
            f"restore a backup of {state}; without one, start again and pay again: {move_away}",
            run,
        ]
    return ["install a newer batcher"] if "newer" in kinds else [run]
