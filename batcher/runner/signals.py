"""What Ctrl-C, SIGTERM and SIGHUP do to a run: the first ends it in order, the second at once.

A run asks its ``Interrupts`` what to do. The command line passes ``ProcessSignals``, which takes
the signals of the process. A program that calls a run passes ``NoInterrupts``: its signals,
threads and exit stay its own.

Outside of sending, the first signal raises in the main thread, so that every ``finally`` runs.
While requests are in flight nothing is raised: ``drain_on_signal`` stops sending and waits for
them. A signal that was ignored when the command began (nohup, ``&`` in a script) stays ignored.
"""

import _thread
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from types import FrameType
from typing import NoReturn, Protocol

from batcher.exit_codes import ExitCode

_STDERR = 2
_ON_EXIT_S = 2.0
_STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Terminated(BaseException):
    """SIGTERM or SIGHUP came; like KeyboardInterrupt it is caught at the top and nowhere else."""

    exit_code = ExitCode.TERMINATED


class Interrupts(Protocol):
    """Who may interrupt a run, and how."""

    def outside_sending(self, on_exit: Callable[[int], None]) -> AbstractContextManager[None]:
        """Return a context for the whole run; ``on_exit`` leaves files in order on a quick exit."""

    def while_sending(
        self,
        stop: Callable[[int], None],
        exit_message: Callable[[], str],
        on_exit: Callable[[int], None],
    ) -> AbstractContextManager[None]:
        """Return a context for sending; ``stop`` gets the number of the signal and drains."""


class NoInterrupts:
    """Nothing interrupts the run; for programs, which handle their own signals."""

    def outside_sending(self, on_exit: Callable[[int], None]) -> AbstractContextManager[None]:  # noqa: ARG002
        """Change nothing."""
        return nullcontext()

    def while_sending(
        self,
        stop: Callable[[int], None],  # noqa: ARG002
        exit_message: Callable[[], str],  # noqa: ARG002
        on_exit: Callable[[int], None],  # noqa: ARG002
    ) -> AbstractContextManager[None]:
        """Change nothing."""
        return nullcontext()


class ProcessSignals:
    """The signals of the process interrupt the run; for the main thread of the command line."""

    def outside_sending(self, on_exit: Callable[[int], None]) -> AbstractContextManager[None]:
        """Raise on the first signal, exit on the second."""
        return raise_on_signal(on_exit)

    def while_sending(
        self,
        stop: Callable[[int], None],
        exit_message: Callable[[], str],
        on_exit: Callable[[int], None],
    ) -> AbstractContextManager[None]:
        """Drain on the first signal, exit on the second."""
        return drain_on_signal(stop, exit_message, on_exit)


def exit_code_of(number: int) -> ExitCode:
    """Return 130 for Ctrl-C and 143 for any other signal."""
    return ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED


def _nothing(exit_code: int) -> None:
    """Do nothing before the process ends."""


@contextlib.contextmanager
def raise_on_signal(on_exit: Callable[[int], None] = _nothing) -> Iterator[None]:
    """Raise KeyboardInterrupt or Terminated on the first signal; end the process on the second.

    Call it in the main thread, around all that a command does. ``on_exit`` is that of
    ``drain_on_signal``.
    """
    raised: BaseException | None = None

    def stop(number: int) -> None:
        nonlocal raised
        raised = KeyboardInterrupt() if number == signal.SIGINT else Terminated()
        raise raised

    message = "stopped at once; every recorded response is kept"
    try:
        with drain_on_signal(stop, lambda: message, on_exit):
            yield
    except Exception:
        # A library may turn what was raised inside it into an error of its own, as pydantic does.
        if raised is not None:
            raise raised from None
        raise


@contextlib.contextmanager
def drain_on_signal(
    stop: Callable[[int], None],
    exit_message: Callable[[], str],
    on_exit: Callable[[int], None] = _nothing,
) -> Iterator[None]:
    """Call ``stop`` on the first signal; on the second print ``exit_message`` and end the process.

    ``stop`` runs in the main thread between any two of its steps; of an event loop it may only call
    ``call_soon_threadsafe``. ``on_exit`` gets the exit code, runs in a thread of its own and has
    two seconds to leave files in order. At the end the earlier signal handlers are back.
    """
    has_come = False

    def handler(number: int, _frame: FrameType | None) -> None:
        nonlocal has_come
        if has_come:
            _exit_now(number, exit_message, on_exit)
        has_come = True
        stop(number)

    handled = [number for number in _STOPPING if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in handled}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)


def _exit_now(
    number: int, exit_message: Callable[[], str], on_exit: Callable[[int], None]
) -> NoReturn:
    """End the process as a kill would; what is recorded survives that at any instant."""
    for each in _STOPPING:
        signal.signal(each, signal.SIG_DFL)  # a third signal does not wait for anything
    try:
        # Python's own buffer may be in the middle of another message, so this bypasses it. On a
        # terminal, what is below the cursor (lines of progress) is cleared.
        clear = "\x1b[J" if os.isatty(_STDERR) else ""
        text = f"\n{clear}{exit_message()}\nnext   run the same command again to resume\n"
        os.write(_STDERR, text.encode())
        _run_briefly(partial(on_exit, exit_code_of(number)))
    finally:
        os._exit(exit_code_of(number))


def _run_briefly(work: Callable[[], None]) -> None:
    """Run ``work`` in a thread of its own, and wait for at most two seconds.

    The interrupted main thread may hold a lock that ``work`` needs, hence the other thread. It is
    not one of ``threading``, whose start takes a lock as well.
    """
    is_over = _thread.allocate_lock()
    is_over.acquire()

    def target() -> None:
        try:
            with contextlib.suppress(Exception):
                work()
        finally:
            is_over.release()

    _thread.start_new_thread(target, ())
    is_over.acquire(timeout=_ON_EXIT_S)
