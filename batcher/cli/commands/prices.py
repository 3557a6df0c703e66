"""batcher prices: the price table in force, its date and its source."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from batcher.cli.messages import print_json, print_line, say
from batcher.cli.options import json_option, load
from batcher.core.job import PricesSection
from batcher.core.money.display import exact_text
from batcher.core.money.prices import ModelPrices, PriceTable
from batcher.core.request.models import ModelFacts
from batcher.inputs.price_table import load_price_table

_SOURCE = "the table shipped with batcher, from the API's documentation"
_KINDS = {
    "input": "input",
    "output": "output",
    "cache_write_5m": "cache write 5m",
    "cache_write_1h": "cache write 1h",
    "cache_read": "cache read",
}


@click.command(
    "prices",
    epilog="Example: batcher prices claude-haiku-5-5",
)
@click.argument("model", required=False)
@click.option(
    "--job",
    "job_file",
    type=click.Path(path_type=Path),
    metavar="JOB",
    help="Those of a job, with what its [prices] say.",
)
@click.option("--all", "shows_all", is_flag=True, help="Also models that are retired.")
@json_option
def command(model: str | None, job_file: Path | None, *, shows_all: bool, as_json: bool) -> int:
    """Show the prices in force, in USD per million tokens, with their date and source.

    With MODEL everything that is known of that model's price. A run keeps the prices that it used:
    batcher show explains a row's cost by those.
    """
    table, own = load_price_table(), None if job_file is None else load(job_file).job.prices
    if own is not None:
        table = table.with_overrides(own.overrides)
    names = table.ids() if model is None else (table.model(model).id,)
    chosen = [table.model(name) for name in names]
    if as_json:
        about = {
            "as_of": table.as_of.isoformat(),
            "source": _SOURCE,
            "unit": "USD per 1,000,000 tokens",
            "overrides_as_of": own and own.as_of and own.as_of.isoformat(),
        }
        print_json({**about, "models": [_for_programs(prices) for prices in chosen]})
        return 0
    if model is None:
        _tell_table([p for p in chosen if shows_all or not _is_retired(p)])
    else:
        _tell_model(chosen[0])
    _tell_source(table, chosen, own)
    say(f"next   {'batcher prices MODEL' if model is None else 'batcher check JOB'}")
    return 0


def _tell_table(chosen: list[ModelPrices]) -> None:
    width = max(len(prices.id) for prices in chosen)
    print_line(f"{'model':<{width}} {'input':>8} {'output':>8} {'cache read':>10}  remark")
    for prices in chosen:
        rates = prices.standard
        cells = f"{_usd(rates.input):>8} {_usd(rates.output):>8} {_usd(rates.cache_read):>10}"
        print_line(f"{prices.id:<{width}} {cells}  {_remark(prices)}".rstrip())


def _remark(prices: ModelPrices) -> str:
    remarks = ["from the job file"] if prices.is_override else []
    if prices.long is not None:
        remarks.append("dearer when long")
    if prices.facts is not None and prices.facts.lifecycle != "active":
        remarks.append(_life(prices.facts))
    return ", ".join(remarks)


def _life(facts: ModelFacts) -> str:
    return facts.lifecycle + ("" if facts.retires is None else f" {facts.retires}")


def _tell_model(prices: ModelPrices) -> None:
    facts = prices.facts
    alias = "" if facts is None or facts.alias is None else f", also called {facts.alias}"
    print_line(f"{prices.id}{alias}")
    if facts is not None:
        window, output = facts.context_window, facts.max_output
        print_line(f"  {_life(facts)}; window {window:,}, output up to {output:,} tokens")
    tiers = prices.tiers
    print_line("")
    print_line(" " * 16 + "".join(f"{name:>12}" for name in tiers))
    for field, kind in _KINDS.items():
        print_line(
            f"{kind:<16}"
            + "".join(f"{_usd(getattr(rates, field)):>12}" for rates in tiers.values())
        )
    if prices.long is not None:
        print_line(
            f"\nlong: all of a request whose prompt has more than {prices.long.threshold:,} tokens"
        )
    if prices.has_geo_price:
        print_line('inference_geo = "us": 1.1 times as much')


def _tell_source(table: PriceTable, chosen: list[ModelPrices], own: PricesSection | None) -> None:
    print_line(f"\nUSD per million tokens, checked {table.as_of.isoformat()}")
    print_line(_SOURCE)
    names = [prices.id for prices in chosen if prices.is_override]
    if names and own is not None:
        day = f", of {own.as_of.isoformat()}" if own.as_of else ", which gives no day"
        print_line(f"from the job file: {', '.join(names)}{day}")


def _for_programs(prices: ModelPrices) -> dict[str, Any]:
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
