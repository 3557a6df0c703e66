"""The delivery of a run: what the job file and the command line say, and who allows batches."""

import json
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pytest
from whole_runs import CommandResult, Job, Server, batcher

from batcher.core.delivery import RETENTION
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

    def reading(self, phase: str, rows: int) -> None:
        """Show nothing."""

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


def test_a_yes_is_kept_and_the_estimate_is_that_of_auto(tmp_path: Path) -> None:
    """Asked before the cost is: what the run records is the price of the delivery it takes."""
    fast = ("--batch-speed", "600", "--batch-spread", "0", "--batch-median-s", "100")
    server, person = Server("--latency", "0", *fast), Person(answer=True)
    job = Job(tmp_path, server).write(ROWS, more=AUTO.replace("5h", "20h") + "poll_s = 1\n")
    run_with(person, job)
    assert len(person.asked) == 1
    assert json.loads((tmp_path / "runs/job/consent.json").read_text())["allow_batch"] is True
    assert any(line.startswith("delivery  auto: done by ") for line in person.heard)
    assert set(job.table().column("_delivery").to_pylist()) == {"batch"}
    (record,) = (tmp_path / "runs/job").glob("*/run.json")
    estimate = json.loads(record.read_text())["usd"]["estimate"]
    assert Decimal(estimate["expected"]) < Decimal("0.6") * Decimal(estimate["high"])
    run_with(person, job.write([*ROWS, {"text": "more"}], more=AUTO))
    assert len(person.asked) == 1
    server.close()


def test_nobody_is_asked_about_batches_that_would_be_refused(job: Job, server: Server) -> None:
    """Requests that only go live: permission for batches would change nothing."""
    person = Person(answer=True)
    fast = f'[api.headers]\nanthropic-beta = "fast-mode-2026-02-01"\n{AUTO}'
    job.write(ROWS, request='prompt = "{{ text }}"\nspeed = "fast"\n', more=fast)
    job.path.write_text(job.path.read_text().replace("claude-haiku-5-5", "claude-opus-5-5"))
    run_with(person, job, RunOptions())
    assert not any("batches" in question for question in person.asked)
    assert server.ledger()["requests"] == len(ROWS)


def test_auto_sends_the_requests_live_that_a_batch_refuses(tmp_path: Path) -> None:
    """In a batch they would fail although they can be answered; the warning says why."""
    fast = ("--batch-speed", "600", "--batch-spread", "0", "--batch-median-s", "100")
    server = Server("--latency", "0", *fast)
    job = Job(tmp_path, server)
    params = {"model": "claude-opus-5-5", "max_tokens": 900}
    rows = [
        {
            "custom_id": f"r{n}",
            "params": {**params, "messages": [{"role": "user", "content": f"{n}"}]},
        }
        for n in range(8)
    ]
    for place in (1, 7):
        rows[place]["params"]["speed"] = "standard"
    auto = AUTO.replace("5h", "20h") + "allow_batch = true\npoll_s = 0.1\n"
    (job.folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    job.path.write_text(
        '[input]\npath = "rows.jsonl"\nformat = "messages-batch"\n[output]\npath = "out.parquet"\n'
        f'[api]\nbase_url = "{server.url}"\n{auto}'
    )
    result = batcher("run", job.path, "--yes", key="k")
    assert result.code == 0, result.err
    assert "auto sends such requests live" in result.err
    ways = job.table().column("_delivery").to_pylist()
    assert ways == ["batch", "live", *["batch"] * 5, "live"]
    assert server.ledger()["answered"] == len(rows)
    server.close()


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


BETA = '[api.headers]\nanthropic-beta = "output-300k-2026-03-24, fast-mode-2026-02-01"\n'
FAST = {"model": "claude-opus-5-5", "max_tokens": 9, "speed": "fast"}


def checked(job: Job, mode: str, more: str = "", **request: object) -> CommandResult:
    """Check a job with this delivery and these request keys."""
    keys = "".join(f"{key} = {json.dumps(value)}\n" for key, value in request.items())
    (job.folder / "rows.jsonl").write_text('{"text": "a"}\n')
    job.path.write_text(
        f'[input]\npath = "rows.jsonl"\n[request]\nprompt = "{{{{ text }}}}"\n{keys}'
        f'[delivery]\nmode = "{mode}"\n{more}'
    )
    return batcher("check", job.path, key="test-key")


@pytest.mark.parametrize(
    ("request_keys", "problem"),
    [
        ({**FAST}, "request.speed: is not possible in a batch"),
        ({**FAST, "speed": "standard"}, "request.speed: is not possible in a batch"),
    ],
)
def test_check_finds_what_a_batch_refuses(
    job: Job, request_keys: dict[str, object], problem: str
) -> None:
    """Before anything is sent, with the key of the job file."""
    result = checked(job, "batch", BETA, **request_keys)
    assert (result.code, problem in result.err) == (2, True), result.err


def test_auto_warns_of_requests_that_only_go_live(job: Job) -> None:
    """Fast mode is possible live, so the job is valid."""
    result = checked(job, "auto", f'deadline = "5h"\n{BETA}', **FAST)
    assert result.code == 0, result.err
    assert "is not possible in a batch; auto sends such requests live" in result.err + result.out


@pytest.mark.parametrize(("mode", "code"), [("batch", 0), ("live", 2), ("auto", 2)])
def test_only_batches_take_the_longest_answers(job: Job, mode: str, code: int) -> None:
    """Auto may have to send each request live, where the answer would be too long."""
    deadline = 'deadline = "5h"\n' if mode == "auto" else ""
    result = checked(job, mode, deadline + BETA, model="claude-opus-5-5", max_tokens=300_000)
    assert result.code == code, result.err


def test_a_batch_has_half_the_worst_case(job: Job) -> None:
    """The bound of each attempt is that of its delivery; auto may send each request live."""
    job.write(ROWS)
    worst = {}
    for mode, more in (("live", ()), ("batch", ()), ("auto", ("--deadline", "5h"))):
        result = batcher("estimate", job.path, "--delivery", mode, *more, "--json", key="k")
        worst[mode] = Decimal(json.loads(result.out)["plan"]["worst_case_usd"])
    assert worst["live"] == worst["auto"] == 2 * worst["batch"]


@pytest.mark.parametrize(
    ("saved", "now", "change"),
    [
        (("--delivery", "batch"), (), "delivery: batch in the plan, live now"),
        ((), ("--delivery", "batch"), "delivery: live in the plan, batch now"),
        (
            ("--delivery", "auto", "--deadline", "20h", "--set", "delivery.allow_batch=true"),
            ("--delivery", "auto", "--deadline", "20h"),
            "delivery: auto by 20h in the plan, live now",
        ),
        (
            ("--delivery", "auto", "--deadline", "20h", "--set", "delivery.allow_batch=true"),
            ("--delivery", "auto", "--deadline", "2h", "--set", "delivery.allow_batch=true"),
            "delivery: auto by 20h in the plan, auto by 2h now",
        ),
    ],
)
def test_a_plan_fits_one_delivery(
    job: Job, server: Server, saved: tuple[str, ...], now: tuple[str, ...], change: str
) -> None:
    """Another delivery, deadline or permission has another price: exit 9, and nothing is sent."""
    plan = job.folder / "plan.json"
    job.write(ROWS)
    made = batcher("estimate", job.path, "--offline", "--out", plan, *saved, key="k")
    assert made.code == 0, made.err
    result = batcher("run", job.path, "--plan", plan, *now, key="k")
    assert (result.code, change in result.err) == (9, True), result.err
    assert server.ledger()["requests"] == 0


def test_the_first_lines_say_how_requests_travel(job: Job) -> None:
    """A run of batches or auto says it, and the next command keeps it; check says what it means."""
    job.write(ROWS)
    ran = batcher("run", job.path, "--simulate", "--delivery", "batch", "--limit", "2")
    assert "delivery  batch: 1 batch or more at half the price" in ran.err
    assert f"next   batcher run {job.path} --delivery batch" in ran.err
    job.write(ROWS, more=AUTO)
    checked_auto = batcher("check", job.path, key="k")
    assert "auto by 5h: live for now, because batches are not allowed; " in checked_auto.out
    assert RETENTION in checked_auto.out


def test_an_estimate_learns_from_the_batches_of_the_job(tmp_path: Path) -> None:
    """The choices have their times; what a run would do is first, and older keys are as before."""
    fast = ("--batch-speed", "600", "--batch-spread", "0", "--batch-median-s", "100")
    server = Server("--latency", "0", *fast)
    job = Job(tmp_path, server).write(ROWS, more='[delivery]\nmode = "batch"\npoll_s = 1\n')
    job.run()
    job.write([*ROWS, {"text": "new"}], more='[delivery]\nmode = "batch"\n')
    before = json.loads(batcher("estimate", job.path, "--json", "--offline", key="k").out)
    assert before["batches"] == 1
    assert [choice["delivery"] for choice in before["choices"]] == ["batch", "live"]
    assert {"delivery", "is_cached", "usd", "seconds"} == before["choices"][0].keys()
    assert before["choices"][0]["seconds"]["low"] >= 60
    shown = batcher("estimate", job.path, "--offline", key="k").out
    assert "time from 1 batch of this job" in shown
    server.close()


@pytest.mark.parametrize(("allowed", "warns"), [("true", False), ("false", True)])
def test_a_budget_for_a_batch_is_enough_for_auto(job: Job, allowed: str, warns: bool) -> None:
    """Half of the live bound fits a request into a batch, so a run would send something."""
    job.write(ROWS)
    made = batcher("estimate", job.path, "--json", "--offline", key="k")
    least = Decimal(json.loads(made.out)["plan"]["min_worst_case_usd"])
    budget = f"[budget]\nmax_cost_usd = {least * Decimal('0.75'):f}\n"
    job.write(ROWS, more=f"{AUTO}allow_batch = {allowed}\n{budget}")
    result = batcher("check", job.path, key="k")
    assert ("a run would send nothing" in result.err) is warns, result.err
