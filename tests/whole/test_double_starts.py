"""Two commands that start a job at the same time: one runs, the other names its process."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from whole_runs import Job, Server

# Runs in forks of a process with all imports done: starting Python takes longer than a run.
PAIRS = """
import json, os, sys
import batcher.cli.commands.run
from batcher.cli import main

def run(job, errors):
    os.dup2(os.open(errors, os.O_WRONLY | os.O_CREAT), 2)
    sys.argv = ["batcher", "run", job, "--yes"]
    main()

for line in sys.stdin:
    job = line.strip()
    children = [os.fork() or run(job, f"{job}.{which}.log") for which in range(2)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    print(json.dumps([children, codes]), flush=True)
"""


@pytest.mark.parametrize(
    "times",
    [1, pytest.param(4, marks=pytest.mark.slow), pytest.param(100, marks=pytest.mark.crash)],
)
@pytest.mark.timeout(3600)
def test_of_two_commands_one_runs(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second exits 8 and names the first process, and each row is sent once."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    server = Server("--latency", "0.3")
    with subprocess.Popen(
        [sys.executable, "-c", PAIRS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as pairs:
        for number in range(times):
            folder = tmp_path / str(number)
            folder.mkdir()
            job = Job(folder, server).write([{"text": f"{number}"}])
            pairs.stdin.write(f"{job.path}\n")
            pairs.stdin.flush()
            processes, codes = json.loads(pairs.stdout.readline())
            assert sorted(codes) == [0, 8]
            loser, winner = codes.index(8), processes[codes.index(0)]
            printed = Path(f"{job.path}.{loser}.log").read_text()
            assert f"this job is locked by process {winner} on " in printed
            assert server.ledger()["requests"] == number + 1
            assert job.table().num_rows == 1
        pairs.stdin.close()
    server.close()
