"""What Ctrl-C, SIGTERM and SIGHUP do to a run: the first ends it in order, the second at once.

Outside of sending the first one raises in the main thread, so that every ``finally`` runs. While
requests are in flight ``draining`` takes it over: nothing is raised, what is in flight is awaited.
A signal that was ignored when the command began (nohup, ``&`` in a script) stays ignored.
"""

import _thread
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial
from types import FrameType
from typing import NoReturn

_STDERR = 2
_FAREWELL_S = 2.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(BaseException):
    """SIGTERM or SIGHUP came; like KeyboardInterrupt it is caught at the top and nowhere else."""

    exit_code = 143


def exit_code_of(number: int) -> int:
    """130 after a Ctrl-C, 143 after any other signal."""
    return 130 if number == signal.SIGINT else Terminated.exit_code


def _nothing(exit_code: int) -> None:
    """Leave nothing behind."""


@contextlib.contextmanager
def raising(farewell: Callable[[int], None] = _nothing) -> Iterator[None]:
    """Let the first signal raise KeyboardInterrupt or Terminated; the second ends the process.

    For the main thread, around all that a command does. ``farewell`` as in ``draining``.
    """

    def stop(number: int) -> None:
        raise KeyboardInterrupt if number == signal.SIGINT else Terminated

    with draining(stop, lambda: "gave up; what was recorded is kept", farewell):
        yield


@contextlib.contextmanager
def draining(
    stop: Callable[[int], None],
    last_words: Callable[[], str],
    farewell: Callable[[int], None] = _nothing,
) -> Iterator[None]:
    """Hand the first signal to ``stop``; the second says ``last_words`` and ends the process.

    ``stop`` is called in the main thread between any two steps of it, so all that it may do to an
    event loop is ``call_soon_threadsafe``. ``farewell`` gets the exit code, in a thread of its own,
    and a moment to leave files in order. Afterwards the handlers before are back.
    """
    has_come = False

    def caught(number: int, _frame: FrameType | None) -> None:
        nonlocal has_come
        if has_come:
            _give_up(number, last_words, farewell)
        has_come = True
        stop(number)

    heeded = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, caught) for number in heeded}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _give_up(
    number: int, last_words: Callable[[], str], farewell: Callable[[int], None]
) -> NoReturn:
    """End the process as a kill would: what is recorded survives that at any instant."""
    for each in _STOPPING:
        signal.signal(each, signal.SIG_DFL)  # a third one does not wait for anything
    try:
        # Past Python's own buffer, which may be in the middle of another message; on a terminal
        # whatever stands below the cursor, such as lines of progress, is cleared.
        clear = "\x1b[J" if os.isatty(_STDERR) else ""
        os.write(_STDERR, f"\n{clear}{last_words()}\nnext   the same command resumes\n".encode())
        _try(partial(farewell, exit_code_of(number)))
    finally:
        os._exit(exit_code_of(number))


def _try(work: Callable[[], None]) -> None:
    """Do some work, and wait for it no longer than a moment.

    Whatever lock it may need is perhaps held by the very thread that was interrupted here, so it
    has a thread of its own; not one of ``threading``, whose start takes a lock, too.
    """
    is_over = _thread.allocate_lock()
    is_over.acquire()

    def go() -> None:
        try:
            with contextlib.suppress(Exception):
                work()
        finally:
            is_over.release()

    _thread.start_new_thread(go, ())
    is_over.acquire(timeout=_FAREWELL_S)
