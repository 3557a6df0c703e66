"""Whole runs: the real command as a child process, against the simulator over real HTTP."""

import atexit
import contextlib
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batcher.cli.main import main

SHARED = Path(os.environ.get("BATCHER_SHARED", Path(__file__).parents[2] / "../shared/data"))

# Columns that differ from run to run although the answers are the same.
VARYING_COLUMNS = {
    "_started_at", "_latency_s", "_ttft_s", "_request_id", "_message_id", "_run_id", "_attempts",
}  # fmt: skip


@dataclass(frozen=True)
class CommandResult:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str


def batcher(
    *arguments: object, key: str | None = None, folder: Path | None = None
) -> CommandResult:
    """Run a command in this process as on the command line, without a terminal.

    ``key`` sets the API key, ``folder`` the current folder.
    """
    out, err, code = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["batcher", *map(str, arguments)])
        if key is not None:
            patch.setenv("ANTHROPIC_API_KEY", key)
        if folder is not None:
            patch.chdir(folder)
        mask = os.umask(0o022)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os.umask(mask)
    return CommandResult(code, out.getvalue(), err.getvalue())


@cache
def simulator_forks() -> socket.socket:
    """Start the process that forks simulators; it ends with this one."""
    ours, theirs = socket.socketpair()
    program = Path(__file__).with_name("simulator_forks.py")
    command = [sys.executable, str(program), str(theirs.fileno())]
    process = subprocess.Popen(command, pass_fds=[theirs.fileno()])
    theirs.close()
    atexit.register(process.wait)
    atexit.register(ours.close)  # first: the last registered is the first called
    return ours


class Server:
    """The simulator as a process of its own; it serves several runs."""

    running: ClassVar[list["Server"]] = []

    def __init__(self, *arguments: str) -> None:
        stdin, self._stdin = os.pipe()
        stdout, writable = os.pipe()
        order = json.dumps(["--exit-with-parent", *arguments]).encode()
        socket.send_fds(simulator_forks(), [order], [stdin, writable])
        os.close(stdin)
        os.close(writable)
        self._stdout = os.fdopen(stdout)
        self.running.append(self)
        self.url = self._stdout.readline().removeprefix("listening on ").strip()

    def ledger(self, query: str = "") -> dict[str, Any]:
        """Return what the simulator has received and billed so far."""
        with urllib.request.urlopen(f"{self.url}/_simulator/ledger{query}") as response:
            return json.load(response)

    def entries(self) -> list[dict[str, Any]]:
        """Return all requests that the simulator received; needs --keep-requests."""
        with urllib.request.urlopen(f"{self.url}/_simulator/ledger/requests") as response:
            return [json.loads(line) for line in response.read().splitlines()]

    def close(self) -> None:
        """Stop the simulator."""
        self.running.remove(self)
        os.close(self._stdin)
        with self._stdout:
            self._stdout.read()  # it ends with the process


class Job:
    """A job file in its own folder, and the commands that run it."""

    started: ClassVar[list[subprocess.Popen[str]]] = []

    def __init__(self, folder: Path, server: Server | None) -> None:
        self.folder = folder
        self.server = server
        self.path = folder / "job.toml"
        self.output = folder / "out.parquet"

    def write(
        self, rows: list[Any] | None = None, *, request: str = "", more: str = "", **keys: str
    ) -> "Job":
        """Write rows.jsonl and a job file that asks about its column ``text``."""
        if rows is not None:
            lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
            (self.folder / "rows.jsonl").write_text("".join(line + "\n" for line in lines))
        given = {"input": 'path = "rows.jsonl"\n', "limits": "concurrency = 16\n", **keys}
        url = self.server.url if self.server else "http://127.0.0.1:9"
        request = request or 'prompt = "Classify: {{ text }}"\n'
        self.path.write_text(
            f"[input]\n{given['input']}\n"
            f'[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 400\n{request}\n'
            f'[output]\npath = "out.parquet"\n{given.get("output", "")}\n'
            f"[limits]\n{given['limits']}\n"
            f'[api]\nbase_url = "{url}"\n{given.get("api", "")}\n{more}'
        )
        return self

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start ``batcher run`` as a process and return at once."""
        process = subprocess.Popen(
            [sys.executable, "-m", "batcher", "run", str(self.path), "--yes", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "ANTHROPIC_API_KEY": "test-key"},
        )
        self.started.append(process)
        return process

    def run(self, *arguments: str, code: int = 0) -> str:
        """Run the job to its end, check the exit code, and return what the command printed.

        It runs in this process, because a new process takes a second to start. Use ``start`` for a
        run that is killed or stopped.
        """
        result = batcher("run", self.path, "--yes", *arguments, key="test-key")
        assert result.code == code, result.err
        assert "Traceback" not in result.err
        return result.err + result.out

    def command(self, name: str, *arguments: str) -> str:
        """Run another command on this job and return its standard output."""
        result = batcher(name, self.path, *arguments)
        assert result.code == 0, result.err
        return result.out

    def table(self) -> pa.Table:
        """Return the output; its file is closed, so that its disk space is free after deletion."""
        with pq.ParquetFile(self.output, page_checksum_verification=True) as file:
            return file.read()

    def stable_table(self) -> pa.Table:
        """Return the output without the columns that differ from run to run."""
        table = self.table()
        return table.select([name for name in table.column_names if name not in VARYING_COLUMNS])

    def metadata(self) -> dict[str, Any]:
        """Return the metadata of the output."""
        return json.loads(pq.read_metadata(self.output).metadata[b"batcher"])


def wait_for(server: Server, count: int, name: str = "answered") -> None:
    """Wait until a total in the simulator's ledger is at least ``count``."""
    deadline = time.monotonic() + 600
    while server.ledger(f"?{name}={count}")[name] < count:  # the simulator waits before it responds
        assert time.monotonic() < deadline, "the run makes no progress"


def kill(process: subprocess.Popen[str]) -> None:
    """Kill a run with SIGKILL."""
    process.send_signal(signal.SIGKILL)
    process.communicate()
