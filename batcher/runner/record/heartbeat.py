"""A thread that calls a function about once a second, however busy the process is."""

import contextlib
import threading
from collections.abc import Callable

EVERY_S = 1.0


class Heartbeat:
    """Calls ``beat`` at once and then every ``every_s`` seconds until ``stop``.

    A beat that raises OSError (a full disk) is skipped: the next one may succeed, and the time of
    the last beat in the file shows readers how old it is.
    """

    def __init__(self, beat: Callable[[], None], every_s: float = EVERY_S) -> None:
        self._beat = beat
        self._every_s = every_s
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Start the thread; the first beat is immediate."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; after this returns there are no more beats."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                self._beat()
            if self._stopped.wait(self._every_s):
                return
