"""Confirmation: before money is spent, answers are mixed or a larger output is replaced."""

from pathlib import Path

from test_main_job import rows
from whole_runs import CommandResult, Job, Server, batcher


def run_without_terminal(job: Job, *arguments: str) -> CommandResult:
    """Run a job without --yes and without a terminal."""
    return batcher("run", job.path, *arguments, key="test-key")


def test_an_expensive_run_needs_a_yes(job: Job, server: Server) -> None:
    """Above a dollar in the worst case, without a terminal: exit 10; the message names --yes."""
    job.write(rows(50))
    job.path.write_text(job.path.read_text().replace("claude-haiku-5-5", "claude-fable-5-2"))
    job.path.write_text(job.path.read_text().replace("max_tokens = 400", "max_tokens = 4000"))
    result = run_without_terminal(job)
    assert result.code == 10
    assert "--yes" in result.err
    assert server.ledger()["requests"] == 0


def test_a_cheap_run_does_not_ask(job: Job, server: Server) -> None:
    """A run that can cost a few cents at most starts without a question."""
    assert run_without_terminal(job.write(rows(5))).code == 0
    assert server.ledger()["requests"] == 5


def test_mixing_answers_of_two_servers_needs_a_yes(tmp_path: Path) -> None:
    """Another base_url for a checkpoint with answers: exit 10, and both servers are named."""
    first, second = Server(), Server()
    job = Job(tmp_path, first)
    job.write(rows(5)).run()
    job.server = second
    result = run_without_terminal(job.write(rows(8)))
    assert result.code == 10
    assert first.url in result.err
    assert second.url in result.err
    assert second.ledger()["requests"] == 0
    first.close()
    second.close()


def test_replacing_a_larger_output_needs_a_yes(job: Job) -> None:
    """``--limit`` on a finished job: exit 10 without a terminal, and the output is unchanged."""
    job.write(rows(30)).run()
    before = job.output.read_bytes()
    result = run_without_terminal(job, "--limit", "5")
    assert result.code == 10
    assert "30 rows" in result.err
    assert job.output.read_bytes() == before


def test_the_question_names_the_budget_and_how_far_it_goes(job: Job, server: Server) -> None:
    """With a terminal it is in the question; without one the run says it and starts."""
    job.write(rows(200), more="[budget]\nmax_cost_usd = 0.002\nconfirm_above_usd = 0\n")
    printed = run_without_terminal(job).err
    assert "budget $0.0020 stops this at about" in printed
    assert "of 200 rows" in printed
    assert 0 < server.ledger()["requests"] < 200
