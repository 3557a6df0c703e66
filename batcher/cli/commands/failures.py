"""batcher failures: groups failed rows by reason, with an example and advice."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import click

from batcher.cli.cells import one_line
from batcher.cli.command_line import job_command
from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import job_argument, json_option, load, set_option, simulate_option
from batcher.core.failure_advice import WITHOUT_REQUEST, advice
from batcher.core.money.display import exact_text, rounded_text
from batcher.core.plural import counted
from batcher.runner.commands.results import failure_groups, open_results

_MESSAGES_SHOWN, _MESSAGE_WIDTH = 5, 200


@click.command("failures", epilog="Example: batcher failures job.toml --json")
@job_argument
@simulate_option
@set_option
@json_option
def command(job: Path, overrides: tuple[str, ...], *, is_simulated: bool, as_json: bool) -> int:
    """Show the rows without a good answer, grouped by their status and error type.

    Each group shows the cost of its rows, an example row and what to do. Several messages of a
    group are counted, too; those that differ only in numbers count as one. Nothing is sent.
    """
    loaded = load(job, overrides)
    with open_results(loaded, is_simulated=is_simulated) as results:
        groups = [_with_advice(group) for group in failure_groups(results)]
        items = results.plan.counts.items
    if as_json:
        print_json({"items": items, "groups": groups})
        return 0
    print_line(_headline(groups, items))
    for group in groups:
        _print(group)
    say(f"next   {_next(groups, loaded.job.request.max_tokens)}")
    return 0


def _headline(groups: list[dict[str, Any]], items: int) -> str:
    """Count the failed rows among those that came back, then the rows that did not."""
    unsent, pending = (
        sum(group["rows"] for group in groups if group["status"] == status)
        for status in ("unsent", "pending")
    )
    failed, parts = sum(group["rows"] for group in groups) - unsent - pending, []
    rows = counted(items, "row")
    if unsent:
        rows = counted(items - unsent, "row that was sent", "rows that were sent")
        parts.append(counted(unsent, "row was not sent yet", "rows were not sent yet"))
    if pending:
        rows = counted(items - unsent - pending, "row that came back", "rows that came back")
        parts.insert(0, counted(pending, "row waits in a batch", "rows wait in a batch"))
    return "; ".join([f"{failed:,} of {rows} without a good answer", *parts])


def _with_advice(group: dict[str, Any]) -> dict[str, Any]:
    unknown = group["unknown_usd"]
    return {
        **group,
        "cost_usd": exact_text(group["cost_usd"]),
        "unknown_usd": None if unknown is None else exact_text(unknown),
        "advice": advice(
            group["status"],
            group["error_type"],
            is_final=group["is_final"],
            is_on_hold=bool(group["on_hold"]) and not group["open"],
        ),
    }


def _print(group: dict[str, Any]) -> None:
    cost = rounded_text(Decimal(group["cost_usd"]))
    print_line("")
    reason = f"{counted(group['rows'], 'row')} {group['status']}: {group['error_type']}"
    print_line(f"{reason}, cost {cost}{_unknown(group['unknown_usd'])}")
    message = group["example_message"]
    if group["messages_total"] < 2:
        print_line(f"  example  {group['example_id']}" + (f": {message}" if message else ""))
    for line in _messages(group):
        print_line(f"  {line}")
    print_line(f"  do       {group['advice']}")


def _messages(group: dict[str, Any]) -> Iterator[str]:
    """Count the rows of each message, when there are several; the most frequent come first."""
    total, shown = group["messages_total"], group["messages"][:_MESSAGES_SHOWN]
    if total < 2:
        return
    for entry in shown:
        message = one_line(entry["message"], _MESSAGE_WIDTH)
        yield f"{entry['rows']:>7,}  {message} ({entry['example_id']})"
    rest = group["rows"] - sum(entry["rows"] for entry in shown)
    if rest:
        others = (
            counted(total - len(shown), "other message") if total > len(shown) else "no message"
        )
        yield f"{rest:>7,}  with {others}"


def _unknown(unknown_usd: str | None) -> str:
    if unknown_usd is None:
        return "; more may have been billed, without a bound (billing status unknown)"
    usd = Decimal(unknown_usd)
    more = f"; up to {rounded_text(usd)} more may have been billed (billing status unknown)"
    return more if usd else ""


def _next(groups: list[dict[str, Any]], max_tokens: int | None) -> str:
    """Return the command that answers most of the failed rows.

    A run sends the open ones, and with them what was never sent; a retry sends any failed row.
    """
    failed = [group for group in groups if group["status"] not in ("unsent", "pending")]
    if not failed:
        return job_command("run" if groups else "status")
    if any(group["open"] for group in failed):
        has_unsent = any(group["status"] == "unsent" for group in groups)
        return job_command("retry" if has_unsent else "run")
    if any(group["on_hold"] for group in failed):
        return job_command("retry")
    sendable = [group for group in failed if group["error_type"] not in WITHOUT_REQUEST]
    if not sendable:
        return job_command("show", failed[0]["example_id"])
    options = ["--only", sendable[0]["error_type"]]
    if sendable[0]["status"] == "truncated" and max_tokens is not None:
        options += ["--set", f"request.max_tokens={2 * max_tokens}"]
    return job_command("retry", options=options)
