"""Options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from batcher.inputs.jobfile import LoadedJob, load_job

F = TypeVar("F", bound=Callable[..., Any])

job_argument = click.argument("job", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for programs.")
simulate_option = click.option(
    "--simulate", "is_simulated", is_flag=True, help="The state and output of simulated runs."
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the job file, such as limits.concurrency=8.",
)


def load(path: Path, overrides: tuple[str, ...] = (), limit: int | None = None) -> LoadedJob:
    """Read a job file with the command line's overrides."""
    if path.is_dir() and (path / "job.toml").exists():
        path = path / "job.toml"
    more = () if limit is None else (f"input.limit={limit}",)
    return load_job(path, [*overrides, *more])
