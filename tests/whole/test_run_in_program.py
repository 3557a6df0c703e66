"""A program can run jobs: from threads, without a terminal, and with its own signals and umask."""

import os
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow.parquet as pq
from whole_runs import Job, Server

from batcher.inputs.job_file.load import load_job
from batcher.runner.options import RunOptions, RunResult
from batcher.runner.pipeline.run import run_job
from batcher.runner.ui import Snapshot

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class SilentUi:
    """Shows nothing and cannot be asked."""

    can_ask = False

    def say(self, text: str) -> None:
        """Show nothing."""

    def confirm(self, question: str) -> bool | None:
        """Give no answer."""

    def reading(self, phase: str, rows: int) -> None:
        """Show nothing."""

    def show(self, snapshot: Snapshot) -> None:
        """Show nothing."""

    def end(self) -> None:
        """Do nothing."""


def run(folder: Path, server: Server) -> RunResult:
    """Run a job of 30 rows of its own, as a program would."""
    folder.mkdir()
    job = Job(folder, server).write([{"text": f"{folder.name} {n}"} for n in range(30)])
    environ = {"ANTHROPIC_API_KEY": "test-key"}
    return run_job(load_job(job.path), RunOptions(), SilentUi(), environ)


def test_jobs_run_in_threads_and_leave_the_process_alone(tmp_path: Path, server: Server) -> None:
    """Two jobs at once finish outside of the main thread; signals and umask stay as they were."""
    handlers = [signal.getsignal(number) for number in SIGNALS]
    before = os.umask(0o022)
    try:
        with ThreadPoolExecutor(2) as pool:
            folders = [tmp_path / "first", tmp_path / "second"]
            results = list(pool.map(lambda folder: run(folder, server), folders))
        assert os.umask(0o022) == 0o022
    finally:
        os.umask(before)
    assert [signal.getsignal(number) for number in SIGNALS] == handlers
    for folder, result in zip(folders, results, strict=True):
        assert result.exit_code == 0
        assert pq.read_table(folder / "out.parquet").num_rows == 30
        # The state is private although the umask lets others read.
        assert stat.S_IMODE((folder / "runs/job").stat().st_mode) == 0o700
    assert server.ledger()["answered"] == 60
