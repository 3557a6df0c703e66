"""batcher show: shows one row, from its request to the cost line by line."""

import json
from collections.abc import Mapping, Set
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from batcher.cli.command_line import job_command
from batcher.cli.cost_lines import cost_lines
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
_WITHOUT_OUTCOME = {"pending": ("pending", "pending"), "absent": ("unsent", "free")}
"""The status and the billing of an attempt in a batch, by its state in the store."""
_WASTE = {
    None: "",
    "failed": ", wasted: the row has no good answer",
    "repeated": ", wasted: another attempt answered the row",
}


@click.command("show", epilog="Example: batcher show job.toml 17")
@job_argument
@click.argument("row_id", metavar="ID")
@simulate_option
@set_option
@json_option
def command(
    job: Path, row_id: str, overrides: tuple[str, ...], *, is_simulated: bool, as_json: bool
) -> int:
    """Show one row: its request, every attempt, the answer, and how its cost adds up.

    ID is the row's value in the id column, or its number in the input, from 1. Write row:5 for row
    number 5 when 5 is also the id of a row.
    """
    loaded = load(job, overrides)
    with open_results(loaded, is_simulated=is_simulated) as results:
        row = find_row(results, row_id)
        if row is None:
            raise _unknown_row(results, row_id)
        facts = _facts(results, row)
    if as_json:
        print_json(facts)
        return 0
    _print(facts)
    say(f"next   {job_command(_next(facts['samples']))}")
    return 0


def _next(samples: list[dict[str, Any]]) -> str:
    """Return the command after a row: the output for a good one, else what helps it."""
    if any(sample["fingerprint"] is not None and not sample["is_final"] for sample in samples):
        return "run"
    is_good = all(sample["status"] in ("succeeded", "skipped") for sample in samples)
    return "export" if is_good else "failures"


def _unknown_row(results: Results, row_id: str) -> ConfigurationError:
    message = f"no row has the id or number {row_id!r}"
    near = [] if row_id.isdigit() else nearest_ids(results.context, row_id)
    if near:
        guess = f"{message}; did you mean {', '.join(near)}?"
        return ConfigurationError(guess, hint=job_command("show", near[0]))
    hint = (
        "give a value of the id column or a row number from 1; rows that input.where or "
        "input.limit leaves out are not found"
    )
    return ConfigurationError(message, hint=hint)


def _facts(results: Results, found: RowResults) -> dict[str, Any]:
    """Return everything that is shown, as JSON for programs."""
    row_id = results.context.maker.row_id(found.row) if isinstance(found.row, Row) else None
    request = found.request if isinstance(found.request, Request) else None
    fingerprints = {name.hex() for name in request.fingerprints} if request else set()
    return {
        "id": row_id if isinstance(row_id, str) else None,
        "row": found.row.ordinal + 1,
        "place": str(found.row.place),
        "request": None if request is None else dict(request.fields),
        "samples": [
            _sample(results, fingerprints, result, attempts)
            for result, attempts in zip(found.results, found.attempts, strict=True)
        ],
    }


def _sample(
    results: Results,
    fingerprints: Set[str],
    result: Mapping[str, Any],
    attempts: tuple[dict[str, Any], ...],
) -> dict[str, Any]:
    answer = next((a for a in attempts if a["attempt_id"] == result["attempt_id"]), None)
    message = message_of(answer) if answer is not None and answer["is_final"] else None
    return {
        "sample": result["sample"],
        "fingerprint": result["fingerprint"],
        "status": result["status"],
        "is_final": bool(result["is_final"]),
        "is_shared": bool(result["is_shared"]),
        "is_kept": result["fingerprint"] is not None and result["fingerprint"] not in fingerprints,
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
    status, billing = _WITHOUT_OUTCOME.get(
        attempt["state"], (attempt["status"] or "unknown", attempt["billing"] or "unknown")
    )
    return {
        "sent_at": attempt["sent_at"].isoformat(timespec="milliseconds"),
        "run_id": attempt["run_id"],
        "is_variant": bool(attempt["is_variant"]),
        "delivery": attempt["delivery"],
        "batch": attempt["batch"],
        "status": status,
        "is_final": bool(attempt["is_final"]),
        "http_status": attempt["http_status"],
        "error_type": attempt["error_type"],
        "error_message": attempt["error_message"],
        "request_id": attempt["request_id"],
        "latency_s": attempt["latency_s"],
        "billing": billing,
        "is_released": attempt["state"] == "released",
        "waste": wasted(attempt, result),
        "cost_usd": None if cost is None else exact_text(cost),
        "worst_case_usd": None if worst is None else exact_text(worst),
        "cost": explained and _cost_json(explained),
    }


def _cost_json(explained: CostExplained) -> dict[str, Any]:
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
    return {**asdict(used), "date": used.date and used.date.isoformat()}


def _print(facts: dict[str, Any]) -> None:
    print_line(
        f"row {facts['row']:,} at {facts['place']}" + (f", id {facts['id']}" if facts["id"] else "")
    )
    if facts["request"] is not None:
        body = json.dumps(_shortened(facts["request"]), indent=2, ensure_ascii=False)
        print_line(f"\nrequest\n{_indented(body)}")
    for sample in facts["samples"]:
        number = f"sample {sample['sample']} " if len(facts["samples"]) > 1 else ""
        shared = ", paid for by an earlier row with the same request" if sample["is_shared"] else ""
        kept = ", kept from an earlier variant of the request" if sample["is_kept"] else ""
        print_line(f"\n{number}{sample['status']}{shared}{kept}{_error(sample)}")
        for attempt in sample["attempts"]:
            _print_attempt(attempt)
        for name, title in (("thinking", "thinking"), ("text", "answer")):
            if sample[name]:
                print_line(f"\n{title}\n{_indented(sample[name])}")
        for line in cost_lines(sample):
            print_line(line)


def _print_attempt(attempt: dict[str, Any]) -> None:
    variant = ", with another variant of the request" if attempt["is_variant"] else ""
    batch = "" if attempt["batch"] is None else f", in batch {attempt['batch']}"
    sent_at = attempt["sent_at"].replace("+00:00", "Z")
    print_line(f"\nattempt  {sent_at} in run {attempt['run_id']}{batch}{variant}")
    result = [attempt["status"]]
    if attempt["http_status"] is not None:
        result.append(f"HTTP {attempt['http_status']}")
    if attempt["latency_s"] is not None:
        result.append(f"{attempt['latency_s']:.3f} s")
    if attempt["request_id"]:
        result.append(attempt["request_id"])
    print_line(f"  {', '.join(result)}{_error(attempt)}")
    print_line(f"  {_billing(attempt)}")


def _billing(attempt: dict[str, Any]) -> str:
    if attempt["billing"] == "free":
        return "not billed"
    if attempt["billing"] == "pending":
        return f"not billed yet: waits in a batch{_most(attempt)}"
    if attempt["billing"] == "billed":
        cost = attempt["cost_usd"]
        text = f"billed, amount unknown{_most(attempt)}" if cost is None else f"billed ${cost}"
        return text + _WASTE[attempt["waste"]]
    return f"billing status unknown: may have been billed{_most(attempt)}"


def _most(attempt: Mapping[str, Any]) -> str:
    """Say what an attempt of unknown cost can have cost, and that a person has released it."""
    worst = attempt["worst_case_usd"]
    most = "" if worst is None else f", at most ${worst}"
    return most + ("; released from the budget" if attempt["is_released"] else "")


def _error(record: Mapping[str, Any]) -> str:
    parts = [str(record[key]) for key in ("error_type", "error_message") if record[key]]
    return f" ({': '.join(parts)})" if parts else ""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def _shortened(value: Any) -> Any:
    """Replace data that is too long for a terminal, such as images, with its length."""
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
