"""A thread that does one small thing about once a second, whatever the rest of the process does."""

import contextlib
import threading
from collections.abc import Callable

EVERY_S = 1.0


class Heartbeat:
    """Calls ``beat`` at once and then every ``every_s`` seconds until ``stop``.

    A beat that fails with OSError (a full disk) is skipped: the next one may succeed, and a reader
    sees from the heartbeat how old the last one is.
    """

    def __init__(self, beat: Callable[[], None], every_s: float = EVERY_S) -> None:
        self._beat = beat
        self._every_s = every_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._go, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin; the first beat comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """End at once; when this returns no beat is under way and none will come."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _go(self) -> None:
        while True:
            with contextlib.suppress(OSError):
                self._beat()
            if self._is_over.wait(self._every_s):
                return
