"""batcher prices: shows the price table, its date and its source."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import json_option, load
from batcher.core.job import PricesSection
from batcher.core.money.display import exact_text
from batcher.core.money.prices import PriceTable
from batcher.core.money.rates import ModelPrices
from batcher.core.request.models import ModelFacts
from batcher.inputs.price_table import load_price_table

_SOURCE = "source: the API's documentation; the table is part of batcher"
_KINDS = {
    "input": "input",
    "output": "output",
    "cache_write_5m": "cache write 5m",
    "cache_write_1h": "cache write 1h",
    "cache_read": "cache read",
}


@click.command("prices", epilog="Example: batcher prices claude-haiku-5-5")
@click.argument("model", required=False)
@click.option(
    "--job",
    "job_file",
    type=click.Path(path_type=Path),
    metavar="JOB",
    help="Show the prices of a job, with its [prices] section applied.",
)
@click.option("--all", "shows_all", is_flag=True, help="Show retired models too.")
@json_option
def command(model: str | None, job_file: Path | None, *, shows_all: bool, as_json: bool) -> int:
    """Show the prices that a run would use, in USD per million tokens, with date and source.

    With MODEL, show every rate of one model. Each run records the prices that it used; batcher show
    explains the cost of a row with the recorded prices.
    """
    table, section = load_price_table(), None if job_file is None else load(job_file).job.prices
    if section is not None:
        table = table.with_overrides(section.overrides)
    names = table.ids() if model is None else (table.model(model).id,)
    chosen = [table.model(name) for name in names]
    if as_json:
        header = {
            "as_of": table.as_of.isoformat(),
            "source": _SOURCE,
            "unit": "USD per 1,000,000 tokens",
            "overrides_as_of": section and section.as_of and section.as_of.isoformat(),
        }
        print_json({**header, "models": [_to_json(prices) for prices in chosen]})
        return 0
    if model is None:
        _print_table([p for p in chosen if shows_all or not _is_retired(p)])
    else:
        _print_model(chosen[0])
    _print_source(table, chosen, section)
    say(f"next   {'batcher prices MODEL' if model is None else 'batcher check JOB'}")
    return 0


def _print_table(chosen: list[ModelPrices]) -> None:
    width = max(len(prices.id) for prices in chosen)
    print_line(f"{'model':<{width}} {'input':>8} {'output':>8} {'cache read':>10}  remark")
    for prices in chosen:
        rates = prices.standard
        cells = f"{_usd(rates.input):>8} {_usd(rates.output):>8} {_usd(rates.cache_read):>10}"
        print_line(f"{prices.id:<{width}} {cells}  {_remark(prices)}".rstrip())


def _remark(prices: ModelPrices) -> str:
    remarks = ["from the job file"] if prices.is_override else []
    if prices.long is not None:
        remarks.append("higher price for long prompts")
    if prices.facts is not None and prices.facts.lifecycle != "active":
        remarks.append(_lifecycle(prices.facts))
    return ", ".join(remarks)


def _lifecycle(facts: ModelFacts) -> str:
    return facts.lifecycle + ("" if facts.retires is None else f" {facts.retires}")


def _print_model(prices: ModelPrices) -> None:
    facts = prices.facts
    alias = "" if facts is None or facts.alias is None else f", also called {facts.alias}"
    print_line(f"{prices.id}{alias}")
    if facts is not None:
        window, output = facts.context_window, facts.max_output
        limits = f"context window {window:,} tokens, output up to {output:,} tokens"
        print_line(f"  {_lifecycle(facts)}; {limits}")
    tiers = prices.tiers
    print_line("")
    print_line(" " * 16 + "".join(f"{name:>12}" for name in tiers))
    for field, kind in _KINDS.items():
        print_line(
            f"{kind:<16}"
            + "".join(f"{_usd(getattr(rates, field)):>12}" for rates in tiers.values())
        )
    if prices.long is not None:
        threshold = f"{prices.long.threshold:,} tokens"
        print_line(f"\nlong: rates for a request whose prompt has more than {threshold}")
    if prices.has_geo_price:
        print_line('with inference_geo = "us", all rates are multiplied by 1.1')


def _print_source(
    table: PriceTable, chosen: list[ModelPrices], section: PricesSection | None
) -> None:
    print_line(f"\nUSD per million tokens, checked {table.as_of.isoformat()}")
    print_line(_SOURCE)
    names = [prices.id for prices in chosen if prices.is_override]
    if names and section is not None:
        date = section.as_of.isoformat() if section.as_of else "without a date"
        print_line(f"from the job file ({date}): {', '.join(names)}")


def _to_json(prices: ModelPrices) -> dict[str, Any]:
    facts = prices.facts
    return {
        "id": prices.id,
        "alias": None if facts is None else facts.alias,
        "lifecycle": None if facts is None else facts.lifecycle,
        "is_override": prices.is_override,
        "long_prompt_above_tokens": None if prices.long is None else prices.long.threshold,
        "usd_per_mtok": {
            name.replace(" ", "_"): {
                field.name: exact_text(getattr(rates, field.name)) for field in fields(rates)
            }
            for name, rates in prices.tiers.items()
        },
    }


def _is_retired(prices: ModelPrices) -> bool:
    return prices.facts is not None and prices.facts.lifecycle == "retired"


def _usd(rate: Any) -> str:
    return f"${exact_text(rate)}"
