"""The simulator as a program: ``python -m batcher.simulator --port 0 --seed 1``."""

import argparse
import asyncio
import os
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from batcher.simulator.faults.fault import Fault
from batcher.simulator.server import Simulator
from batcher.simulator.settings import BATCH_REFUSALS, LIMIT_HEADERS, Settings, load


def parser() -> argparse.ArgumentParser:
    """Return the option parser; each option overrides the settings file."""
    program = argparse.ArgumentParser("batcher.simulator", description=__doc__)
    program.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="a TOML or JSON file with any of these settings",
    )
    program.add_argument("--host", help="the address to listen on (default 127.0.0.1)")
    program.add_argument("--port", type=int, help="0 picks a free port")
    program.add_argument("--seed", type=int, help="decides answers, faults and delays")
    program.add_argument("--latency", type=float, help="0 responds at once, 1 is realistic")
    program.add_argument("--ttft-s", type=float, help="typical seconds to the first token")
    program.add_argument(
        "--tokens-per-s", type=float, help="typical output speed after the first token"
    )
    _add_limit_options(program)
    program.add_argument("--refusal-rate", type=float, help="share of refused requests")
    program.add_argument(
        "--invalid-rate", type=float, help="share of structured answers that break the schema"
    )
    program.add_argument(
        "--careless-rate", type=float, help="share of answers that ignore field descriptions"
    )
    program.add_argument(
        "--variety-rate", type=float, help="share of repeated requests with a new answer"
    )
    program.add_argument("--right-rate", type=float, help="share of right answers; needs --truth")
    program.add_argument("--truth", metavar="FILE", help="right answers by a line of the prompt")
    program.add_argument(
        "--credit-usd", help="what all answers may cost; then requests and items are refused"
    )
    _add_batch_options(program)
    program.add_argument(
        "--other-workspace-prefix", help="keys with this prefix belong to another workspace"
    )
    program.add_argument("--bad-key-prefix", help="keys with this prefix get a 401")
    program.add_argument(
        "--ledger", type=Path, metavar="FILE", help="append a line for each request to this file"
    )
    program.add_argument("--keep-requests", action="store_true", default=None)
    program.add_argument(
        "--fault",
        action="append",
        dest="faults",
        type=_fault,
        metavar="KIND[:KEY=VALUE,...]",
        help="a fault, such as overloaded:rate=0.05 or 500:first_n=3; may be repeated",
    )
    program.add_argument(
        "--exit-with-parent", action="store_true", help="stop when standard input is closed"
    )
    return program


def _add_limit_options(program: argparse.ArgumentParser) -> None:
    program.add_argument("--requests-per-minute", type=int, help="limit for each group of models")
    program.add_argument("--input-tokens-per-minute", type=int)
    program.add_argument("--output-tokens-per-minute", type=int)
    program.add_argument("--burst", type=float, help="share of a limit that can be used at once")
    program.add_argument(
        "--spacing-ms", type=float, help="a limit that no header tells: one request each N ms"
    )
    program.add_argument("--spacing-burst", type=int, help="requests at once under that limit")
    program.add_argument(
        "--limit-headers", choices=LIMIT_HEADERS, help="what headers say of remaining requests"
    )


def _add_batch_options(program: argparse.ArgumentParser) -> None:
    numbers = {
        "--batch-speed": "speed of the clock of batches; 0 stands still (see /_simulator/clock)",
        "--batch-floor-s": "seconds that every batch takes at least",
        "--batch-median-s": "median of the seconds that a large batch takes beyond that",
        "--batch-spread": "spread of the durations; 0 is always the median",
        "--batch-listed-after-s": "seconds until a new batch is in the list",
        "--batch-results-after-s": "seconds before which a new batch has no results",
        "--batch-cancel-rate": "share of the waiting items that a cancel can stop",
        "--batch-cache-rate": "share of items that read cache entries of their own batch",
    }
    for name, text in numbers.items():
        program.add_argument(name, type=float, help=text)
    program.add_argument(
        "--batch-requests-per-minute", type=int, help="limit for all batch endpoints"
    )
    program.add_argument("--batch-queue-limit", type=int, help="items that may wait at a time")
    program.add_argument(
        "--batch-refusal", help=f"one of {', '.join(filter(None, BATCH_REFUSALS))}"
    )


def _fault(text: str) -> Fault:
    """Parse a fault; argparse shows the message of this exception only."""
    try:
        return Fault.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the settings of the file, overridden by the options."""
    values = {key: value for key, value in vars(options).items() if value is not None}
    path = values.pop("settings", None)
    values.pop("exit_with_parent")
    return (Settings() if path is None else load(path)).changed(values)


async def serve(simulator: Simulator, *, exits_with_parent: bool) -> None:
    """Listen, print the address, and serve until a signal or the end of standard input."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    if exits_with_parent:
        threading.Thread(target=_wait_for_parent, args=(loop, stopped), daemon=True).start()
    async with simulator:
        sys.stdout.write(f"listening on {simulator.url}\n")
        sys.stdout.flush()
        await stopped.wait()


def _wait_for_parent(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(stopped.set)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; return 2 for invalid settings."""
    options = parser().parse_args(arguments)
    try:
        simulator = Simulator(settings_of(options))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"batcher.simulator: {error}\n")
        return 2
    asyncio.run(serve(simulator, exits_with_parent=options.exit_with_parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
