"""Options of the commands that send requests."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import get_args

import click

from batcher.core.deadline import deadline_of
from batcher.core.delivery import Mode
from batcher.core.duration_text import seconds_of
from batcher.errors import ConfigurationError
from batcher.inputs.job_file.load import LoadedJob

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
delivery_option = click.option(
    "--delivery",
    type=click.Choice(get_args(Mode)),
    help="How requests travel, instead of delivery.mode: live, in batches at half the price, or "
    "auto, which meets --deadline.",
)
deadline_option = click.option(
    "--deadline",
    metavar="TIME",
    help="When --delivery auto has to be done: a time of day like 07:00, or a duration like 5h.",
)
no_wait_option = click.option(
    "--no-wait",
    "detaches",
    is_flag=True,
    help="Send the batches and do not wait for them: exit code 7. The same command collects them "
    "later.",
)
quiet_option = click.option("-q", "--quiet", "is_quiet", is_flag=True, help="Print only problems.")

_MAX_USD = Decimal(10) ** 12


def time_limit_s(max_time: str | None) -> float | None:
    """Read --max-time in seconds; ConfigurationError when it is not a duration."""
    return None if max_time is None else seconds_of(max_time)


def with_delivery(loaded: LoadedJob, mode: Mode | None, deadline: str | None) -> LoadedJob:
    """Return a job with --delivery and --deadline; ConfigurationError unless they fit together.

    The deadline of the job file is that of auto, and has no effect when the mode is another.
    """
    if mode is None and deadline is None:
        return loaded
    section = loaded.job.delivery
    mode = mode or section.mode
    if deadline is not None and mode != "auto":
        raise ConfigurationError(
            f"--deadline has no effect with delivery {mode}", hint="add --delivery auto"
        )
    deadline = (deadline or section.deadline) if mode == "auto" else None
    if mode == "auto" and deadline is None:
        raise ConfigurationError(
            "--delivery auto needs a deadline", hint="add --deadline 07:00 or --deadline 5h"
        )
    if deadline is not None:
        deadline_of(deadline, datetime.now(UTC), None)
    changed = section.model_copy(update={"mode": mode, "deadline": deadline})
    sources = {**loaded.sources, "delivery.mode": "--delivery", "delivery.deadline": "--deadline"}
    job = loaded.job.model_copy(update={"delivery": changed})
    return replace(loaded, job=job, sources=sources)


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
