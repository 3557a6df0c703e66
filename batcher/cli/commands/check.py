"""batcher check: finds every problem of a job that can be found without spending."""

import os
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

import click

from batcher.cli.command_line import job_command, this_command
from batcher.cli.messages import print_json, print_line, say, show_error, show_problem
from batcher.cli.options import job_argument, json_option, load, set_option, simulate_option
from batcher.cli.reading_line import reading
from batcher.core.delivery import RETENTION
from batcher.core.job.mistake import Key, dotted
from batcher.core.job.reading import given_keys
from batcher.core.labels.labels import Labels
from batcher.core.money.display import exact_text, rounded_text
from batcher.core.plural import counted
from batcher.errors import JobFileError, Problem
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.commands.check import CheckResult, check_job
from batcher.runner.job_context import JobContext
from batcher.runner.planning.preflight import about_text, bad_rows_stop, planning_line
from batcher.runner.routing import may_batch

_LONGEST_VALUE = 40
_REQUESTED_WITH = {
    "format": "structured output",
    "tool": "a strict tool",
    "text": "the system prompt",
}


@click.command("check", epilog="Example: batcher check job.toml -v")
@job_argument
@simulate_option
@set_option
@click.option("-v", "--verbose", is_flag=True, help="Show every key with its value and source.")
@json_option
def command(
    job: Path, overrides: tuple[str, ...], *, is_simulated: bool, verbose: bool, as_json: bool
) -> int:
    """Check a job without spending: job file, every row and request, prices, output, API key.

    All problems are shown at once. The exit code is 0 when a run would start and 2 when it would
    not. No file is written and nothing is sent.
    """
    try:
        loaded = load(job, overrides)
    except JobFileError as error:
        return _show_mistakes(error, as_json=as_json)
    with reading(is_quiet=as_json) as rows_read:
        checked = check_job(loaded, os.environ, is_simulated=is_simulated, rows_read=rows_read)
    if as_json:
        print_json(_to_json(checked, loaded))
        return 2 if checked.problems else 0
    if verbose:
        _print_sources(loaded)
    for line in _lines(checked):
        print_line(line)
    for warning in [*_bad_rows(checked), *checked.warnings]:
        say(f"warning  {warning}")
        if isinstance(warning, Problem) and warning.hint:
            say(f"hint     {warning.hint}")
    for problem in checked.problems:
        show_problem(str(problem), problem.hint)
    return _show_next(checked)


def _show_mistakes(error: JobFileError, *, as_json: bool) -> int:
    """Show the mistakes of a job file that cannot be read; return the exit code."""
    if as_json:
        problems = [_problem_json(problem) for problem in error.problems]
        print_json({"is_valid": False, "problems": problems, "warnings": []})
    else:
        show_error(error)
    return 2


def _show_next(checked: CheckResult) -> int:
    """Show the next command; return the exit code."""
    if checked.problems:
        number = len(checked.problems)
        say(f"found  {counted(number, 'problem')}; a run would not start")
        say(f"next   fix {'this' if number == 1 else 'these'}, then run: {this_command()}")
        return 2
    say(f"next   {job_command('run')}")
    return 0


def _lines(checked: CheckResult) -> Iterator[str]:
    """Yield the facts about the job, one a line."""
    plan, context = checked.plan, checked.context
    if plan is None or context is None:
        return
    yield planning_line(plan, context, checked.estimate).replace("plan  ", "plan     ")
    if checked.held_by is not None:
        yield f"state    {checked.held_by}; its answers are not counted here"
    requests = sum(plan.models.values())
    sizes = f"the largest has {plan.largest_body:,} bytes, the mean is {plan.mean_body:,}"
    if requests:
        yield f"requests {requests:,} rendered; {sizes}"
    for model, number in plan.models.most_common():
        prices = context.prices.model(model)
        rates = (
            f"${exact_text(prices.standard.input)} input, "
            f"${exact_text(prices.standard.output)} output per million tokens"
        )
        source = context.prices.as_of.isoformat()
        if prices.is_override:
            day = context.job.prices.as_of
            source = "the job file" + (f", {day.isoformat()}" if day else "")
        yield f"model    {model} for {counted(number, 'request')}: {rates} ({source})"
    if checked.estimate is not None:
        worst = plan.counts.worst_case_usd
        most = "no upper bound" if worst is None else f"at most {rounded_text(worst)}"
        yield f"cost     {about_text(checked.estimate.usd)}; {most}"
    yield from _delivery(context)
    yield from _labels(context)
    output = checked.workspace.output
    effect = "replaces the existing output" if output.exists() else "new"
    yield f"output   {os.path.relpath(output)} ({effect})"


def _delivery(context: JobContext) -> Iterator[str]:
    """Yield how the requests travel, and what batches mean for the data."""
    section = context.job.delivery
    if section.mode == "batch":
        yield f"delivery batch: {RETENTION}"
    elif section.mode == "auto":
        allowed = "" if may_batch(context) else "live for now, because batches are not allowed; "
        yield f"delivery auto by {section.deadline}: {allowed}{RETENTION}"


def _labels(context: JobContext) -> Iterator[str]:
    """Yield the label columns, and which rules the API, batcher or nobody checks."""
    labels = context.loaded.labels
    if labels is None:
        return
    columns = ", ".join(f"{name} {column.kind}" for name, column in labels.columns.items())
    yield f"labels   {columns}; requested with {_REQUESTED_WITH[labels.via]}"
    yield f"labels   enforced by the API: {labels.enforced_by_api()}"
    for rule in labels.checked_by_batcher():
        yield f"labels   checked by batcher, not by the API: {rule}"
    for remark in labels.adapted.remarks:
        yield f"labels   {remark}"


def _bad_rows(checked: CheckResult) -> Iterator[str]:
    """Yield the bad rows, unless a problem lists them."""
    plan, context = checked.plan, checked.context
    if plan is None or context is None or not plan.counts.bad or bad_rows_stop(plan, context):
        return
    verb = "is" if plan.counts.bad == 1 else "are"
    rows = counted(plan.counts.items, "row")
    yield f"{plan.counts.bad:,} of {rows} {verb} bad and will not be sent"
    yield from (f"  {line}" for line in plan.bad_lines)


def _print_sources(loaded: LoadedJob) -> None:
    """Print the value and the source of every key."""
    keys = list(given_keys(loaded.job))
    width = max(len(dotted(key)) for key in keys)
    for key in keys:
        value = f"{_value(loaded, key):<{_LONGEST_VALUE}}"
        print_line(f"{dotted(key):<{width}}  {value}  {loaded.sources[dotted(key)]}".rstrip())
    print_line("")


def _value(loaded: LoadedJob, key: Key) -> str:
    """Write a value in short; values of headers may be secret and are not shown."""
    value: Any = loaded.job
    for part in key:
        value = value[part] if isinstance(value, dict) else attrgetter(part)(value)
    if key[:2] == ("api", "headers"):
        value = ", ".join(value) if isinstance(value, dict) else "..."
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, tuple | dict):
        value = ", ".join(map(str, value))
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 3]}..."


def _to_json(checked: CheckResult, loaded: LoadedJob) -> dict[str, Any]:
    plan = checked.plan
    return {
        "is_valid": not checked.problems,
        "problems": [_problem_json(problem) for problem in checked.problems],
        "warnings": [_problem_json(warning) for warning in checked.warnings],
        "bad_rows": []
        if plan is None
        else [{**_problem_json(bad.first), "rows": bad.rows} for bad in plan.bad],
        "plan": None if plan is None else plan.counts.to_json(),
        "requests": None
        if plan is None
        else {"largest_bytes": plan.largest_body, "mean_bytes": plan.mean_body},
        "models": {} if plan is None else dict(plan.models),
        "labels": None if loaded.labels is None else _labels_json(loaded.labels),
        "prices_date": checked.context and checked.context.prices.as_of.isoformat(),
        "state": str(checked.workspace.state),
        "output": str(checked.workspace.output),
        "delivery": loaded.job.delivery.mode,
        "held_by": checked.held_by,
        "sources": dict(loaded.sources),
    }


def _labels_json(labels: Labels) -> dict[str, Any]:
    return {
        "columns": {name: column.kind for name, column in labels.columns.items()},
        "via": labels.via,
        "enforced_by_api": labels.enforced_by_api(),
        "checked_by_batcher": list(labels.checked_by_batcher()),
        "remarks": list(labels.adapted.remarks),
    }


def _problem_json(problem: Problem) -> dict[str, Any]:
    return {
        "message": problem.message,
        "file": problem.file,
        "line": problem.line,
        "hint": problem.hint,
    }
