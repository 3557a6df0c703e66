"""batcher simulate: serves the simulator, for trial runs and the tests of other programs."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from batcher.cli.messages import print_line, say
from batcher.errors import ConfigurationError

_POSITIVE = click.FloatRange(min=0)
_SHARE = click.FloatRange(0, 1)
_FILE = click.Path(path_type=Path, dir_okay=False)
_OPTIONS: tuple[tuple[str, Any, str], ...] = (
    ("--host", str, "The address to listen on; default 127.0.0.1."),
    ("--seed", int, "Decides answers, faults and delays."),
    ("--latency", _POSITIVE, "0, the default, responds at once; 1 is realistic."),
    ("--ttft-s", _POSITIVE, "Typical seconds to the first token."),
    ("--tokens-per-s", click.FloatRange(min=0, min_open=True), "Typical output speed after that."),
    ("--requests-per-minute", click.IntRange(1), "Limit for each group of models."),
    ("--input-tokens-per-minute", click.IntRange(1), "Limit for each group of models."),
    ("--output-tokens-per-minute", click.IntRange(1), "Limit for each group of models."),
    ("--burst", _POSITIVE, "Share of a limit that can be used at once."),
    ("--spacing-ms", _POSITIVE, "A limit that no header tells: one request each N ms."),
    ("--spacing-burst", click.IntRange(1), "Requests at once under that limit; default 1."),
    ("--limit-headers", str, "Remaining requests in headers: minute, plenty or nothing."),
    ("--refusal-rate", _SHARE, "Share of refused requests."),
    ("--invalid-rate", _SHARE, "Share of answers that break their schema."),
    ("--careless-rate", _SHARE, "Share of answers that ignore field descriptions."),
    ("--variety-rate", _SHARE, "Share of repeated requests with a new answer."),
    ("--right-rate", _SHARE, "Share of right answers; needs --truth."),
    (
        "--truth",
        _FILE,
        'Right answers as JSON lines: {"line": LINE OF THE PROMPT, "value": {...}}.',
    ),
    ("--credit-usd", str, "What all answers may cost; then requests and items are refused."),
    ("--batch-speed", _POSITIVE, "Speed of the clock of batches; 0 stands still."),
    ("--batch-floor-s", _POSITIVE, "Seconds that every batch takes at least; default 60."),
    ("--batch-median-s", _POSITIVE, "Median seconds of a large batch beyond that; default 1500."),
    ("--batch-spread", _POSITIVE, "Spread of the durations; 0 is always the median."),
    ("--batch-listed-after-s", _POSITIVE, "Seconds until a new batch is in the list."),
    ("--batch-results-after-s", _POSITIVE, "Seconds before which a new batch has no results."),
    ("--batch-cancel-rate", _SHARE, "Share of the waiting items that a cancel can stop."),
    ("--batch-cache-rate", _SHARE, "Share of items that read cache entries of their own batch."),
    ("--batch-requests-per-minute", click.IntRange(1), "Limit for all batch endpoints."),
    ("--batch-queue-limit", click.IntRange(1), "Items of batches that may wait at a time."),
    ("--batch-refusal", str, "No batches: hipaa or workspace_human_review_disabled."),
    ("--other-workspace-prefix", str, "Keys with this prefix belong to another workspace."),
    ("--bad-key-prefix", str, "Keys with this prefix get a 401."),
    ("--ledger", _FILE, "Append a line for each request to this file."),
    ("--settings", _FILE, "A TOML or JSON file with any of these settings."),
)


def _with_simulator_options(function: Any) -> Any:
    for name, kind, text in reversed(_OPTIONS):
        metavar = "TEXT" if kind is str else "FILE" if kind is _FILE else "N"
        function = click.option(name, type=kind, metavar=metavar, help=text)(function)
    return function


@click.command(
    "simulate", epilog="Example: batcher simulate --port 8089 --fault overloaded:rate=0.05"
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    default=8089,
    help="The port to listen on; default 8089, 0 picks a free port.",
)
@_with_simulator_options
@click.option("--keep-requests", is_flag=True, help="Keep each request in memory, for tests.")
@click.option(
    "--fault",
    multiple=True,
    metavar="KIND[:KEY=VALUE,...]",
    help="A fault, such as 500:first_n=3; may be repeated.",
)
def command(**options: Any) -> int:
    """Serve a simulated Messages API on this computer: no key, no cost, no network.

    It prints its address and runs until Ctrl-C. Any client can use that address, with any key.
    """
    arguments = ["--exit-with-parent", *_arguments(options)]
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "batcher.simulator", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: process.terminate())
        _introduce(process)
        assert process.stderr is not None  # noqa: S101 - a pipe
        complaint = process.stderr.read()  # returns when the simulator exits
    if process.returncode not in (0, -signal.SIGINT, -signal.SIGTERM):
        raise _failed(complaint)
    return 0


def _introduce(process: "subprocess.Popen[str]") -> None:
    """Print the address of the simulator and how to use it."""
    assert process.stdout is not None  # noqa: S101 - a pipe
    line = process.stdout.readline().strip()
    if line:
        print_line(line)
        url = line.rpartition(" ")[2]
        say(f"next   ANTHROPIC_API_KEY=any batcher run JOB --set api.base_url={url}")
        say("stop   Ctrl-C")
        sys.stdout.flush()


def _failed(complaint: str) -> ConfigurationError:
    """Return the error for a simulator that exited, with the last line that it wrote."""
    lines = complaint.strip().splitlines() or ["it exited without a message"]
    reason = lines[-1].removeprefix("batcher.simulator: ").removeprefix("error: ")
    hint = "see batcher simulate --help"
    if "bind on address" in reason:
        reason = f"cannot listen on the address: {reason.rpartition(': ')[2]}"
        hint = "let it pick a free port: batcher simulate --port 0"
    return ConfigurationError(f"the simulator did not start: {reason}", hint=hint)


def _arguments(options: dict[str, Any]) -> Iterator[str]:
    """Yield the options as arguments of the simulator's own program."""
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, tuple):
            yield from (f"{flag}={item}" for item in value)
        elif value is True:
            yield flag
        elif value is not None and value is not False:
            yield f"{flag}={value}"
