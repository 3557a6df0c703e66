"""batcher simulate: the simulator as a server, for rehearsals and other people's tests."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from batcher.cli.messages import say


@click.command(
    "simulate",
    epilog="Example: batcher simulate --port 8089 --latency 1 --fault overloaded:rate=0.05",
    short_help="the simulator as a server",
)
@click.option("--port", type=click.IntRange(0, 65535), default=8089, show_default=True, help="0 picks a free one.")
@click.option("--host", help="The address to listen on; default 127.0.0.1.")
@click.option("--seed", type=int, help="Answers, faults and delays follow from it.")
@click.option("--latency", type=click.FloatRange(min=0), help="0 answers at once, 1 is life-like.")
@click.option("--ttft-s", type=click.FloatRange(min=0), help="Typical seconds to the first token.")
@click.option("--tokens-per-s", type=click.FloatRange(min=0, min_open=True), help="Typical speed from there.")
@click.option("--requests-per-minute", type=click.IntRange(1), help="Limit of each group of models.")
@click.option("--input-tokens-per-minute", type=click.IntRange(1), help="Likewise.")
@click.option("--output-tokens-per-minute", type=click.IntRange(1), help="Likewise.")
@click.option("--burst", type=float, help="Share of a minute's limit that may be used at once.")
@click.option("--refusal-rate", type=click.FloatRange(0, 1), help="Share of requests refused.")
@click.option("--bad-key-prefix", help="Keys that start with it get a 401.")
@click.option("--ledger", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Append a line for each request.")
@click.option("--keep-requests", is_flag=True, help="Keep each request in memory, for tests.")
@click.option("--settings", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE", help="A TOML or JSON file with any of these.")
@click.option("--fault", multiple=True, metavar="KIND[:KEY=VALUE,...]", help="What goes wrong, such as 500:first_n=3; may be repeated.")
def command(**options: Any) -> int:
    """Serve the Messages API on this computer, made up: no key, no cost, no network.

    It prints where it listens and goes on until Ctrl-C. Point any client at it, or a job with
    --set api.base_url=http://127.0.0.1:8089 and any key.
    """
    arguments = list(_passed_on(options))
    port = options["port"] or "PORT"
    say(f"next   batcher run JOB --set api.base_url=http://127.0.0.1:{port}   (Ctrl-C ends this server)")
    sys.stdout.flush()
    sys.stderr.flush()
    # In place of this process, so that signals and the exit code are the simulator's own.
    os.execv(sys.executable, [sys.executable, "-m", "batcher.simulator", *arguments])  # noqa: S606


def _passed_on(options: dict[str, Any]) -> Iterator[str]:
    """Write the options as the simulator's own program takes them."""
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, tuple):
            for one in value:
                yield f"{flag}={one}"
        elif value is True:
            yield flag
        elif value is not None and value is not False:
            yield f"{flag}={value}"
