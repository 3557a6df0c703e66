"""batcher estimate: what a run will cost, use and take, before it is started."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

import click

from batcher.cli.amounts import duration
from batcher.cli.command_line import job_command, resume_command
from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import job_argument, json_option, load, set_option
from batcher.cli.private_files import write_private_files
from batcher.cli.run_options import max_cost_option, simulate_option, with_budget, yes_option
from batcher.cli.terminal import TerminalUi
from batcher.core.estimate.estimate import Choice, Estimate, Timing
from batcher.core.estimate.spread import Spread
from batcher.core.json_form import to_json
from batcher.core.money.display import exact_text, rounded_text
from batcher.core.pace.kinds import limiter_text
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.atomic import write_text
from batcher.runner.commands.estimate import Estimated, estimate_job
from batcher.runner.options import RunOptions
from batcher.runner.pipeline.run import run_job
from batcher.runner.planning.saved_plan import plan_to_save
from batcher.runner.signals import ProcessSignals

_LEAST_PILOT = 10
_BAD_SHOWN = 3
_CENT = Decimal("0.01")


@click.command(
    "estimate",
    epilog="Example: batcher estimate job.toml --pilot 100 --out plan.json",
)
@job_argument
@click.option(
    "--pilot",
    type=click.IntRange(min=_LEAST_PILOT),
    metavar="N",
    help="First send N rows of all lengths for real; their answers count when the job runs.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a plan that batcher run --plan holds to, with the budget or the high end as cap.",
)
@max_cost_option
@click.option("--offline", "is_offline", is_flag=True, help="Do not have the API count prompts.")
@yes_option
@simulate_option
@set_option
@json_option
def command(
    job: Path,
    overrides: tuple[str, ...],
    pilot: int | None,
    out: Path | None,
    max_cost: str | None,
    *,
    is_offline: bool,
    says_yes: bool,
    is_simulated: bool,
    as_json: bool,
) -> int:
    """Estimate tokens, cost and time of a run: expected, a 90 % interval, and the worst case.

    It learns from the answers that the job has, most of all from those of a pilot. Without any, the
    API counts the prompts of 100 rows, at no cost, when there is a key.
    """
    loaded = load(job, with_budget(overrides, max_cost))
    if pilot is not None:
        options = RunOptions(is_simulated, says_yes, pilot=pilot, command=resume_command())
        code = _send_pilot(loaded, options)
        if code:
            return code
    found = estimate_job(
        loaded, os.environ, is_simulated=is_simulated, is_offline=is_offline or pilot is not None
    )
    cap = _cap(found)
    if out is not None:
        plan = plan_to_save(found.context, found.plan, datetime.now(UTC), cap, found.estimate.usd)
        _write(out, plan.to_json())
    if as_json:
        print_json(_for_programs(found))
        return 0
    for line in _lines(found):
        print_line(line)
    for warning in _warnings(found):
        say(f"warning  {warning}")
    if out is not None:
        limit = "without a cap" if cap is None else f"with a cap of {rounded_text(cap)} in all"
        say(f"wrote    {os.path.relpath(out)}, {limit}")
    say(f"next     {_run_command(out, max_cost)}")
    return 0


def _run_command(plan_file: Path | None, max_cost: str | None) -> str:
    """Return the command that runs what was estimated; the cap of a plan is --max-cost already."""
    if plan_file is not None:
        return job_command("run", options=["--plan", plan_file])
    return job_command("run", options=[] if max_cost is None else ["--max-cost", max_cost])


def _send_pilot(loaded: LoadedJob, options: RunOptions) -> int:
    """Send the pilot as a run of its own; return its exit code."""
    write_private_files()
    result = run_job(loaded, options, TerminalUi(), os.environ, ProcessSignals())
    if result.halt is not None:
        say(f"stop   {result.halt.message}")
        if result.halt.hint:
            say(f"hint   {result.halt.hint}")
    if result.exit_code:
        say(f"next   {options.command}")
    return result.exit_code


def _cap(found: Estimated) -> Decimal | None:
    """What a saved plan caps the job at: its budget, else what it spent and the interval's end."""
    if found.budget is not None:
        return found.budget.cap
    high = (found.spent_usd + found.estimate.usd.high).quantize(_CENT, ROUND_UP)
    return max(high, _CENT)


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise ConfigurationError(
            f"{path} cannot be written: {why}", hint="name another file in --out"
        ) from None


def _lines(found: Estimated) -> Iterator[str]:
    """Yield what is estimated, a fact a line."""
    counts, estimate = found.plan.counts, found.estimate
    counted = f"{counts.already_answered:,} already answered, {counts.to_send:,} to send"
    yield f"rows     {counts.rows:,}: {counted}{_bad(found)}"
    if found.held_by is not None:
        yield f"state    {found.held_by}; its answers are not counted here"
    if found.spent_usd:
        yield f"spent    {rounded_text(found.spent_usd)} so far"
    if not estimate.requests:
        yield "cost     nothing: every request has its answer"
        return
    yield f"basis    {_basis(estimate)}"
    prompt = estimate.max_prompt_tokens
    most = "" if prompt is None else f", at most {_short(prompt)}"
    yield f"prompt   {_tokens(estimate.prompt_tokens)} tokens{most}{_read(estimate)}"
    most = f", at most {_short(estimate.max_output_tokens)}"
    yield f"output   {_tokens(estimate.output_tokens)} tokens{most}"
    if estimate.duration is not None:
        yield f"time     {_time(estimate.duration)}"
    yield ""
    yield f"{'':26}{'expected':>11}   {'90 % interval':^23}{'worst case':>12}"
    for choice in estimate.choices:
        yield _row(choice, len(estimate.choices) > 2)
    yield ""
    yield f"choice   {found.advice.choice}"


def _warnings(found: Estimated) -> Iterator[str]:
    """Yield warnings: rows that are not sent or will be refused, money, the model."""
    bad, shown = found.plan.counts.bad, found.plan.bad[:_BAD_SHOWN]
    if bad:
        more = "" if bad == len(shown) else f"; and {bad - len(shown):,} more"
        listed = "; ".join(map(str, shown))
        yield f"{bad:,} rows are bad and will not be asked: {listed}{more}"
    yield from found.advice.warnings
    yield from found.notes
    yield from map(str, found.plan.warnings)


def _bad(found: Estimated) -> str:
    bad = found.plan.counts.bad
    return f", {bad:,} bad and not asked" if bad else ""


def _row(choice: Choice, tells_cache: bool) -> str:
    usd = choice.usd
    name = str(choice.delivery)
    if tells_cache:
        name += ", prompt cache" if choice.is_cached else ", no cache"
    worst = "no bound" if usd.worst is None else rounded_text(usd.worst)
    ends = f"{rounded_text(usd.low):>10} to {rounded_text(usd.high):<9}"
    return f"{name:26}{rounded_text(usd.expected):>11}   {ends:^23}{worst:>12}"


def _basis(estimate: Estimate) -> str:
    match estimate.basis:
        case "answers":
            return f"{estimate.answers:,} answers to requests of this job"
        case "counts":
            return (
                f"{estimate.counted:,} prompts counted by the API; no answers yet (--pilot 100 "
                "sends a few and narrows this)"
            )
        case _:
            return (
                "the prompts' text alone; no answers yet (--pilot 100 sends a few and narrows this)"
            )


def _read(estimate: Estimate) -> str:
    if not estimate.read_tokens:
        return ""
    return f"; {_short(estimate.read_tokens)} of them from the prompt cache"


def _time(timing: Timing) -> str:
    text = duration(timing.seconds.expected)
    if not timing.knows_limits:
        return (
            f"at least {text}, {limiter_text(timing.limiter)}; the API's own limits are not known "
            "before a run or a pilot has met them"
        )
    ends = f"{duration(timing.seconds.low)} to {duration(timing.seconds.high)}"
    return f"{text} ({ends}), {limiter_text(timing.limiter)}; at most {duration(timing.worst_s)}"


def _tokens(spread: Spread) -> str:
    return f"{_short(spread.expected)} ({_short(spread.low)} to {_short(spread.high)})"


def _short(tokens: float) -> str:
    """Write a number of tokens in three digits."""
    for size, name in ((1e9, " billion"), (1e6, " million")):
        if tokens >= size:
            return f"{tokens / size:.3g}{name}"
    return f"{tokens:,.0f}"


def _for_programs(found: Estimated) -> dict[str, Any]:
    estimate = found.estimate
    timing = estimate.duration
    return {
        "plan": found.plan.counts.to_json(),
        "basis": estimate.basis,
        "answers": estimate.answers,
        "counted": estimate.counted,
        "spent_usd": exact_text(found.spent_usd),
        "tokens": {
            "prompt": {
                **_spread_json(estimate.prompt_tokens),
                "worst": estimate.max_prompt_tokens,
            },
            "output": {
                **_spread_json(estimate.output_tokens),
                "worst": estimate.max_output_tokens,
            },
            "cache_read": round(estimate.read_tokens),
        },
        "choices": [
            {
                "delivery": choice.delivery,
                "is_cached": choice.is_cached,
                "usd": to_json(choice.usd),
            }
            for choice in estimate.choices
        ],
        "seconds": None if timing is None else {**asdict(timing), **_seconds_json(timing)},
        "choice": found.advice.choice,
        "affordable_rows": found.advice.affordable,
        "warnings": list(_warnings(found)),
        "held_by": found.held_by,
    }


def _spread_json(spread: Spread) -> dict[str, int]:
    return {name: round(getattr(spread, name)) for name in ("expected", "low", "high")}


def _seconds_json(timing: Timing) -> dict[str, Any]:
    return {"seconds": _spread_json(timing.seconds), "worst_s": round(timing.worst_s)}
