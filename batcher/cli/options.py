"""Arguments and options that several commands share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from batcher.cli.command_line import command_line
from batcher.errors import ConfigurationError
from batcher.inputs.files import family
from batcher.inputs.job_file.load import LoadedJob, load_job

F = TypeVar("F", bound=Callable[..., Any])

job_argument = click.argument("job", type=click.Path(path_type=Path))
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
simulate_option = click.option(
    "--simulate", "is_simulated", is_flag=True, help="Use the state and output of simulated runs."
)
set_option = click.option(
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the job file, for example limits.concurrency=8.",
)


def load(path: Path, overrides: tuple[str, ...] = (), limit: int | None = None) -> LoadedJob:
    """Read a job file and apply the overrides; for a folder, read its job.toml."""
    if path.is_dir():
        if not (path / "job.toml").exists():
            raise ConfigurationError(
                f"{path} is a folder without a job.toml", hint=command_line("init", path)
            )
        path = path / "job.toml"
    elif family(path) is not None:
        raise ConfigurationError(
            f"{path} is an input, not a job file; write a job file for it",
            hint=command_line("init", path),
        )
    limits = [] if limit is None else [f"input.limit={limit}"]
    return load_job(path, [*overrides, *limits])
