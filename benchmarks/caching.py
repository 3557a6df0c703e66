"""Measures the share of common prompt tokens read from the cache: planned, unplanned, without it.

    python benchmarks/caching.py [--rows N] [--documents N] [--questions N] [--concurrency N]
                                 [--job prompt|random|ordered] [--stream yes|no]

Three jobs: rows under one system prompt of about 3,000 tokens; several questions about each
document, in random order; and the same questions in order. Each job runs against the simulator in
its own process, with and without streamed responses. *planned* and *none* are the real command,
with ``cache.mode`` at ``"auto"`` and ``"off"``; *unplanned* is a plain script over httpx that posts
the same requests, with the marks written by hand. The simulator counts the tokens and dollars. The
share is the tokens read from the cache, divided by all tokens read or written in the unplanned run.
"""

import argparse
import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

SEED = 11
MARK = {"cache_control": {"type": "ephemeral"}}
SERVER = ("--latency", "0.2", "--ttft-s", "0.8", "--tokens-per-s", "80")
REQUEST = {"model": "claude-haiku-5-5", "max_tokens": 60, "thinking": {"type": "disabled"}}
JOB = """\
[job]
state = "state"

[input]
path = "rows.jsonl"
id = "id"

[request]
model = "claude-haiku-5-5"
max_tokens = 60
thinking = {{ type = "disabled" }}
{prompt_lines}

[limits]
concurrency = {concurrency}
max_failed = 1

[cache]
mode = "{mode}"

[api]
base_url = "{url}"
stream = {stream}
"""


@dataclass(frozen=True, slots=True)
class Work:
    """A job's rows, the prompt lines of its job file, and the same requests as marked bodies."""

    rows: list[dict[str, Any]]
    prompt_lines: str
    bodies: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Figures:
    """The tokens and the cost that the simulator counted in one run, and the seconds it took."""

    read: int
    written: int
    cost_usd: float
    total_s: float


def text(rng: random.Random, size: int) -> str:
    """Return plausible words with the given number of bytes."""
    syllables = ["ka", "ro", "mi", "ten", "sul", "ar", "ben", "dor", "li", "vex"]
    words: list[str] = []
    while sum(map(len, words)) + len(words) < size:
        words.append("".join(rng.choices(syllables, k=rng.randint(1, 4))))
    return " ".join(words)[:size]


def one_prompt(options: Any) -> Work:
    """Return one question about each row, under one long system prompt."""
    rng = random.Random(SEED)
    system = text(rng, 7_500)
    rows = [{"id": str(n), "text": text(rng, 200)} for n in range(options.rows)]
    marked = [{"type": "text", "text": system, **MARK}]
    bodies = [
        {"system": marked, "messages": [{"role": "user", "content": f"Classify: {row['text']}"}]}
        for row in rows
    ]
    return Work(rows, f'system = {json.dumps(system)}\nprompt = "Classify: {{{{ text }}}}"', bodies)


def ordered(options: Any) -> Work:
    """Return several questions about each document, one document after the other."""
    rng = random.Random(SEED)
    rows, bodies = [], []
    for number in range(options.documents):
        document = {"type": "text", "text": text(rng, 12_000)}
        for question in range(options.questions):
            block = {"type": "text", "text": text(rng, 100)}
            rows.append({"id": f"{number}-{question}", "messages": user([document, block])})
            bodies.append({"messages": user([{**document, **MARK}, block])})
    return Work(rows, 'messages = "messages"', bodies)


def shuffled(options: Any) -> Work:
    """Return the same questions in random order."""
    work = ordered(options)
    pairs = list(zip(work.rows, work.bodies, strict=True))
    random.Random(SEED).shuffle(pairs)
    return Work([row for row, _ in pairs], work.prompt_lines, [body for _, body in pairs])


def user(content: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return a user message with this content."""
    return [{"role": "user", "content": content}]


@contextmanager
def simulator() -> Iterator[str]:
    """Run a simulator, and yield its address."""
    command = [sys.executable, "-m", "batcher.simulator", "--exit-with-parent", *SERVER]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().removeprefix("listening on ").strip()
    finally:
        process.stdin.close()
        process.wait(20)


def command(work: Work, options: Any, url: str, *, mode: str, stream: bool) -> None:
    """Run the job in a new folder with the real command."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in work.rows)
        job = JOB.format(
            prompt_lines=work.prompt_lines,
            mode=mode,
            url=url,
            concurrency=options.concurrency,
            stream=str(stream).lower(),
        )
        (folder / "job.toml").write_text(job)
        subprocess.run(
            [sys.executable, "-m", "batcher", "run", str(folder / "job.toml"), "--yes", "-q"],
            env={**os.environ, "ANTHROPIC_API_KEY": "simulator"},
            check=True,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )


async def fan_out(work: Work, options: Any, url: str, *, stream: bool) -> None:
    """Post all bodies as a plain script does: one connection a worker, and no waiting."""
    bodies = iter(work.bodies)
    headers = {"x-api-key": "simulator", "anthropic-version": "2026-10-21"}

    async def worker() -> None:
        # The simulator has no TLS: without verify no client loads certificates.
        async with httpx.AsyncClient(headers=headers, verify=False, timeout=60) as client:
            for body in bodies:
                request = {**REQUEST, "stream": stream, **body}
                (await client.post(f"{url}/v1/messages", json=request)).raise_for_status()

    await asyncio.gather(*(worker() for _ in range(options.concurrency)))


def measure(work: Work, options: Any, variant: str, *, stream: bool) -> Figures:
    """Send all requests once; ``variant`` is planned, unplanned or none."""
    with simulator() as url:
        started = time.perf_counter()
        if variant == "unplanned":
            asyncio.run(fan_out(work, options, url, stream=stream))
        else:
            mode = "auto" if variant == "planned" else "off"
            command(work, options, url, mode=mode, stream=stream)
        total_s = time.perf_counter() - started
        with urllib.request.urlopen(f"{url}/_simulator/ledger") as answer:
            ledger = json.load(answer)
    tokens = ledger["tokens"]
    written = tokens["cache_creation_5m_input_tokens"] + tokens["cache_creation_1h_input_tokens"]
    read = tokens["cache_read_input_tokens"]
    return Figures(read, written, float(ledger["cost_usd"]), total_s)


JOBS = {"prompt": one_prompt, "random": shuffled, "ordered": ordered}


def print_job(name: str, options: Any) -> None:
    """Run one job with each variant of caching, and print a line for each run."""
    work = JOBS[name](options)
    none = measure(work, options, "none", stream=True)
    line = f"| {name} | | none | | 0 | ${none.cost_usd:.4f} | | {none.total_s:.0f} s |"
    print(line, flush=True)
    for stream in options.stream or ["yes", "no"]:
        runs = {
            variant: measure(work, options, variant, stream=stream == "yes")
            for variant in ("unplanned", "planned")
        }
        shared = runs["unplanned"].read + runs["unplanned"].written
        for variant, run in runs.items():
            print(
                f"| {name} | {stream} | {variant} | {run.read / shared:.2%} | {run.written:,} "
                f"| ${run.cost_usd:.4f} | {1 - run.cost_usd / none.cost_usd:.0%} "
                f"| {run.total_s:.0f} s |",
                flush=True,
            )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000)
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--questions", type=int, default=20)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--job", action="append", choices=[*JOBS])
    parser.add_argument("--stream", action="append", choices=["yes", "no"])
    options = parser.parse_args()
    print("| job | streamed | cache | share read | written | cost | saved | time |")
    print("|---|---|---|---|---|---|---|---|")
    for name in options.job or JOBS:
        print_job(name, options)


if __name__ == "__main__":
    main()
