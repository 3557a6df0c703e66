"""batcher estimate: predicts the cost, tokens and time of a run."""

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
from batcher.cli.run_options import (
    max_cost_option,
    overwrite_option,
    simulate_option,
    with_budget,
    yes_option,
)
from batcher.cli.terminal import TerminalUi
from batcher.core.estimate.budget_reach import reach_text
from batcher.core.estimate.estimate import Choice, Estimate, Timing
from batcher.core.estimate.spread import Spread
from batcher.core.json_form import to_json
from batcher.core.money.display import exact_text, rounded_text
from batcher.core.pace.kinds import limiter_text
from batcher.core.plural import counted
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.atomic import write_text
from batcher.runner.commands.estimate import Estimated, estimate_job
from batcher.runner.options import RunOptions
from batcher.runner.pipeline.run import run_job
from batcher.runner.planning.run_duration import ASSUMED_TOKENS_A_SECOND
from batcher.runner.planning.saved_plan import check_replaceable_plan, plan_to_save
from batcher.runner.signals import ProcessSignals

_MIN_PILOT = 10
_BAD_SHOWN = 3
_CENT = Decimal("0.01")
_TRY_PILOT = "--pilot 100 sends some rows and gives a better estimate"


@click.command("estimate", epilog="Example: batcher estimate job.toml --pilot 100 --out plan.json")
@job_argument
@click.option(
    "--pilot",
    type=click.IntRange(min=_MIN_PILOT),
    metavar="N",
    help="First send N rows of all lengths and pay for them; the job keeps their answers.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write a plan for batcher run --plan; its cap is the budget, else the high end of the "
    "estimate.",
)
@overwrite_option
@max_cost_option
@click.option("--offline", "is_offline", is_flag=True, help="Do not let the API count prompts.")
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
    overwrites: bool,
    is_offline: bool,
    says_yes: bool,
    is_simulated: bool,
    as_json: bool,
) -> int:
    """Estimate the cost, tokens and time of a run: expected, 90 % interval and worst case.

    The estimate uses the answers that the job already has; a pilot gives the best ones. Without
    answers, the API counts the prompts of 100 rows, free of charge, when there is a key.
    """
    loaded = load(job, with_budget(overrides, max_cost))
    if out is not None and not overwrites:
        check_replaceable_plan(out, loaded.name)
    if pilot is not None:
        options = RunOptions(is_simulated, says_yes, pilot=pilot, command=resume_command())
        code = _send_pilot(loaded, options)
        if code:
            return code
    estimated = estimate_job(
        loaded, os.environ, is_simulated=is_simulated, is_offline=is_offline or pilot is not None
    )
    cap = _cap(estimated)
    if out is not None:
        plan = plan_to_save(
            estimated.context, estimated.plan, datetime.now(UTC), cap, estimated.estimate.usd
        )
        _write(out, plan.to_json())
    if as_json:
        print_json(_to_json(estimated))
        return 0
    for line in _lines(estimated):
        print_line(line)
    for warning in _warnings(estimated):
        say(f"warning  {warning}")
    if out is not None:
        say(f"wrote    {os.path.relpath(out)}, a plan with a cap of {rounded_text(cap)} in all")
    say(f"next     {_run_command(out, max_cost)}")
    return 0


def _run_command(plan_file: Path | None, max_cost: str | None) -> str:
    """Return the command that runs the job; a plan has --max-cost as its cap already."""
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


def _cap(estimated: Estimated) -> Decimal:
    """Return the cap of a saved plan: the budget, else the money spent and the high estimate."""
    if estimated.budget is not None:
        return estimated.budget.cap
    high = (estimated.spent_usd + estimated.estimate.usd.high).quantize(_CENT, ROUND_UP)
    return max(high, _CENT)


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
        raise ConfigurationError(
            f"{path} cannot be written: {reason}", hint="give another file to --out"
        ) from None


def _lines(estimated: Estimated) -> Iterator[str]:
    """Yield the estimate as lines, one fact a line."""
    counts, estimate = estimated.plan.counts, estimated.estimate
    bad = f", {counts.bad:,} bad (not sent)" if counts.bad else ""
    parts = f"{counts.already_answered:,} already answered, {counts.to_send:,} to send{bad}"
    yield f"rows     {counts.rows:,}: {parts}"
    if estimated.held_by is not None:
        yield f"state    {estimated.held_by}; its answers are not counted here"
    if estimated.spent_usd:
        yield f"spent    {rounded_text(estimated.spent_usd)} so far"
    if not estimate.requests:
        reason = "every request has its answer" if counts.rows else "the input has no rows"
        yield f"cost     $0.00: {reason}"
        return
    yield f"basis    {_basis(estimate)}"
    prompt = estimate.max_prompt_tokens
    at_most = "" if prompt is None else f", at most {_short(prompt)}"
    yield f"prompt   {_tokens(estimate.prompt_tokens)} tokens{at_most}{_cache_reads(estimate)}"
    at_most = f", at most {_short(estimate.max_output_tokens)}"
    yield f"output   {_tokens(estimate.output_tokens)} tokens{at_most}"
    if estimate.duration is not None:
        yield f"time     {_time(estimate.duration)}"
    yield ""
    yield f"{'':26}{'expected':>11}   {'90 % interval':^23}{'worst case':>12}"
    for choice in estimate.choices:
        yield _row(choice, len(estimate.choices) > 2)
    yield ""
    yield f"choice   {estimated.advice.choice}"
    if estimated.budget and (reach := reach_text(estimated.budget, estimate.usd, counts.to_send)):
        yield f"budget   {reach}"


def _warnings(estimated: Estimated) -> Iterator[str]:
    """Yield warnings about rows that are not sent or will be refused, the money and the model."""
    bad, lines = estimated.plan.counts.bad, estimated.plan.bad_lines
    if bad:
        more = "" if len(lines) <= _BAD_SHOWN else "; and others"
        listed = "; ".join(lines[:_BAD_SHOWN])
        rows = counted(bad, "row is bad and is", "rows are bad and are")
        yield f"{rows} not sent: {listed}{more}"
    yield from estimated.advice.warnings
    yield from estimated.notes
    yield from map(str, estimated.plan.warnings)


def _row(choice: Choice, shows_cache: bool) -> str:
    usd = choice.usd
    name = str(choice.delivery)
    if shows_cache:
        name += ", prompt cache" if choice.is_cached else ", no cache"
    worst = "no bound" if usd.worst is None else rounded_text(usd.worst)
    ends = f"{rounded_text(usd.low):>10} to {rounded_text(usd.high):<9}"
    return f"{name:26}{rounded_text(usd.expected):>11}   {ends:^23}{worst:>12}"


def _basis(estimate: Estimate) -> str:
    match estimate.basis:
        case "answers":
            return f"{counted(estimate.answers, 'answer')} of this job"
        case "counts":
            prompts = counted(estimate.counted, "prompt")
            return f"{prompts} counted by the API; no answers yet: {_TRY_PILOT}"
        case _:
            return f"token counts estimated from the text; no answers yet: {_TRY_PILOT}"


def _cache_reads(estimate: Estimate) -> str:
    if not estimate.read_tokens:
        return ""
    return f"; {_short(estimate.read_tokens)} of them read from the prompt cache"


def _time(timing: Timing) -> str:
    text, speed = duration(timing.seconds.expected), f"{ASSUMED_TOKENS_A_SECOND:g} tokens a second"
    if timing.is_measured:
        speed = "the speed of earlier answers"
    assumed = f"assumes {speed} and an idle machine"
    if not timing.knows_limits:
        return (
            f"at least {text}, {limiter_text(timing.limiter)}; {assumed}; the API's rate limits "
            "are unknown before the first run or pilot"
        )
    ends = f"{duration(timing.seconds.low)} to {duration(timing.seconds.high)}"
    at_most = f"at most {duration(timing.worst_s)}"
    return f"{text} ({ends}), {limiter_text(timing.limiter)}; {at_most}; {assumed}"


def _tokens(spread: Spread) -> str:
    return f"{_short(spread.expected)} ({_short(spread.low)} to {_short(spread.high)})"


def _short(tokens: float) -> str:
    """Write a number of tokens; millions and billions with three digits."""
    for size, name in ((1e9, " billion"), (1e6, " million")):
        if tokens >= size:
            return f"{tokens / size:.3g}{name}"
    return f"{tokens:,.0f}"


def _to_json(estimated: Estimated) -> dict[str, Any]:
    estimate = estimated.estimate
    timing = estimate.duration
    return {
        "plan": estimated.plan.counts.to_json(),
        "basis": estimate.basis,
        "answers": estimate.answers,
        "counted": estimate.counted,
        "spent_usd": exact_text(estimated.spent_usd),
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
        "choice": estimated.advice.choice,
        "affordable_rows": estimated.advice.affordable,
        "warnings": list(_warnings(estimated)),
        "held_by": estimated.held_by,
    }


def _spread_json(spread: Spread) -> dict[str, int]:
    return {name: round(getattr(spread, name)) for name in ("expected", "low", "high")}


def _seconds_json(timing: Timing) -> dict[str, Any]:
    return {"seconds": _spread_json(timing.seconds), "worst_s": round(timing.worst_s)}
