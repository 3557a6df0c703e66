"""The delivery of a run: what the job file and the command line say, and who allows batches."""

import json
from dataclasses import dataclass, field

import pytest
from whole_runs import Job, Server, batcher

from batcher.inputs.job_file.load import load_job
from batcher.runner.options import RunOptions
from batcher.runner.pipeline.run import run_job
from batcher.runner.ui import Snapshot

AUTO = '[delivery]\nmode = "auto"\ndeadline = "5h"\n'
ROWS = [{"text": f"row {number}"} for number in range(3)]


@dataclass
class Person:
    """Sits at a terminal and gives the same answer to every question."""

    answer: bool
    can_ask: bool = True
    asked: list[str] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)

    def say(self, text: str) -> None:
        """Read a message."""
        self.heard.append(text)

    def confirm(self, question: str) -> bool | None:
        """Answer a question."""
        self.asked.append(question)
        return self.answer

    def show(self, snapshot: Snapshot) -> None:
        """See nothing."""

    def end(self) -> None:
        """Do nothing."""


def run_with(person: Person, job: Job, options: RunOptions | None = None) -> None:
    """Run a job with a person at the terminal."""
    environ = {"ANTHROPIC_API_KEY": "test-key"}
    run_job(load_job(job.path), options or RunOptions(), person, environ)


def test_the_first_run_of_auto_asks_for_batches_once_and_keeps_a_no(
    job: Job, server: Server
) -> None:
    """The question says what batches mean; after a no, runs are live and say so, unasked."""
    person = Person(answer=False)
    run_with(person, job.write(ROWS, more=AUTO))
    assert len(person.asked) == 1
    assert "not covered by zero-data-retention agreements" in person.asked[0]
    assert "29 days" in person.asked[0]
    run_with(person, job.write([*ROWS, {"text": "another"}], more=AUTO))
    assert len(person.asked) == 1
    assert sum("batches are not allowed" in line for line in person.heard) == 2
    assert server.ledger()["requests"] == 4


def test_nobody_at_the_terminal_and_yes_allow_no_batches(job: Job, server: Server) -> None:
    """``--yes`` agrees to a cost, not to a retention; both run live, and nothing is remembered."""
    silent, hasty = Person(answer=True, can_ask=False), Person(answer=True)
    run_with(silent, job.write(ROWS, more=AUTO))
    run_with(hasty, job.write([*ROWS, {"text": "another"}], more=AUTO), RunOptions(says_yes=True))
    assert (silent.asked, hasty.asked) == ([], [])
    assert server.ledger()["requests"] == 4
    assert not (job.folder / "runs/job/consent.json").exists()


def test_a_job_that_forbids_batches_is_not_asked(job: Job, server: Server) -> None:
    """``allow_batch = false`` in the job file is an answer."""
    person = Person(answer=True)
    run_with(person, job.write(ROWS, more=f"{AUTO}allow_batch = false\n"))
    assert person.asked == []
    assert server.ledger()["requests"] == 3


def test_an_answer_that_cannot_be_read_is_asked_again(job: Job) -> None:
    """The file of the answer is damaged: nobody has allowed anything."""
    person = Person(answer=False)
    run_with(person, job.write(ROWS, more=AUTO))
    for damage in ("", "[1]", '{"allow_batch": "yes"}'):
        (job.folder / "runs/job/consent.json").write_text(damage)
        run_with(person, job.write([*ROWS, {"text": f"damage {damage}"}], more=AUTO))
    assert len(person.asked) == 4
    assert json.loads((job.folder / "runs/job/consent.json").read_text())["allow_batch"] is False


@pytest.mark.parametrize(
    ("more", "arguments", "problem"),
    [
        ("", ("--deadline", "5h"), "--deadline has no effect with delivery live"),
        (AUTO, ("--delivery", "batch", "--deadline", "5h"), "no effect with delivery batch"),
        ("", ("--delivery", "auto"), "--delivery auto needs a deadline"),
        ("", ("--delivery", "auto", "--deadline", "soon"), "not a deadline: 'soon'"),
    ],
)
def test_delivery_and_deadline_have_to_fit(
    job: Job, server: Server, more: str, arguments: tuple[str, ...], problem: str
) -> None:
    """Exit 2 before anything is sent."""
    job.write(ROWS, more=more)
    result = batcher("run", job.path, *arguments, key="test-key")
    assert result.code == 2
    assert problem in result.err
    assert server.ledger()["requests"] == 0


def test_the_command_line_sends_a_job_of_auto_live(job: Job, server: Server) -> None:
    """``--delivery live`` leaves the job file's deadline aside."""
    job.write(ROWS, more=f"{AUTO}allow_batch = true\n")
    assert batcher("run", job.path, "--delivery", "live", key="test-key").code == 0
    assert server.ledger()["requests"] == 3
