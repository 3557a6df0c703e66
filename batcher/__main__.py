"""The batcher command: it answers signals from its first moment, then loads the command line."""

import os
import signal
import sys
from importlib import import_module
from types import FrameType

_CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 143}


def main() -> None:
    """Run the command line; a signal while it is loaded ends the process with its exit code.

    A signal that is ignored, as with nohup, stays ignored.
    """
    for number in _CODES:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _exit)
    # Where pandas is installed, pyarrow imports it for the first array: a quarter of a second and
    # tens of MiB for nothing, because batcher does not use it.
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]
    import_module("batcher.cli").main()


def _exit(number: int, _frame: FrameType | None) -> None:
    os._exit(_CODES[signal.Signals(number)])


if __name__ == "__main__":
    main()
