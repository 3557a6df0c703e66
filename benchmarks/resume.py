"""Measures time and memory of a million-row job that is nearly or completely answered.

    python benchmarks/resume.py [--rows N] [--missing N] [--rounds N] [--parquet] [--folder DIR]

Makes an input from a seed, and a checkpoint with a response for every row except some random ones,
as earlier runs leave it. Each round copies the checkpoint and runs the real command twice against
the simulator in its own process: the first run sends the missing rows, the second has nothing to
send. Figures are medians over the rounds; memory is the peak of the run's own process. Exits 1 when
a round breaks the promise for a million rows: the first request within 60 s, under 1 GiB of memory.
"""

import argparse
import hashlib
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batcher import __version__
from batcher.core.request.build import Request
from batcher.core.row import Row
from batcher.inputs.job_file.load import load_job
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.planner import comparison_of, make_plan
from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import record_rows_seen
from batcher.store.records import Intent, OutcomeRecord, RunEnd, RunStart
from jobs import TEXT

SEED = 7
GROUP_ROWS = 8_192
MAX_FIRST_S = 60
MAX_MIB = 1024
RUN_ID = "20261121T020000Z-000000"
THEN = datetime(2026, 11, 21, 2, tzinfo=UTC)
MODEL = "claude-haiku-5-5"
JOB = """\
[job]
state = "state"

[input]
path = "rows.{ending}"
id = "id"

[request]
model = "{model}"
max_tokens = 400
prompt = "What is this package for? Answer with one word.\\n\\n{{{{ text }}}}"

[output]
path = "out.parquet"

[limits]
concurrency = 64

[api]
base_url = "{url}"
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """One run: seconds to the first request (None if none was sent) and to the end, CPU, memory."""

    first_s: float | None
    total_s: float
    processor_s: float
    peak_mib: float


def make_rows(count: int) -> Iterator[dict[str, str]]:
    """Yield rows of 100 to 200 bytes of JSON."""
    rng = random.Random(SEED)
    vocabulary = TEXT.split()
    for number in range(count):
        words = rng.choices(vocabulary, k=rng.randint(12, 20))
        yield {"id": f"pkg-{number:07}", "text": f"{' '.join(words)} {rng.getrandbits(32):08x}"}


def write_input(folder: Path, count: int, *, as_parquet: bool) -> None:
    """Write the rows as JSON lines or as Parquet."""
    if as_parquet:
        table = pa.Table.from_pylist(list(make_rows(count)))
        pq.write_table(table, folder / "rows.parquet", row_group_size=50_000)
        return
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in make_rows(count))


def response_of(fingerprint: bytes) -> bytes:
    """Return the body of a response of about 500 bytes to the request with this fingerprint."""
    digest = hashlib.blake2b(fingerprint).hexdigest()
    text = f"A tool. {digest[:90]}"
    return json.dumps(
        {
            "id": f"msg_{digest[:24]}",
            "type": "message",
            "role": "assistant",
            "model": MODEL,
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {
                "input_tokens": 60,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": 0,
                "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
                "output_tokens": 30,
                "service_tier": "standard",
            },
        },
        separators=(",", ":"),
    ).encode()


def records_of(request: Request, attempt: int) -> tuple[Intent, OutcomeRecord]:
    """Return the records of one successful attempt."""
    (fingerprint,) = request.fingerprints
    intent = Intent(attempt, fingerprint, RUN_ID, MODEL, THEN, Decimal("0.00201"))
    outcome = OutcomeRecord(
        attempt_id=attempt,
        fingerprint=fingerprint,
        is_final=True,
        status="succeeded",
        billing="billed",
        http_status=200,
        error_type=None,
        error_message=None,
        request_id=f"req_{fingerprint.hex()}",
        message_id=f"msg_{fingerprint.hex()}",
        model=MODEL,
        stop_reason="end_turn",
        input_tokens=60,
        cache_creation_5m_input_tokens=0,
        cache_creation_1h_input_tokens=0,
        cache_read_input_tokens=0,
        output_tokens=30,
        thinking_tokens=None,
        cost_usd=Decimal("0.00021"),
        rates="standard",
        latency_s=1.25,
        ttft_s=None,
        ended_at=THEN,
        body=response_of(fingerprint),
    )
    return intent, outcome


def requests_of(context: JobContext) -> Iterator[Request]:
    """Yield every request of the job, in input order."""
    for chunk in context.source.chunks(None):
        for row in chunk.rows:
            assert isinstance(row, Row)
            request = context.maker.request_of(row)
            assert isinstance(request, Request)
            yield request


def write_responses(context: JobContext, state: Path, missing: frozenset[int]) -> None:
    """Record a response for every row except the missing ones, as an earlier run does."""
    state.mkdir()
    Checkpoint.create(state, version=__version__, now=THEN)
    checkpoint = Checkpoint(state)
    start = RunStart(RUN_ID, THEN, 1, "bench", "", __version__, "bench", "", "2026-11-21")
    checkpoint.commit({"runs": [start]})
    group: list[tuple[Intent, OutcomeRecord]] = []

    def commit() -> None:
        intents, outcomes = zip(*group, strict=True)
        checkpoint.commit({"attempts": intents, "outcomes": outcomes})
        checkpoint.checkpoint_if_due()
        group.clear()

    for ordinal, request in enumerate(requests_of(context)):
        if ordinal not in missing:
            group.append(records_of(request, ordinal + 1))
            if len(group) == GROUP_ROWS:
                commit()
    if group:
        commit()
    make_plan(context, checkpoint.call)
    record_rows_seen(checkpoint, comparison_of(context))
    checkpoint.commit({"run_ends": [RunEnd(RUN_ID, THEN, 0)]})
    checkpoint.close()


@contextmanager
def simulator() -> Iterator[str]:
    """Run a simulator that answers at once, and yield its address."""
    command = [sys.executable, "-m", "batcher.simulator", "--exit-with-parent", "--latency", "0"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        yield process.stdout.readline().removeprefix("listening on ").strip()
        process.stdin.close()


def received(url: str) -> int:
    """Return the number of requests that the simulator has received."""
    with urllib.request.urlopen(f"{url}/_simulator/ledger") as answer:
        return int(json.load(answer)["requests"])


def measured_run(job: Path, url: str) -> Figures:
    """Run the job to its end and return the figures."""
    before = received(url)
    first_s = None
    environment = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    command = [sys.executable, "-m", "batcher", "run", str(job), "--yes", "--quiet"]
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    while True:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        now = time.monotonic() - started
        if first_s is None and received(url) > before:
            first_s = now
        if pid:
            break
        time.sleep(0.05)
    if status:
        raise SystemExit(f"the run ended with {os.waitstatus_to_exitcode(status)}")
    return Figures(first_s, now, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def stamp_of(path: Path) -> tuple[int, int]:
    """Return the inode and the time of a file, which change when it is replaced."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def measure_round(folder: Path, url: str) -> tuple[Figures, Figures]:
    """Run the job twice; exit with an error when the second run sends or changes anything."""
    job, output = folder / "job.toml", folder / "out.parquet"
    shutil.rmtree(folder / "state", ignore_errors=True)
    output.unlink(missing_ok=True)
    shutil.copytree(folder / "answered", folder / "state")
    resumed = measured_run(job, url)
    stamp, sent = stamp_of(output), received(url)
    finished = measured_run(job, url)
    if stamp_of(output) != stamp or received(url) != sent:
        raise SystemExit("a run with nothing to do sent a request or changed its output")
    return resumed, finished


def build(folder: Path, url: str, options: argparse.Namespace) -> None:
    """Make the input, the job and its checkpoint; files of an earlier call are used again."""
    ending = "parquet" if options.parquet else "jsonl"
    if not (folder / f"rows.{ending}").exists():
        write_input(folder, options.rows, as_parquet=options.parquet)
    (folder / "job.toml").write_text(JOB.format(ending=ending, url=url, model=MODEL))
    if not (folder / "answered").exists():
        loaded = load_job(folder / "job.toml")
        context = open_job(loaded, is_simulated=False, today=THEN.date())
        missing = frozenset(random.Random(SEED).sample(range(options.rows), options.missing))
        write_responses(context, folder / "answered", missing)


def print_table(folder: Path, rounds: Sequence[tuple[Figures, Figures]]) -> None:
    """Print one line for each kind of run."""
    header = f"{'first request':>16}{'end':>10}{'processor':>12}{'memory':>12}"
    print(f"{'medians of ' + str(len(rounds)):24}{header}")
    for name, runs in zip(("some missing", "all answered"), zip(*rounds, strict=True), strict=True):
        firsts = [run.first_s for run in runs if run.first_s is not None]
        first = f"{statistics.median(firsts):.1f} s" if firsts else "none sent"
        total = f"{statistics.median(run.total_s for run in runs):.1f} s"
        processor = f"{statistics.median(run.processor_s for run in runs):.1f} s"
        peak = f"{statistics.median(run.peak_mib for run in runs):.0f} MiB"
        print(f"{name:24}{first:>16}{total:>10}{processor:>12}{peak:>12}")
    size = sum(file.stat().st_size for file in (folder / "state").glob("checkpoint.*"))
    print(f"{'checkpoint':24}{size / 2**20:.0f} MiB")


def broken_promises(rounds: Sequence[tuple[Figures, Figures]]) -> Iterator[str]:
    """Yield a message for each broken promise of a round."""
    for resumed, finished in rounds:
        if resumed.first_s is not None and resumed.first_s > MAX_FIRST_S:
            yield f"the first request came after {resumed.first_s:.1f} s, not {MAX_FIRST_S} s"
        peak = max(resumed.peak_mib, finished.peak_mib)
        if peak >= MAX_MIB:
            yield f"{peak:.0f} MiB of memory, not under {MAX_MIB} MiB"


def parsed(arguments: Sequence[str] | None = None) -> Any:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--missing", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--parquet", action="store_true", help="Parquet instead of JSONL")
    parser.add_argument("--folder", type=Path, help="keep everything there and use it again")
    return parser.parse_args(arguments)


def main() -> None:
    """Build, measure and print."""
    options = parsed()
    with tempfile.TemporaryDirectory() as temporary, simulator() as url:
        folder = options.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        build(folder, url, options)
        rounds = [measure_round(folder, url) for _ in range(options.rounds)]
        print_table(folder, rounds)
    if failures := list(broken_promises(rounds)):
        raise SystemExit("\n".join(failures))


if __name__ == "__main__":
    main()
