"""Writes the lines at the end of a run: what happened, what it cost, and what to do next."""

import os
from collections.abc import Iterator, Sequence
from decimal import Decimal

import click

from batcher.cli.amounts import counts_text
from batcher.cli.command_line import job_command, reading_command
from batcher.cli.messages import printable
from batcher.core.estimate.estimate import Dollars
from batcher.core.money.display import exact_text, rounded_text
from batcher.core.money.statement import UNEXPLAINED
from batcher.core.plural import counted
from batcher.core.run_record.run_summary import RunSummary, WasteSummary
from batcher.runner.options import RunResult
from batcher.runner.writing.output import Exported

_ENDINGS = {
    0: "done",
    1: "stopped",
    3: "finished, some rows failed for good",
    4: "stopped: the API refused the requests",
    5: "ended with rows left: their attempts failed for reasons that may pass",
    130: "interrupted",
    143: "terminated",
}


def summary(result: RunResult, command: str) -> Iterator[str]:
    """Yield the lines about a run; the last one is the exact command to type next.

    ``command`` continues the run.
    """
    run = result.summary
    unsent = 0 if result.exported is None else result.exported.by_status.get("unsent", 0)
    if result.halt is None and unsent:
        yield f"done   but {counted(unsent, 'row was', 'rows were')} not sent; a run sends them"
    elif result.exit_code == 0 and run.attempts.sent == 0:
        yield f"done   nothing to send: {_why_nothing(result)}"
    elif result.halt is None:
        yield f"{_ENDINGS[result.exit_code]}"
    else:
        yield printable(f"stop   {result.halt.message}")
        if result.halt.hint:
            yield printable(f"hint   {result.halt.hint}")
    if run.attempts.sent:
        yield f"spent  {_spent(run)}"
        yield from _money(run)
    if result.exported is not None:
        yield from _more_input("grew", result.grown)
        yield from _more_input("appeared", result.added)
        yield from _on_hold(result.exported)
        yield from _pending(result.exported)
        yield from _output(result.exported)
        if result.exported.quality is not None:
            yield from (_quality(line) for line in result.exported.quality.lines())
        yield f"next   {_next(result, command)}"
    else:
        yield f"next   {command}"


def _why_nothing(result: RunResult) -> str:
    if not result.summary.rows.total:
        return "the input has no rows, or input.where selects none"
    if result.exported is not None and result.exported.pending:
        return "the rows without an answer wait in a batch"
    statuses = {} if result.exported is None else result.exported.by_status
    if statuses.keys() <= {"succeeded", "skipped"}:
        return "every request has its answer"
    return "every request has its result; batcher failures lists those without a good answer"


def _more_input(verb: str, files: Sequence[str]) -> Iterator[str]:
    if files:
        more = f" and {counted(len(files) - 1, 'more file')}" if files[1:] else ""
        names = printable(f"{files[0]}{more}")
        yield f"input  {names} {verb} during this run; another run sends the new rows"


def _on_hold(exported: Exported) -> Iterator[str]:
    if exported.on_hold:
        rows = counted(exported.on_hold, "row is on hold", "rows are on hold")
        yield (
            f"hold   {rows}: the billing status of too many attempts is unknown, so no run sends "
            "them again; batcher retry does"
        )


def _pending(exported: Exported) -> Iterator[str]:
    if exported.pending:
        rows = counted(exported.pending, "row waits in a batch", "rows wait in a batch")
        yield f"batch  {rows}; a run receives the answers of the batches that have ended"


def _quality(line: str) -> str:
    """Label a line of the quality report; an indented line continues the line above."""
    return f"quality  {line}" if line[:1].strip() else f"         {line}".rstrip()


def _spent(run: RunSummary) -> str:
    usd, tokens, attempts = run.usd, run.tokens, run.attempts
    text = f"{rounded_text(usd.spent)} for {counted(attempts.sent, 'attempt')}"
    text += f" ({tokens['input_tokens']:,} input, {tokens['output_tokens']:,} output tokens)"
    if tokens["cache_read_input_tokens"]:
        saved = rounded_text(usd.cache_saved or Decimal(0))
        read = f"{tokens['cache_read_input_tokens']:,} tokens read from the prompt cache"
        text += f", {read}, which saved {saved}"
    if run.is_simulated:
        text += ", simulated: not real money"
    parts = []
    if attempts.unknown:
        number = counted(attempts.unknown, "attempt")
        parts.append(f"{number} may also have been billed (billing status unknown)")
    if attempts.unpriced:
        parts.append(f"the cost of {counted(attempts.unpriced, 'answer')} is unknown")
    if parts:
        text += f"; {' and '.join(parts)}, up to {rounded_text(usd.unknown)}"
    return text


def _money(run: RunSummary) -> Iterator[str]:
    """Yield the estimate, the waste, the repairs and errors of the bill, when there are any."""
    if run.usd.estimate is not None:
        yield f"estimate {_estimated(run, run.usd.estimate)}"
    if run.waste is not None and (waste := "; ".join(_waste(run.waste))):
        yield f"waste  {waste}"
    if run.repairs is not None and run.repairs.attempts:
        text = f"{rounded_text(run.repairs.usd)} for {counted(run.repairs.attempts, 'attempt')}"
        yield f"repairs {text} to get a valid answer"
    for line in run.checkpoint.bill:
        if line.kind == UNEXPLAINED:
            yield (
                f"warning  ${exact_text(line.usd)} of the bill for {line.model} "
                "is not explained by tokens and prices: please report this"
            )


def _waste(waste: WasteSummary) -> Iterator[str]:
    if waste.failed_usd:
        usd, attempts = rounded_text(waste.failed_usd), counted(waste.attempts.failed, "attempt")
        yield f"{usd} for {attempts} of rows without a good answer"
    if waste.repeated_usd:
        attempts = counted(waste.attempts.repeated, "attempt")
        usd = rounded_text(waste.repeated_usd)
        yield f"{usd} for {attempts} of rows that another attempt answered"


def _estimated(run: RunSummary, estimate: Dollars) -> str:
    """Compare the estimate with the cost of the requests that were sent."""
    ends = [rounded_text(end) for end in (estimate.expected, estimate.low, estimate.high)]
    text = f"{ends[0]} ({ends[1]} to {ends[2]})"
    spent, sent, planned = rounded_text(run.usd.spent), run.rows.sent, run.plan.to_send
    if sent == planned:
        return f"{text}, actual {spent}"
    return f"{text} for {counted(planned, 'request')}; {spent} for the {sent:,} that were sent"


def _output(exported: Exported) -> Iterator[str]:
    state = "unchanged" if exported.is_unchanged else "written"
    rows = ", ".join(filter(None, [counted(exported.rows, "row"), counts_text(exported.by_status)]))
    yield f"output {os.path.relpath(exported.path)} {state}: {rows}"


def _next(result: RunResult, command: str) -> str:
    exported = result.exported
    if exported is not None and exported.by_status.get("unsent"):
        return job_command("run")
    if exported is not None and exported.pending:
        return command
    if exported is not None and exported.on_hold and not exported.open_rows:
        return job_command("retry")
    if result.exit_code == 3:
        return job_command("failures")
    if result.grown or result.added:
        return command
    if result.exit_code != 0 or exported is None or not exported.rows:
        return command
    return _after_success(result, exported)


def _after_success(result: RunResult, exported: Exported) -> str:
    """Return the command after a trial: the whole run, or the real one; else the one that reads."""
    given = click.get_current_context().params
    if result.summary.scope and not any(key.startswith("input.") for key in given["overrides"]):
        return job_command("run")
    if given["is_simulated"]:
        return job_command("run", is_real=True)
    return reading_command(exported.rows)
