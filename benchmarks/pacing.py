"""Runs jobs over real HTTP against limits, beside the same limits under the virtual clock.

    python benchmarks/pacing.py

First the race of 300 rows at 20 requests a second; then three situations of tests/pacing at a small
scale. A share is the answers after the warm-up that the limits allow in that time.
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import duckdb

TESTS = Path(__file__).parents[1] / "tests"
sys.path[:0] = [str(TESTS / "whole"), str(TESTS / "pacing")]

from ours import Ours  # noqa: E402
from profiles import Limits, Profile, Sizes  # noqa: E402
from race import race  # noqa: E402
from whole_runs import Job, Server  # noqa: E402

WARM_UP_S, DURATION_S = 10, 40


@dataclass(frozen=True)
class Situation:
    """Limits a minute, what a bucket holds as a share of it, and the length of a row's text."""

    name: str
    requests: int
    input_tokens: int
    output_tokens: int
    burst: float
    text_bytes: int

    @property
    def arguments(self) -> list[str]:
        """How to start a simulator with these limits."""
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
    """What a run came to: answers by the second since the first was sent, and its counts."""

    ended_s: list[float]
    sent: int
    refused: int
    input_mean: float
    output_mean: float

    def share(self, situation: Situation) -> float:
        """Answers in the measured time, of what the tightest limit refills in it."""
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
    """Run a job against a simulator of its own and read its checkpoint."""
    server = Server(*arguments)
    try:
        job = Job(folder, server).write(rows, limits=f"concurrency = {concurrency}\n")
        process = job.start("--max-time", f"{DURATION_S + 10}s")
        _, said = process.communicate(timeout=600)
        assert process.returncode in (0, 7), said
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


def thing(number: int, size: int) -> dict[str, str]:
    """A row of about so many bytes."""
    return {"id": f"r{number}", "text": f"{number} " + "word " * (size // 5)}


def race_of_300() -> None:
    """20 requests a second, a burst of 20, retry-after 1 s: 14 s are the least there is."""
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
            found = run_job(Path(folder), arguments, [thing(n, 40) for n in range(300)], 50)
        lost = 300 - len(found.ended_s)
        print(f"| round {round_number + 1} | {found.ended_s[-1]:.1f} | {found.refused} | {lost} |")


def virtual(situation: Situation, measured: Measured) -> tuple[float, float]:
    """The same limits and sizes under the virtual clock: share reached, share refused."""
    limits = Limits(situation.requests, situation.input_tokens, situation.output_tokens)
    sizes = Sizes(measured.input_mean, measured.output_mean, input_sigma=0.01)
    result = race(
        "batcher",
        Ours,
        Profile(
            situation.name, limits, sizes, DURATION_S, WARM_UP_S, situation.burst, concurrency=256
        ),
    )
    return result.efficiency, result.refusals


def small_scale() -> None:
    """Three situations, over HTTP and under the virtual clock."""
    print("\n| limited by | share over HTTP | virtual | 429s over HTTP | virtual |")
    print("|---|---|---|---|---|")
    for situation in SITUATIONS:
        rows = [thing(n, situation.text_bytes) for n in range(1_600)]
        with tempfile.TemporaryDirectory() as folder:
            found = run_job(Path(folder), situation.arguments, rows, 256)
        share, refused = virtual(situation, found)
        print(
            f"| {situation.name} | {found.share(situation):.1%} | {share:.1%} "
            f"| {found.refused / found.sent:.2%} | {refused:.2%} |"
        )


if __name__ == "__main__":
    race_of_300()
    small_scale()
