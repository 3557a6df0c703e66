"""What else is measured of ``batcher run``: starts, slow servers, limits, two processes, kills."""

import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contest import AIOHTTP, BATCHER, CONCURRENCIES, TIMEOUT_S, Arena, Contender
from far_side import FarSide, delayed_server
from measure import Measured, RunFailedError, Usage, measured, slope_us

from jobs import rows_file, write_job

Figures = Iterator[dict[str, Any]]
DELAYS_S = (0.1, 2.0)
WAVES = {(0.1, 64): 80, (0.1, 256): 40, (0.1, 2_000): 8}
"""How often each slot sends, by delay and concurrency: long enough for a window to grow."""
API_RPM, API_ANSWER_S = 10_000, 1.5


def starts(arena: Arena, server: FarSide, contenders: Sequence[Contender], rounds: int) -> Figures:
    """Measure the start of each contender with one row, and of batcher with nothing to do."""
    for _ in range(rounds):
        for contender in contenders:
            yield _start(contender, "", arena.usage(contender, server, 1, 64))
            if contender.script is None:
                yield from _batcher_starts(arena, server, contender)


def _batcher_starts(arena: Arena, server: FarSide, contender: Contender) -> Figures:
    command, log = arena.command(contender, server, 500, 64), arena.folder / "log"
    yield _start(contender, ", 500 rows", measured(command, log))
    yield _start(contender, ", nothing to do", measured(command, log))
    words = [contender.python, "-m", "batcher", "--help"]
    yield _start(contender, " --help", measured(words, log))


def _start(contender: Contender, what: str, used: Usage) -> dict[str, Any]:
    name = contender.name + what
    print(f"{name}: {used.wall_s:.2f} s, {used.peak_mib:.0f} MiB", flush=True)
    return {
        "contender": contender.name,
        "name": name.replace("batcher run --help", "batcher --help"),
        "wall_s": used.wall_s,
        "cpu_s": used.cpu_s,
        "peak_mib": used.peak_mib,
    }


def delays(arena: Arena, share: float) -> Figures:
    """Measure how much of its concurrency a contender uses on servers that take their time."""
    for delay_s in DELAYS_S:
        for concurrency in CONCURRENCIES:
            for contender in (BATCHER, AIOHTTP):
                waves = max(4, int(WAVES.get((delay_s, concurrency), 12) * share))
                with delayed_server(delay_s) as server:
                    try:
                        used = arena.usage(contender, server, waves * concurrency, concurrency)
                    except RunFailedError as error:
                        name = f"{contender.name}, {delay_s:g} s, c={concurrency}"
                        arena.failures[name] = str(error)
                        print(f"{name}: {error}", flush=True)
                        continue
                    counted = server.stats()
                figures = {
                    "contender": contender.name,
                    "delay_s": delay_s,
                    "concurrency": concurrency,
                    "share": counted["in_flight"] / concurrency,
                    "steady_share": counted["steady_in_flight"] / concurrency,
                    "rows_s": counted["requests"] / counted["seconds"],
                    "core_share": used.cpu_s / used.wall_s,
                    "connections": counted["connections"],
                }
                print(json.dumps(figures), flush=True)
                yield figures


@contextmanager
def _simulator(python: Path) -> Iterator[FarSide]:
    """Run the simulator with the API's limit and time to answer."""
    command = [
        python, "-m", "batcher.simulator", "--exit-with-parent", "--latency", "1",
        "--ttft-s", str(API_ANSWER_S), "--tokens-per-s", "100000",
        "--requests-per-minute", str(API_RPM), "--burst", "0.01",
        "--input-tokens-per-minute", "100000000", "--output-tokens-per-minute", "100000000",
    ]  # fmt: skip
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        try:
            yield FarSide("simulator", int(process.stdout.readline().strip().rpartition(":")[2]))
        finally:
            process.stdin.close()


def api_pace(arena: Arena, seconds: int) -> Figures:
    """Measure the share of a core at the pace of the API, once the run has begun."""
    with _simulator(BATCHER.python) as server:
        few = 500
        more = API_RPM * seconds // 60
        small, large = (_simulated(arena, server, rows) for rows in (few, few + more))
    seconds_more = large.wall_s - small.wall_s
    figures = {
        "core_share": (large.cpu_s - small.cpu_s) / seconds_more,
        "rpm": more / seconds_more * 60,
        "cpu_us": slope_us(small, large, more),
    }
    print(json.dumps(figures), flush=True)
    yield figures


def _simulated(arena: Arena, server: FarSide, rows: int) -> Usage:
    # The simulator's answers may be longer than max_tokens, and then their rows have failed.
    command = [*arena.command(BATCHER, server, rows, 500), "--set", "limits.max_failed=1"]
    return measured(command, arena.folder / "log", timeout_s=TIMEOUT_S)


def processes(arena: Arena, server: FarSide, rounds: int, share: float) -> Figures:
    """Measure the rate of one run, and of two runs of two jobs at once."""
    rows, concurrency = int(BATCHER.rows * share), 256
    for _ in range(rounds):
        for count in (1, 2):
            rates, cpu = [], 0.0
            small = _together(arena, server, count, concurrency, concurrency)
            large = _together(arena, server, count, concurrency + rows, concurrency)
            for few, many in zip(small, large, strict=True):
                cpu += many.cpu_s - few.cpu_s
            rates = max(one.wall_s for one in large) - max(one.wall_s for one in small)
            figures = {
                "processes": count,
                "rows_s": count * rows / rates,
                "cpu_us": cpu / (count * rows) * 1e6,
            }
            print(json.dumps(figures), flush=True)
            yield figures


def _together(
    arena: Arena, server: FarSide, count: int, rows: int, concurrency: int
) -> Sequence[Usage]:
    commands = [arena.command(BATCHER, server, rows, concurrency) for _ in range(count)]
    running = [
        Measured(command, arena.folder / f"log-{number}") for number, command in enumerate(commands)
    ]
    return [process.wait() for process in running]


def kills(arena: Arena, concurrency: int, times: int) -> Figures:
    """Kill a run in the middle and count the requests that the next run pays for again."""
    rows = 100 * concurrency
    for number in range(times):
        with delayed_server(0.1) as server:
            arena.runs += 1
            place = arena.folder / f"run-{arena.runs}"
            job = write_job(place, rows_file(arena.folder, rows), server.url, concurrency)
            words: list[str | Path] = [BATCHER.python, "-m", "batcher", "run", job, "--yes", "-q"]
            process = Measured(words, arena.folder / "log")
            try:
                _wait_for_requests(process, server, (10 + number) * concurrency)
            finally:
                process.kill()
            received = server.stats()["requests_received"]
            plan = _checked(job)
        figures = {
            "concurrency": concurrency,
            "lost": received - plan["already_answered"],
            "unknown": plan["attempted_before"],
        }
        print(json.dumps(figures), flush=True)
        yield figures


def _wait_for_requests(process: Measured, server: FarSide, count: int) -> None:
    while server.stats()["requests"] < count:
        if not process.is_running:
            raise RunFailedError("the run ended before it was killed")
        time.sleep(0.05)


def _checked(job: Path) -> dict[str, Any]:
    command = [BATCHER.python, "-m", "batcher", "check", job, "--json"]
    environment = {**os.environ, "ANTHROPIC_API_KEY": "key"}
    done = subprocess.run(command, capture_output=True, check=True, env=environment)
    return dict(json.loads(done.stdout)["plan"])
