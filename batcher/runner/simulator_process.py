"""The embedded simulator: a process of its own that runs as long as a command needs it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from batcher.core.job import ApiSection
from batcher.errors import BatcherError
from batcher.runner.job_context import JobContext

_END_S = 10
_BATCH_SPEED = "300"  # a batch of an hour takes twelve seconds


@contextmanager
def server_of(context: JobContext, latency: float, variety: float = 0.0) -> Iterator[ApiSection]:
    """Yield the [api] section to use; a simulator runs meanwhile if it is the job's server.

    ``latency`` scales the simulator's response times: 1 is realistic, 0 responds at once.
    ``variety`` is the share of repeated requests that get a new answer, for jobs with several
    samples.
    """
    api = context.job.api
    if not context.asks_simulator:
        yield api
        return
    with _running_simulator(latency, variety) as url:
        yield api.model_copy(update={"base_url": url, "auth": "x-api-key"})


@contextmanager
def _running_simulator(latency: float, variety: float) -> Iterator[str]:
    """Start a simulator on a free port and yield its address; it stops with this process.

    The simulator has its own session, so that Ctrl-C does not stop it before the run has finished
    its requests.
    """
    command = [sys.executable, "-m", "batcher.simulator", "--port", "0", "--exit-with-parent"]
    command += ["--latency", str(latency), "--variety-rate", str(variety)]
    command += ["--batch-speed", _BATCH_SPEED]
    with subprocess.Popen(  # noqa: S603 - our own module
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 - both are pipes
        assert process.stdout is not None  # noqa: S101
        try:
            line = process.stdout.readline()
            if not line.startswith("listening on "):
                raise BatcherError("the simulator did not start")
            yield line.removeprefix("listening on ").strip()
        finally:
            process.stdin.close()
            try:
                process.wait(_END_S)
            except subprocess.TimeoutExpired:
                process.kill()
