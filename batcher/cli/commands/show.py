"""batcher show: one row, from its request to the arithmetic of its cost."""

import json
from collections.abc import Mapping, Set
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from batcher.cli.command_line import job_command
from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import job_argument, json_option, load, set_option, simulate_option
from batcher.core.money.display import exact_text
from batcher.core.request.build import Request
from batcher.core.row import Row
from batcher.errors import ConfigurationError
from batcher.runner.commands.explain_cost import CostExplained, PricesUsed, explain_cost, wasted
from batcher.runner.commands.results import (
    Results,
    RowResults,
    find_row,
    message_of,
    nearest_ids,
    open_results,
    recorded_cost,
)

_LONGEST_SHOWN = 4_000
_WASTE = {
    None: "",
    "failed": ", waste: the row has no good answer",
    "repeated": ", waste: another attempt answers the row",
}


@click.command(
    "show",
    epilog="Example: batcher show job.toml 17",
)
@job_argument
@click.argument("row_id", metavar="ID")
@simulate_option
@set_option
@json_option
def command(
    job: Path, row_id: str, overrides: tuple[str, ...], *, is_simulated: bool, as_json: bool
) -> int:
    """Show one row: its request, every attempt, the answer, the arithmetic of its cost.

    ID is what the id column holds, or the row's number in the input, from 1: 5, or row:5 where 5
    is the id of another row.
    """
    loaded = load(job, overrides)
    with open_results(loaded, is_simulated=is_simulated) as results:
        found = find_row(results, row_id)
        if found is None:
            raise _unknown(results, row_id)
        facts = _facts(results, found)
    if as_json:
        print_json(facts)
        return 0
    _tell(facts)
    done = all(sample["is_final"] or sample["fingerprint"] is None for sample in facts["samples"])
    command = "failures" if done else "run"
    say(f"next   {job_command(command)}")
    return 0


def _unknown(results: Results, row_id: str) -> ConfigurationError:
    near = [] if row_id.isdigit() else nearest_ids(results.context, row_id)
    names = ", ".join(near)
    return ConfigurationError(
        f"no row is called {row_id!r}",
        hint=f"did you mean {names}?"
        if near
        else "ID is an id of the input, or a row's number "
        "from 1 on, and input.where and input.limit must let the row through",
    )


def _facts(results: Results, found: RowResults) -> dict[str, Any]:
    """Everything that is shown, for programs."""
    row_id = results.context.maker.row_id(found.row) if isinstance(found.row, Row) else None
    request = found.request if isinstance(found.request, Request) else None
    names = {name.hex() for name in request.fingerprints} if request else set()
    return {
        "id": row_id if isinstance(row_id, str) else None,
        "row": found.row.ordinal + 1,
        "place": str(found.row.place),
        "request": None if request is None else dict(request.fields),
        "samples": [
            _sample(results, names, result, attempts)
            for result, attempts in zip(found.results, found.attempts, strict=True)
        ],
    }


def _sample(
    results: Results,
    names: Set[str],
    result: Mapping[str, Any],
    attempts: tuple[dict[str, Any], ...],
) -> dict[str, Any]:
    answer = next((a for a in attempts if a["attempt_id"] == result["attempt_id"]), None)
    message = message_of(answer) if answer is not None and answer["is_final"] else None
    return {
        "sample": result["sample"],
        "fingerprint": result["fingerprint"],
        "status": result["status"] or "unsent",
        "is_final": bool(result["is_final"]),
        "is_shared": bool(result["is_shared"]),
        "is_kept": result["fingerprint"] is not None and result["fingerprint"] not in names,
        "error_type": result["error_type"],
        "error_message": result["error_message"],
        "attempts": [_attempt(results, result, attempt) for attempt in attempts],
        "text": message and (message.text or message.tool_input),
        "thinking": message and (message.thinking or None),
        "cost_usd": exact_text(recorded_cost(attempts)),
    }


def _attempt(
    results: Results, result: Mapping[str, Any], attempt: dict[str, Any]
) -> dict[str, Any]:
    explained = None
    if attempt["billing"] == "billed":
        explained = explain_cost(results, attempt, message_of(attempt))
    worst, cost = attempt["worst_case_usd"], attempt["cost_usd"]
    return {
        "sent_at": attempt["sent_at"].isoformat(timespec="milliseconds"),
        "run_id": attempt["run_id"],
        "is_variant": bool(attempt["is_variant"]),
        "status": attempt["status"] or "unknown",
        "is_final": bool(attempt["is_final"]),
        "http_status": attempt["http_status"],
        "error_type": attempt["error_type"],
        "error_message": attempt["error_message"],
        "request_id": attempt["request_id"],
        "latency_s": attempt["latency_s"],
        "billing": attempt["billing"] or "unknown",
        "is_released": attempt["state"] == "released",
        "waste": wasted(attempt, result),
        "cost_usd": None if cost is None else exact_text(cost),
        "worst_case_usd": None if worst is None else exact_text(worst),
        "cost": explained and _arithmetic(explained),
    }


def _arithmetic(explained: CostExplained) -> dict[str, Any]:
    lines = [
        {
            "kind": line.kind,
            "quantity": line.quantity,
            "rate_usd": exact_text(line.rate),
            "per": line.per,
            "multiplier": exact_text(line.multiplier),
            "amount_usd": exact_text(line.amount),
        }
        for line in explained.lines
    ]
    return {
        "prices": explained.prices and _prices(explained.prices),
        "lines": lines,
        "unexplained_usd": exact_text(explained.unexplained_usd),
        "problem": explained.problem,
    }


def _prices(used: PricesUsed) -> dict[str, Any]:
    day = used.date and used.date.isoformat()
    return {**asdict(used), "date": day}


def _tell(facts: dict[str, Any]) -> None:
    print_line(
        f"row {facts['row']:,} at {facts['place']}" + (f", id {facts['id']}" if facts["id"] else "")
    )
    if facts["request"] is not None:
        body = json.dumps(_shortened(facts["request"]), indent=2, ensure_ascii=False)
        print_line(f"\nrequest\n{_indented(body)}")
    for sample in facts["samples"]:
        number = f"sample {sample['sample']} " if len(facts["samples"]) > 1 else ""
        shared = ", paid for by an earlier row with the same request" if sample["is_shared"] else ""
        kept = ", kept from an earlier form of the request" if sample["is_kept"] else ""
        print_line(f"\n{number}{sample['status']}{shared}{kept}{_error(sample)}")
        for attempt in sample["attempts"]:
            _tell_attempt(attempt)
        for name, title in (("thinking", "thinking"), ("text", "answer")):
            if sample[name]:
                print_line(f"\n{title}\n{_indented(sample[name])}")
        _tell_cost(sample)


def _tell_attempt(attempt: dict[str, Any]) -> None:
    form = ", a variant of the request" if attempt["is_variant"] else ""
    sent_at = attempt["sent_at"].replace("+00:00", "Z")
    print_line(f"\nattempt  {sent_at} in run {attempt['run_id']}{form}")
    ended = [attempt["status"] if attempt["billing"] != "unknown" else "fate unknown"]
    if attempt["http_status"] is not None:
        ended.append(f"HTTP {attempt['http_status']}")
    if attempt["latency_s"] is not None:
        ended.append(f"{attempt['latency_s']:.3f} s")
    if attempt["request_id"]:
        ended.append(attempt["request_id"])
    print_line(f"  {', '.join(ended)}{_error(attempt)}")
    print_line(f"  {_billed(attempt)}")


def _billed(attempt: dict[str, Any]) -> str:
    if attempt["billing"] == "free":
        return "not billed"
    if attempt["billing"] == "billed":
        cost = attempt["cost_usd"]
        text = "billed, the amount is not known" if cost is None else f"billed ${cost}"
        return text + _WASTE[attempt["waste"]]
    worst = attempt["worst_case_usd"]
    most = "" if worst is None else f", at most ${worst}"
    return f"may have been billed unseen{most}{', released' if attempt['is_released'] else ''}"


def _tell_cost(sample: dict[str, Any]) -> None:
    billed = [attempt for attempt in sample["attempts"] if attempt["cost"] is not None]
    if not billed:
        return
    print_line("\ncost")
    said = None
    for attempt in billed:
        cost = attempt["cost"]
        if cost["prices"] and cost["prices"] != said:
            said = cost["prices"]
            print_line(f"  {_prices_text(said)}")
        for line in cost["lines"]:
            print_line(f"  {_term(line)}")
        if cost["problem"]:
            print_line(f"  {cost['problem']}")
        if cost["unexplained_usd"] != "0":
            print_line(f"  recorded ${attempt['cost_usd']}, which is {_unexplained(cost)}")
    print_line(f"  {'sum':<15}${sample['cost_usd']}")


def _prices_text(used: Mapping[str, Any]) -> str:
    """Say which prices they are: whose, of which day, and which rates."""
    whose = "the job file's prices" if used["is_override"] else "prices"
    text = whose + (f" of {used['date']}" if used["date"] else "")
    text += f", {used['rates']} rates"
    return text if used["is_pinned"] else f"{text}, as they are now: those of then were not kept"


def _unexplained(cost: Mapping[str, Any]) -> str:
    rest = Decimal(cost["unexplained_usd"])
    text = f"${exact_text(abs(rest))} {'more' if rest > 0 else 'less'}"
    return text if cost["prices"]["is_pinned"] else f"{text}: the prices were others then"


def _term(line: dict[str, Any]) -> str:
    text = f"{line['kind']:<15}{line['quantity']:,} x ${line['rate_usd']}"
    if line["per"] != 1:
        text += f" / {line['per']:,}"
    if line["multiplier"] != "1":
        text += f" x {line['multiplier']}"
    return f"{text} = ${line['amount_usd']}"


def _error(of: Mapping[str, Any]) -> str:
    parts = [str(of[key]) for key in ("error_type", "error_message") if of[key]]
    return f" ({': '.join(parts)})" if parts else ""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def _shortened(value: Any) -> Any:
    """Leave out the middle of what no terminal should have to show, such as images."""
    if isinstance(value, Mapping):
        return {
            key: f"<{len(item):,} characters; --json shows them>"
            if key == "data" and isinstance(item, str) and len(item) > _LONGEST_SHOWN
            else _shortened(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_shortened(item) for item in value]
    return value
