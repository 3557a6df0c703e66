"""A run under a limit on its memory starts with enough of it, or not at all."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
from whole_runs import Job, Server

MIB = 1 << 20


def run(job: Job, limit: int, size: int) -> tuple[int, str]:
    """Run a job in a process with this limit in bytes."""
    ended = subprocess.run(
        [sys.executable, "-m", "batcher", "run", str(job.path), "--yes"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANTHROPIC_API_KEY": "test-key"},
        preexec_fn=lambda: resource.setrlimit(limit, (size, size)),
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize(
    ("limit", "mib", "name"),
    [
        (resource.RLIMIT_AS, 900, "ulimit -v"),
        pytest.param(resource.RLIMIT_AS, 1300, "ulimit -v", marks=pytest.mark.slow),
        pytest.param(resource.RLIMIT_DATA, 700, "ulimit -d", marks=pytest.mark.slow),
    ],
)
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the system has no /proc")
def test_too_little_memory_is_refused_before_anything_is_sent(
    limit: int, mib: int, name: str, tmp_path: Path
) -> None:
    """The message says how much there is and how much a run needs; nothing was made."""
    job = Job(tmp_path, None).write([{"text": "one"}])
    code, printed = run(job, limit, mib * MIB)
    assert code == 2, printed
    assert f"may have {mib:,} MiB" in printed
    assert name in printed
    assert not (tmp_path / "runs").exists()


@pytest.mark.slow
def test_enough_memory_is_enough(tmp_path: Path) -> None:
    """What the message asks for is enough for the whole run."""
    server = Server("--latency", "0.01")
    job = Job(tmp_path, server).write([{"text": f"thing {n}"} for n in range(300)])
    code, printed = run(job, resource.RLIMIT_AS, 2100 * MIB)
    assert code == 0, printed
    server.close()
