"""Options of the commands that send requests."""

from decimal import Decimal

import click

from batcher.core.duration_text import seconds_of
from batcher.errors import ConfigurationError

yes_option = click.option(
    "--yes", "says_yes", is_flag=True, help="Do not ask for confirmation before spending."
)
simulate_option = click.option(
    "--simulate",
    "is_simulated",
    is_flag=True,
    help="Send to the built-in simulator: no key, no cost, separate state and output.",
)
max_time_option = click.option(
    "--max-time",
    metavar="TIME",
    help="Stop sending after this time, for example 5h or 90m; exit code 7 when rows are left.",
)
wait_option = click.option(
    "--wait", "waits", is_flag=True, help="Wait while another process holds the job."
)
max_cost_option = click.option(
    "--max-cost",
    metavar="USD",
    help="Never spend more on this job in all; the same as --set budget.max_cost_usd=USD.",
)
release_option = click.option(
    "--release-unknown",
    "releases_unknown",
    is_flag=True,
    help="Release money reserved for attempts whose billing status or cost is unknown. First check "
    "in the API's console that they were not billed.",
)
overwrite_option = click.option(
    "--overwrite",
    "overwrites",
    is_flag=True,
    help="Replace the output even when something else than this job wrote it.",
)
quiet_option = click.option("-q", "--quiet", "is_quiet", is_flag=True, help="Print only problems.")

_MAX_USD = Decimal(10) ** 12


def time_limit_s(max_time: str | None) -> float | None:
    """Read --max-time in seconds; ConfigurationError when it is not a duration."""
    return None if max_time is None else seconds_of(max_time)


def with_budget(overrides: tuple[str, ...], max_cost: str | None) -> tuple[str, ...]:
    """Add --max-cost to the overrides of --set; ConfigurationError when it is not an amount."""
    if max_cost is None:
        return overrides
    # No commas: 1,50 means 1.5 in half of the world, and 150 in the rest.
    amount = max_cost.removeprefix("$")
    try:
        is_amount = Decimal(0) < Decimal(amount) < _MAX_USD
    except ArithmeticError:
        is_amount = False
    if not is_amount:
        raise ConfigurationError(
            f"--max-cost {max_cost} is not an amount of dollars",
            hint="write dollars and cents with a point: --max-cost 12.50",
        )
    return (*overrides, f"budget.max_cost_usd={Decimal(amount):f}")
