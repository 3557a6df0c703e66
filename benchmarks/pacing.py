"""Measures jobs over real HTTP under rate limits, and the same limits in the simulation.

    python benchmarks/pacing.py

First 300 rows at 20 requests a second; then three situations of tests/pacing at a small scale. A
share is the number of responses after the warm-up, divided by what the limits allow in that time.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "whole"), str(TESTS / "pacing")]

from batcher_pacing import BatcherPacing  # noqa: E402
from profiles import Limits, Profile, Sizes  # noqa: E402
from race import race  # noqa: E402
from whole_runs import Job, Server  # noqa: E402

WARM_UP_S, DURATION_S = 10, 40


@dataclass(frozen=True)
class Situation:
    """Limits per minute, the capacity of a bucket as a share of them, and the bytes of a row."""

    name: str
    requests: int
    input_tokens: int
    output_tokens: int
    burst: float
    text_bytes: int

    @property
    def arguments(self) -> list[str]:
        """The arguments of a simulator with these limits."""
        values = {
            "--requests-per-minute": self.requests,
            "--input-tokens-per-minute": self.input_tokens,
            "--output-tokens-per-minute": self.output_tokens,
            "--burst": self.burst,
            "--latency": 0.5,
        }
        return [str(word) for pair in values.items() for word in pair]


SITUATIONS = (
    Situation("requests", 1_200, 10_000_000, 10_000_000, 0.05, 200),
    Situation("input tokens", 100_000, 600_000, 10_000_000, 0.05, 4_000),
    Situation("a second's burst", 1_200, 10_000_000, 10_000_000, 1 / 60, 200),
)


@dataclass(frozen=True)
class Measured:
    """The measurements of a run: seconds of the responses since the first request, and counts."""

    ended_s: list[float]
    sent: int
    refused: int
    input_mean: float
    output_mean: float

    def share(self, situation: Situation) -> float:
        """Return the measured responses, as a share of what the tightest limit allows."""
        done = sum(WARM_UP_S <= second < DURATION_S for second in self.ended_s)
        per_minute = min(
            situation.requests,
            situation.input_tokens / self.input_mean,
            situation.output_tokens / self.output_mean,
        )
        return done / (per_minute / 60 * (DURATION_S - WARM_UP_S))


def run_job(
    folder: Path, arguments: list[str], rows: list[dict[str, str]], concurrency: int
) -> Measured:
    """Run a job against its own simulator and read its checkpoint."""
    server = Server(*arguments)
    try:
        job = Job(folder, server).write(rows, limits=f"concurrency = {concurrency}\n")
        process = job.start("--max-time", f"{DURATION_S + 10}s")
        _, stderr = process.communicate(timeout=600)
        assert process.returncode in (0, 7), stderr
    finally:
        server.close()
    with duckdb.connect(str(folder / "runs/job/checkpoint.duckdb"), read_only=True) as connection:
        (start,) = connection.execute("SELECT min(sent_at) FROM attempts").fetchone()
        ended = connection.execute(
            "SELECT ended_at FROM outcomes WHERE status = 'succeeded' ORDER BY 1"
        ).fetchall()
        counts = connection.execute(
            "SELECT count(*), count(*) FILTER (WHERE http_status = 429), avg(input_tokens), "
            "avg(output_tokens) FROM outcomes"
        ).fetchone()
    return Measured([(at - start).total_seconds() for (at,) in ended], *counts)


def row(number: int, size: int) -> dict[str, str]:
    """Return a row of about ``size`` bytes."""
    return {"id": f"r{number}", "text": f"{number} " + "word " * (size // 5)}


def race_of_300() -> None:
    """Print the race of 300 rows: 20 requests a second, a burst of 20; 14 s is the minimum."""
    print("| 300 rows | seconds, first to last | 429s | rows lost |\n|---|---|---|---|")
    for round_number in range(3):
        with tempfile.TemporaryDirectory() as folder:
            arguments = [
                "--requests-per-minute",
                "1200",
                "--burst",
                str(1 / 60),
                "--latency",
                "0.06",
            ]
            run = run_job(Path(folder), arguments, [row(n, 40) for n in range(300)], 50)
        lost = 300 - len(run.ended_s)
        print(f"| round {round_number + 1} | {run.ended_s[-1]:.1f} | {run.refused} | {lost} |")


def virtual(situation: Situation, measured: Measured) -> tuple[float, float]:
    """Return the share reached and the share refused, with the same limits in the simulation."""
    limits = Limits(situation.requests, situation.input_tokens, situation.output_tokens)
    sizes = Sizes(measured.input_mean, measured.output_mean, input_sigma=0.01)
    result = race(
        "batcher",
        BatcherPacing,
        Profile(
            situation.name, limits, sizes, DURATION_S, WARM_UP_S, situation.burst, concurrency=256
        ),
    )
    return result.efficiency, result.refusals


def small_scale() -> None:
    """Print three situations, over HTTP and in the simulation."""
    print("\n| limited by | share over HTTP | virtual | 429s over HTTP | virtual |")
    print("|---|---|---|---|---|")
    for situation in SITUATIONS:
        rows = [row(n, situation.text_bytes) for n in range(1_600)]
        with tempfile.TemporaryDirectory() as folder:
            measured = run_job(Path(folder), situation.arguments, rows, 256)
        share, refused = virtual(situation, measured)
        print(
            f"| {situation.name} | {measured.share(situation):.1%} | {share:.1%} "
            f"| {measured.refused / measured.sent:.2%} | {refused:.2%} |"
        )


if __name__ == "__main__":
    race_of_300()
    small_scale()
