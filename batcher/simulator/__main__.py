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
from batcher.simulator.settings import Settings, load


def parser() -> argparse.ArgumentParser:
    """Build the options; each one overrides the settings file."""
    made = argparse.ArgumentParser("batcher.simulator", description=__doc__)
    made.add_argument("--settings", type=Path, metavar="FILE", help="a TOML or JSON file")
    made.add_argument("--host", help="the address to listen on (default 127.0.0.1)")
    made.add_argument("--port", type=int, help="0 picks a free one")
    made.add_argument("--seed", type=int, help="answers, faults and delays follow from it")
    made.add_argument("--latency", type=float, help="0 answers at once, 1 is life-like")
    made.add_argument("--ttft-s", type=float, help="typical seconds to the first token")
    made.add_argument("--tokens-per-s", type=float, help="typical speed from there")
    made.add_argument("--requests-per-minute", type=int, help="limit of each group of models")
    made.add_argument("--input-tokens-per-minute", type=int)
    made.add_argument("--output-tokens-per-minute", type=int)
    made.add_argument("--burst", type=float, help="share of a minute's limit usable at once")
    made.add_argument("--refusal-rate", type=float, help="share of requests refused")
    made.add_argument("--invalid-rate", type=float, help="share of structured answers that break")
    made.add_argument("--careless-rate", type=float, help="share that mind no description")
    made.add_argument("--variety-rate", type=float, help="share that differ when asked again")
    made.add_argument("--right-rate", type=float, help="share of answers that are the truth")
    made.add_argument("--truth", metavar="FILE", help="the right fields by a line of the prompt")
    made.add_argument("--bad-key-prefix", help="keys that start with it get a 401")
    made.add_argument("--ledger", type=Path, metavar="FILE", help="append a line for each request")
    made.add_argument("--keep-requests", action="store_true", default=None)
    made.add_argument(
        "--fault",
        action="append",
        dest="faults",
        type=_fault,
        metavar="KIND[:KEY=VALUE,...]",
        help="what goes wrong, such as overloaded:rate=0.05 or 500:first_n=3; may be repeated",
    )
    made.add_argument(
        "--exit-with-parent", action="store_true", help="end when standard input is closed"
    )
    return made


def _fault(text: str) -> Fault:
    """Let argparse pass on what is wrong, which it does with no other error."""
    try:
        return Fault.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def settings_of(options: argparse.Namespace) -> Settings:
    """Lay the options over the settings file."""
    given = {key: value for key, value in vars(options).items() if value is not None}
    path = given.pop("settings", None)
    given.pop("exit_with_parent")
    return (Settings() if path is None else load(path)).changed(given)


async def serve(settings: Settings, *, exits_with_parent: bool) -> None:
    """Listen, say where, and go on until a signal or the end of standard input."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        with suppress(NotImplementedError):
            loop.add_signal_handler(number, stopped.set)
    if exits_with_parent:
        threading.Thread(target=_wait_for_parent, args=(loop, stopped), daemon=True).start()
    async with Simulator(settings) as simulator:
        sys.stdout.write(f"listening on {simulator.url}\n")
        sys.stdout.flush()
        await stopped.wait()


def _wait_for_parent(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    while os.read(sys.stdin.fileno(), 4096):
        pass
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(stopped.set)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; 2 for settings that make no sense."""
    options = parser().parse_args(arguments)
    try:
        settings = settings_of(options)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"batcher.simulator: {error}\n")
        return 2
    asyncio.run(serve(settings, exits_with_parent=options.exit_with_parent))
    return 0


if __name__ == "__main__":
    sys.exit(main())
