"""The lines at the end of a run: what happened, what it cost, and what to do next."""

import os
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from batcher.cli.command_line import job_command, reading_command
from batcher.cli.messages import printable
from batcher.core.money.display import rounded_text
from batcher.core.money.statement import UNEXPLAINED
from batcher.runner.options import RunResult
from batcher.runner.writing.output import Exported

_WASTE = {
    "failed": "of rows without a good answer",
    "repeated": "of rows that another attempt answered",
}
_ENDINGS = {
    0: "done",
    1: "stopped",
    3: "finished, some rows failed for good",
    4: "the API refused us",
    5: "unreachable or overloaded; rows are left",
    130: "interrupted",
    143: "terminated",
}


def summary(result: RunResult, command: str) -> Iterator[str]:
    """Yield the lines; every stop ends in ``next`` with the exact command to type."""
    record: Any = result.record
    sent = record["attempts"]["sent"]
    never = 0 if result.exported is None else result.exported.by_status.get("unsent", 0)
    if result.halt is None and never:
        yield f"done, but {never:,} rows were never asked; a run asks them"
    elif result.exit_code == 0 and sent == 0:
        yield "done   nothing to send: every request has its answer"
    elif result.halt is None:
        yield f"{_ENDINGS[result.exit_code]}"
    else:
        yield printable(f"stop   {result.halt.message}")
        if result.halt.hint:
            yield printable(f"hint   {result.halt.hint}")
    if sent:
        yield f"spent  {_spent(record)}"
        yield from _money(record)
    if result.exported is not None:
        yield from _output(result.exported)
        if result.exported.quality is not None:
            yield from (_quality(line) for line in result.exported.quality.lines())
        yield f"next   {_next(result, command)}"
    else:
        yield f"next   {command}"


def _quality(line: str) -> str:
    """A line of the report; what is indented in it belongs to the line above."""
    return f"quality  {line}" if line[:1].strip() else f"         {line}".rstrip()


def _spent(record: Any) -> str:
    usd, tokens = record["usd"], record["tokens"]
    text = f"{rounded_text(Decimal(usd['spent']))} for {record['attempts']['sent']:,} attempts"
    text += f" ({tokens['input_tokens']:,} input, {tokens['output_tokens']:,} output tokens)"
    if tokens["cache_read_input_tokens"]:
        saved = rounded_text(Decimal(usd["cache_saved"]))
        text += f", {tokens['cache_read_input_tokens']:,} from the cache, which saved {saved}"
    if record["is_simulated"]:
        text += ", simulated: not real money"
    if record["attempts"]["unknown"]:
        unknown = rounded_text(Decimal(usd["unknown"]))
        text += f"; {record['attempts']['unknown']:,} may have been billed unseen, up to {unknown}"
    return text


def _money(record: Any) -> Iterator[str]:
    """Yield what else there is to say of what was spent; mostly nothing."""
    estimate = record["usd"].get("estimate")
    if estimate is not None:
        yield f"estimate {_estimated(record, estimate)}"
    waste = record["waste"]
    in_vain = [
        f"{rounded_text(usd)} for {_attempts(waste['attempts'][kind])} {what}"
        for kind, what in _WASTE.items()
        if (usd := Decimal(waste[f"{kind}_usd"]))
    ]
    if in_vain:
        yield f"waste  {'; '.join(in_vain)}"
    repairs = record["repairs"]
    if repairs["attempts"]:
        text = f"{rounded_text(Decimal(repairs['usd']))} for {_attempts(repairs['attempts'])}"
        yield f"repairs {text} that asked again with a complaint"
    for line in record["checkpoint"]["bill"]:
        if line["kind"] == UNEXPLAINED:
            yield (
                f"warning  ${line['usd']} of what {line['model']} was billed is not explained by "
                "its tokens and rates: please report it"
            )


def _estimated(record: Any, estimate: Any) -> str:
    """Compare what was estimated with what it came to, as far as the run came."""
    ends = [rounded_text(Decimal(estimate[name])) for name in ("expected", "low", "high")]
    text = f"{ends[0]} ({ends[1]} to {ends[2]})"
    spent = rounded_text(Decimal(record["usd"]["spent"]))
    sent, planned = record["rows"]["sent"], record["plan"]["to_send"]
    if sent == planned:
        return f"{text}, actual {spent}"
    return f"{text} for {planned:,} requests; {spent} for the {sent:,} that were sent"


def _attempts(number: int) -> str:
    return f"{number:,} attempt{'' if number == 1 else 's'}"


def _output(exported: Exported) -> Iterator[str]:
    statuses = ", ".join(f"{n:,} {status}" for status, n in sorted(exported.by_status.items()))
    state = "unchanged" if exported.is_unchanged else "written"
    yield f"output {os.path.relpath(exported.path)} {state}: {exported.rows:,} rows, {statuses}"


def _next(result: RunResult, command: str) -> str:
    if result.exit_code == 3:
        return job_command("failures")
    if result.exported is not None and result.exported.by_status.get("unsent"):
        return job_command("run")
    if result.exit_code == 0 and result.exported is not None:
        return reading_command(result.exported.path)
    return command
