"""Write the folder of a job with one version of batcher, for this version to resume.

    PYTHONPATH=<checkout of that version> python record.py .

A first run answers six rows: one is refused, one truncated, and with labels one answer breaks the
schema once. Three rows are added, a plan is saved, and the second run is killed before the response
for the last row: its attempt is unknown.
"""

import json
import os
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from batcher import __version__

FIRST = [
    {"id": "t-1", "text": "Where is my parcel?", "right": "delivery"},
    {"id": "t-2", "text": "I was charged twice.", "right": "billing"},
    {"id": "t-3", "text": "How do I log in?", "right": "account"},
    {"id": "t-4", "text": "Nothing fits [[invalid]]", "right": "other"},
    {"id": "t-5", "text": "[[refuse]] Say something forbidden", "right": "other"},
    {"id": "t-6", "text": "[[truncate]] Tell me a long story", "right": "other"},
]
SECOND = [
    {"id": "t-7", "text": "Where is my parcel?", "right": "delivery"},
    {"id": "t-8", "text": "The box was empty.", "right": "delivery"},
    {"id": "t-9", "text": "Never answered", "right": "other"},
]
PORT = 18089
NEUTRAL_HOST = "import socket; socket.gethostname = lambda: 'example.org'; "
MAIN = "from batcher.cli.main import main; main()"
JOB = f"""\
[job]
name = "tickets"

[input]
path = "rows.jsonl"
id = "id"

[request]
model = "claude-haiku-5-5"
max_tokens = 200
system = "You route support messages."
prompt = "{{{{ text }}}}"

[output]
path = "out.parquet"
keep = ["text"]

[limits]
concurrency = 4

[retry]
attempts = 3
patience_s = 60

[api]
base_url = "http://127.0.0.1:{PORT}"

[prices.overrides."claude-haiku-5-5"]
input = 1.00
output = 5.00
"""
BUDGET = '\n[budget]\nmax_cost_usd = 1.50\n\n[cache]\nmode = "auto"\nttl = "5m"\n'
LABELS = '\n[labels]\nschema = "labels.json"\non_invalid = "retry"\ngold = "right"\n'
SCHEMA = {
    "type": "object",
    "properties": {
        "team": {"enum": ["billing", "delivery", "account", "other"]},
        "urgent": {"type": "boolean"},
    },
    "required": ["team", "urgent"],
}


def write_rows(folder: Path, rows: list[dict[str, str]]) -> None:
    """Write the input."""
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def start(folder: Path, *words: str) -> "subprocess.Popen[str]":
    """Start the command of the version that records."""
    return subprocess.Popen(
        [sys.executable, "-c", NEUTRAL_HOST + MAIN, *words],
        cwd=folder,
        env={**os.environ, "ANTHROPIC_API_KEY": "test-key"},
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]", code: int) -> None:
    """Wait for a command and check its exit code."""
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors


def record(folder: Path) -> None:
    """Run the job twice; the second run is killed."""
    major, minor, *_ = __version__.split(".")
    version = int(major), int(minor)
    (folder / "job.toml").write_text(
        JOB + (BUDGET if version >= (0, 4) else "") + (LABELS if version >= (0, 5) else "")
    )
    if version >= (0, 5):
        (folder / "labels.json").write_text(json.dumps(SCHEMA, indent=2) + "\n")
    fault = ["--fault", "hang:match=Never"]
    server = subprocess.Popen(
        [sys.executable, "-m", "batcher.simulator", "--port", str(PORT), *fault],
        stdout=subprocess.PIPE,
    )
    try:
        assert server.stdout is not None
        server.stdout.readline()
        write_rows(folder, FIRST)
        finish(start(folder, "run", "job.toml", "--yes"), 3)
        write_rows(folder, FIRST + SECOND)
        if version >= (0, 4):
            finish(start(folder, "estimate", "job.toml", "--out", "plan.json"), 0)
        killed = start(folder, "run", "job.toml", "--yes")
        time.sleep(4)  # the other rows are answered and recorded
        assert killed.poll() is None
        killed.send_signal(signal.SIGKILL)
        killed.communicate()
    finally:
        server.terminate()
        server.wait()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir="/srv") as scratch:
        job = Path(scratch) / "tickets"
        job.mkdir()
        record(job)
        (job / "runs/tickets/ballast").unlink(missing_ok=True)  # 64 MiB of zeros
        with tarfile.open(Path(sys.argv[1]) / f"{__version__}.tar.xz", "w:xz") as archive:
            archive.add(job, "tickets")
