"""Before money is spent, and before answers of two servers are mixed, somebody says yes."""

import os
import subprocess
import sys
from pathlib import Path

from test_main_job import rows
from whole_runs import Job, Server


def run_unasked(job: Job, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run without --yes and without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "batcher", "run", str(job.path), *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ANTHROPIC_API_KEY": "test-key"},
    )


def test_a_dear_run_needs_a_yes(job: Job, server: Server) -> None:
    """Above a dollar in the worst case, without a terminal: exit 10, and how to say yes."""
    job.write(rows(50))
    job.path.write_text(job.path.read_text().replace("claude-haiku-5-5", "claude-fable-5-2"))
    job.path.write_text(job.path.read_text().replace("max_tokens = 400", "max_tokens = 4000"))
    result = run_unasked(job)
    assert result.returncode == 10
    assert "--yes" in result.stderr
    assert server.ledger()["requests"] == 0


def test_a_cheap_run_does_not_ask(job: Job, server: Server) -> None:
    """A few cents at most are spent without a question."""
    assert run_unasked(job.write(rows(5))).returncode == 0
    assert server.ledger()["requests"] == 5


def test_answers_of_two_servers_are_not_mixed_unasked(tmp_path: Path) -> None:
    """Another base_url over a checkpoint with answers: exit 10, both servers named."""
    first, second = Server(), Server()
    job = Job(tmp_path, first)
    job.write(rows(5)).run()
    job.server = second
    result = run_unasked(job.write(rows(8)))
    assert result.returncode == 10
    assert first.url in result.stderr
    assert second.url in result.stderr
    assert second.ledger()["requests"] == 0
    first.close()
    second.close()


def test_a_try_out_does_not_replace_a_larger_output_unasked(job: Job) -> None:
    """``--limit`` over a finished job: exit 10 without a terminal, and the output is as it was."""
    job.write(rows(30)).run()
    before = job.output.read_bytes()
    result = run_unasked(job, "--limit", "5")
    assert result.returncode == 10
    assert "30 rows" in result.stderr
    assert job.output.read_bytes() == before
