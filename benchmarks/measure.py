"""Measures processes, and shows what was measured: shared by the programs of this folder.

Processor time is user and system time of a process and of its children. A reference loop in pure
Python tells how fast the machine is at that moment: figures of two sittings compare by it.
"""

import os
import signal
import statistics
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

REFERENCE_TURNS = 300_000


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process used: seconds until its end, seconds of processor time, peak memory."""

    wall_s: float
    cpu_s: float
    peak_mib: float


class RunFailedError(Exception):
    """A measured process did not end, or did not succeed."""


def measured(
    command: Sequence[str | Path],
    log: Path,
    *,
    timeout_s: float = 90,
    extra: Mapping[str, str] | None = None,
) -> Usage:
    """Run a command to its end and return what it used; ``log`` takes what it prints.

    Raises RunFailedError when it fails, or when it was stopped after ``timeout_s``.
    """
    return Measured(command, log, timeout_s=timeout_s, extra=extra).wait()


class Measured:
    """A process that runs now, in a process group of its own; ``wait`` measures it."""

    def __init__(
        self,
        command: Sequence[str | Path],
        log: Path,
        *,
        timeout_s: float = 90,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self._log, self._timeout_s, self._is_late = log, timeout_s, False
        self._started = time.monotonic()
        with log.open("wb") as file:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, "ANTHROPIC_API_KEY": "key", **(extra or {})},
                start_new_session=True,
            )
        self._timer = threading.Timer(timeout_s, self._stop_late)
        self._timer.start()

    def wait(self) -> Usage:
        """Wait for the end; raise RunFailedError unless the process succeeded."""
        try:
            _, status, used = os.wait4(self._process.pid, 0)
        except BaseException:
            self.kill()
            raise
        self._timer.cancel()
        self._process.returncode = code = os.waitstatus_to_exitcode(status)
        if self._is_late:
            raise RunFailedError(f"stopped after {self._timeout_s:.0f} s")
        if code:
            lines = self._log.read_text("utf-8", "replace").strip().splitlines() or [""]
            raise RunFailedError(f"ended with {code}: {lines[-1][:120]}")
        wall = time.monotonic() - self._started
        return Usage(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)

    def kill(self) -> None:
        """End the process as a power cut would, without a chance to tidy up."""
        self._timer.cancel()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended; only for a process that is killed, not waited for."""
        return self._process.poll() is None

    def _stop_late(self) -> None:
        self._is_late = True
        os.killpg(self._process.pid, signal.SIGKILL)


def slope_us(small: Usage, large: Usage, more_rows: int) -> float:
    """Return the processor time of one more row in microseconds: without what a start costs."""
    return (large.cpu_s - small.cpu_s) / more_rows * 1e6


def reference_ms() -> float:
    """Return the processor milliseconds of a fixed loop in pure Python, the least of three."""
    return min(_reference_ms() for _ in range(3))


def _reference_ms() -> float:
    before, total, names = time.process_time(), 0, {}
    for number in range(REFERENCE_TURNS):
        names[number & 1023] = total
        total += number & 7
    return (time.process_time() - before) * 1e3


@dataclass(frozen=True, slots=True)
class Sample:
    """The same figure, measured several times."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median; NaN without a value."""
        return statistics.median(self.values) if self.values else float("nan")

    def text(self, digits: int = 0) -> str:
        """Return the median with its range: ``12 (11 to 14)``."""
        if not self.values:
            return "-"
        low, high = (f"{limit:,.{digits}f}" for limit in (min(self.values), max(self.values)))
        middle = f"{self.median:,.{digits}f}"
        return middle if low == high else f"{middle} ({low} to {high})"


def ratio_text(figure: Sample, base: Sample | None) -> str:
    """Return how many times the base a figure is, by their medians: ``0.25``."""
    if base is None or not figure.values or not base.values or base.median <= 0:
        return "-"
    return f"{figure.median / base.median:.2f}"


def table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table that is also readable as text."""
    widths = [max(len(line[place]) for line in (head, *lines)) for place in range(len(head))]
    rule = ["-" * width for width in widths]
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in (head, rule, *lines)
    )
