"""Runs the driver under strace: traces its system calls, and makes one of them fail."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
COMMITS = 9
"""The number of commits that the driver makes."""
DATABASE = "checkpoint.duckdb"
LOG = "checkpoint.duckdb.wal"
FILLED = (".", DATABASE, LOG, "watermark")
"""The files that a run writes in a job's folder, and the folder itself, which is synced."""
CREATED = (*FILLED, f"{DATABASE}.new", f"{DATABASE}.new.wal", "lock")
"""All files that the store writes in a job's folder."""
WRITING = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "ftruncate", "fallocate", "rename",
    "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "flock", "close",
)  # fmt: skip
_CALL = re.compile(r"\d+ +(\w+)\((.*)\) += (-?\d+)(?: |$)")
_PARTS = re.compile(r"(\d+) +(?:(.*) <unfinished \.\.\.>|<\.\.\. \w+ resumed>(.*))$")
ENVIRONMENT = os.environ | {
    "PYTHONPATH": os.pathsep.join(
        [*filter(None, [os.environ.get("PYTHONPATH")]), str(HERE.parents[1] / "store")]
    ),
    "OPENBLAS_NUM_THREADS": "1",
}


@dataclass(frozen=True, slots=True)
class Call:
    """A finished system call; texts and data are bytes, other arguments as strace prints them."""

    name: str
    arguments: tuple[bytes | str, ...]
    result: int


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault at the n-th call with a name: the name of an error, or SIGKILL before the call."""

    call: str
    nth: int
    effect: str

    def __str__(self) -> str:
        return f"{self.effect} at {self.call} {self.nth}"

    @property
    def injection(self) -> str:
        """The fault in strace's syntax."""
        kind = "signal" if self.effect.startswith("SIG") else "error"
        return f"inject={self.call}:{kind}={self.effect}:when={self.nth}"


@dataclass(frozen=True, slots=True)
class RunResult:
    """The driver's exit code, its last acknowledged commit, and the error that it reported."""

    code: int
    acked: int
    refused: str | None
    errors: str


def missing_strace() -> str | None:
    """Return why system calls cannot be traced here; None when they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    process = subprocess.run(
        ["strace", "-o", os.devnull, sys.executable, "-c", ""], capture_output=True, check=False
    )
    return None if process.returncode == 0 else "this machine does not let strace trace"


def output_path(trace: Path) -> Path:
    """Return the path of the driver's output."""
    return trace.with_suffix(".out")


def run_driver(
    folder: Path, commits: int, trace: Path, files: Sequence[Path], fault: Fault | None = None
) -> RunResult:
    """Run the driver and trace its calls on some files; its output goes to ``output_path(trace)``.

    strace counts the calls of each thread separately, and only those on the given files. With its
    filter in the kernel (--seccomp-bpf) it would silently ignore the fault.
    """
    command = ["strace", "-f", "-qq", "-xx", "-s", str(1 << 24), "-o", str(trace)]
    command += [word for path in files for word in ("-P", str(path))]
    command += ["-e", f"trace={','.join(WRITING)}"]
    if fault is not None:
        command += ["-e", fault.injection]
    command += [sys.executable, str(HERE / "driver.py"), str(folder), str(commits)]
    with output_path(trace).open("wb") as out:
        errors, code = _run(command, out.fileno())
    if fault is not None and not _has_fired(trace, fault):
        raise AssertionError(f"{fault} did not happen")
    lines = output_path(trace).read_text().splitlines()
    acked = [int(line.split()[1]) for line in lines if line.startswith("acked")]
    refused = [line.split()[1] for line in lines if line.startswith("refused")]
    return RunResult(code, max(acked, default=0), refused[0] if refused else None, errors)


def _run(command: list[str], out: int) -> tuple[str, int]:
    with subprocess.Popen(
        command, stdout=out, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT, process_group=0
    ) as process:
        try:
            _, errors = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return errors, process.returncode


def _has_fired(trace: Path, fault: Fault) -> bool:
    mark = "killed by SIGKILL" if fault.effect == "SIGKILL" else "(INJECTED)"
    return mark in trace.read_text()


def calls(trace: Path) -> Iterator[Call]:
    """Yield the finished calls, in the order in which they returned."""
    unfinished: dict[str, str] = {}
    with trace.open() as lines:
        for line in lines:
            whole = line.rstrip("\n")
            if part := _PARTS.match(whole):
                thread, beginning, ending = part.groups()
                if beginning is not None:
                    unfinished[thread] = beginning
                    continue
                whole = f"{thread} {unfinished.pop(thread)}{ending}"
            if call := _CALL.match(whole):
                name, arguments, result = call.groups()
                values = tuple(map(_value, arguments.split(", ")))
                yield Call(name, values, int(result))


def _value(argument: str) -> bytes | str:
    if not argument.startswith('"'):
        return argument
    if not argument.endswith('"'):
        raise ValueError("strace truncated a text")
    return bytes.fromhex(argument.strip('"').replace("\\x", ""))
