"""Measures runs in batches: time, memory and money, against the ledger and against a live run.

    python benchmarks/batches.py [--rows N,N] [--live] [--folder DIR]

Makes an input from a seed, and runs the real command on it with ``delivery.mode = "batch"`` against
the simulator in its own process, whose batches take seconds. With ``--live`` a live run of the same
rows follows, and both outputs are compared. Memory is the peak of the run's own process. Exits 1
when a row has no answer, when the bill is not that of the ledger to the last digit, when the price
is not half of the live one, when the outputs differ in more than they must, or when the largest
number of rows takes a tenth more memory than the smallest.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

TEXT = "parser library for reading large archives of mail, number {row} of many, with a small tool"
MUST_DIFFER = {
    "_delivery", "_cost_usd", "_started_at", "_latency_s", "_ttft_s", "_request_id", "_message_id",
    "_run_id", "_attempts",
}  # fmt: skip
MOST_GROWTH = 1.1
JOB = """\
[input]
path = "rows.jsonl"

[request]
model = "claude-haiku-5-5"
max_tokens = 200
prompt = "Classify: {{ text }}"

[labels]
fields = "label: tool|library|other"

[limits]
concurrency = 64

[output]
path = "out.parquet"

[delivery]
poll_s = 1

[api]
base_url = "URL"
"""


@dataclass(frozen=True)
class Measured:
    """One run: its seconds, processor seconds, peak memory in MiB, and exact cost in USD."""

    wall_s: float
    cpu_s: float
    mib: float
    usd: Decimal


@contextmanager
def simulator() -> Iterator[str]:
    """Run a simulator whose batches take seconds."""
    command = [sys.executable, "-m", "batcher.simulator", "--port", "0", "--exit-with-parent"]
    command += ["--latency", "0", "--batch-speed", "600", "--batch-spread", "0"]
    command += ["--batch-median-s", "600"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().removeprefix("listening on ").strip()
        process.stdin.close()


def ledger(url: str) -> dict[str, Any]:
    """Return what the simulator has billed."""
    with urllib.request.urlopen(f"{url}/_simulator/ledger") as response:
        found: dict[str, Any] = json.load(response)
        return found


def run(folder: Path, url: str, rows: int, delivery: str) -> Measured:
    """Run the job once; raise AssertionError when a promise is broken."""
    folder.mkdir(parents=True)
    with (folder / "rows.jsonl").open("w") as file:
        for row in range(rows):
            file.write(json.dumps({"text": TEXT.format(row=row)}) + "\n")
    (folder / "job.toml").write_text(JOB.replace("URL", url))
    before, started = Decimal(ledger(url)["cost_usd"]), time.perf_counter()
    command = [sys.executable, "-m", "batcher", "run", str(folder / "job.toml"), "--yes"]
    environ = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    with (folder / "stderr").open("w") as stderr:
        process = subprocess.Popen([*command, "--delivery", delivery], env=environ, stderr=stderr)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, (folder / "stderr").read_text()[-2000:]
    wall_s = time.perf_counter() - started
    metadata = pq.read_metadata(folder / "out.parquet").metadata[b"batcher"]
    usd = Decimal(json.loads(metadata)["totals"]["cost_usd"])
    billed = Decimal(ledger(url)["cost_usd"]) - before
    assert usd == billed, f"the bill says {usd}, the ledger {billed}"
    statuses = pq.read_table(folder / "out.parquet", columns=["_status"]).column(0).unique()
    assert statuses.to_pylist() == ["succeeded"], statuses
    return Measured(wall_s, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, usd)


def compare(batch: Path, live: Path) -> None:
    """Raise AssertionError when two outputs differ in more than they must."""
    with pq.ParquetFile(batch) as first, pq.ParquetFile(live) as second:
        names = [name for name in first.schema_arrow.names if name not in MUST_DIFFER]
        for group in range(first.num_row_groups):
            left = first.read_row_group(group, columns=names)
            right = second.read_row_group(group, columns=names)
            assert left.equals(right), f"row group {group} differs"


def main() -> int:
    """Measure, print a line a run, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rows", default="25000,250000")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder or Path(tempfile.mkdtemp(prefix="batcher-batches-"))
    mib = []
    with simulator() as url:
        for rows in map(int, arguments.rows.split(",")):
            measured = run(folder / f"batch-{rows}", url, rows, "batch")
            mib.append(measured.mib)
            print(f"{rows:>9,} rows in batches  {text_of(measured, rows)}", flush=True)
            if arguments.live:
                live = run(folder / f"live-{rows}", url, rows, "live")
                print(f"{rows:>9,} rows live        {text_of(live, rows)}", flush=True)
                assert measured.usd * 2 == live.usd, "batches do not cost half"
                compare(folder / f"batch-{rows}/out.parquet", folder / f"live-{rows}/out.parquet")
    shutil.rmtree(folder)
    print(f"memory grows by {mib[-1] / mib[0]:.2f} from the smallest to the largest")
    return int(mib[-1] > MOST_GROWTH * mib[0])


def text_of(measured: Measured, rows: int) -> str:
    """Write the figures of one run."""
    return (
        f"{measured.wall_s:7.1f} s, {measured.cpu_s:6.1f} s of processor time "
        f"({measured.cpu_s / rows * 1e6:,.0f} us a row), {measured.mib:4.0f} MiB, "
        f"${measured.usd}"
    )


if __name__ == "__main__":
    sys.exit(main())
