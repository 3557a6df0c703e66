"""The ``next`` command of a run continues it, and does not stop for the same reason again."""

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import pyarrow.parquet as pq
import pytest
from commanding import JOB, ROWS, Command, write_job
from hypothesis import given
from hypothesis import strategies as st

from batcher.cli.command_line import command_line, job_command, reading_command, resume_command
from batcher.cli.commands import estimate, retry, run
from batcher.cli.run_command import next_command
from batcher.cli.run_options import with_budget
from batcher.core.pace.halt import Halt
from batcher.core.plan_file import SavedPlan
from batcher.errors import CheckpointError, ConfigurationError, DamageError
from batcher.runner.planning.saved_plan import Approval

COMMANDS = {"estimate": estimate.command, "retry": retry.command, "run": run.command}
CONSENTS = {"says_yes", "releases_unknown"}
NEEDED = Halt(6, "the budget is reached", None, Decimal("12.30"))
# What a shell or click could take for something else.
WORDS = st.sampled_from(["", "-", "--", "--yes", "-q", "a b", "$(x)", "it's", '"', "\n", "*"])
VALUES = WORDS | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def parsed(command: str) -> click.Context:
    """Parse a command line as a shell and click do."""
    name, *words = shlex.split(command)[1:]
    return COMMANDS[name].make_context(name, words)


def approval(cap: str | None) -> Approval:
    """A saved plan with this cap."""
    plan = SavedPlan("job", "now", "1", 1, "rows", "requests", {}, {}, cap, {})
    return Approval(Path("plan.json"), plan)


def words_of(parameter: click.Parameter, draw: Callable[..., Any]) -> list[str]:
    """Any way to give a parameter on a command line, or to leave it out."""
    kind = parameter.type
    number = st.integers(getattr(kind, "min", None) or 0, 10**6).map(str)
    value = number if isinstance(kind, click.IntRange) else VALUES
    if isinstance(kind, click.Choice):
        value = st.sampled_from([str(choice) for choice in kind.choices])
    if isinstance(parameter, click.Argument):
        return []
    if getattr(parameter, "is_flag", False):
        return draw(st.lists(st.sampled_from(parameter.opts), max_size=1))
    values = draw(st.lists(value, max_size=3 if parameter.multiple else 1))
    name = draw(st.sampled_from(parameter.opts))
    return [word for given in values for word in (name, given)]


@pytest.mark.parametrize("name", COMMANDS)
@given(data=st.data())
def test_the_command_parses_to_the_same_parameters(name: str, data: st.DataObject) -> None:
    """For all options and values; only consent to one run is not repeated."""
    words = [word for parameter in COMMANDS[name].params for word in words_of(parameter, data.draw)]
    context = COMMANDS[name].make_context(name, [*words, "--", data.draw(VALUES)])
    expected = context.params | {name: False for name in CONSENTS if name in context.params}
    with context.scope(cleanup=False):
        assert parsed(resume_command()).params == expected


def next_of(command: str, halt: Halt | None, plan: Approval | None = None) -> str:
    """The next command after a run with this command stopped."""
    with parsed(command).scope():
        return next_command(halt, plan)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("batcher run 'my job.toml'", "batcher run 'my job.toml' --max-cost 12.30"),
        (
            "batcher run 'my job.toml' --max-cost 3 --set limits.concurrency=8",
            "batcher run 'my job.toml' --max-cost 12.30 --set limits.concurrency=8",
        ),
        ("batcher retry j.toml --only x", "batcher retry j.toml --only x --max-cost 12.30"),
    ],
)
def test_a_budget_that_was_too_small_is_replaced(command: str, expected: str) -> None:
    """The command has the larger budget instead."""
    assert next_of(command, NEEDED) == expected


@pytest.mark.parametrize("halt", [None, Halt(5, "out of reach")])
def test_any_other_stop_is_resumed_with_the_same_command(halt: Halt | None) -> None:
    """The budget stays as it was given."""
    command = "batcher run job.toml --max-cost 3"
    assert next_of(command, halt) == command


def test_a_checkpoint_that_is_damaged_during_a_run_is_examined() -> None:
    """Running again would only find the same damage."""
    damaged = Halt.of_error(DamageError("a part is wrong", hint="examine it"))
    command = "batcher run 'my job.toml' --limit 3 --set job.name=x --simulate --yes"
    assert next_of(command, damaged) == ("batcher doctor 'my job.toml' --set job.name=x --simulate")
    full = Halt.of_error(CheckpointError("the disk is full"))
    assert next_of("batcher run j.toml", full) == "batcher run j.toml"


def test_a_plan_with_too_small_a_cap_is_saved_again() -> None:
    """For the same job, with the same overrides, into the same file."""
    command = "batcher run 'my job.toml' --simulate --plan plan.json --set request.samples=2"
    assert next_of(command, NEEDED, approval("12.29")) == (
        "batcher estimate 'my job.toml' --max-cost 12.30 --out plan.json "
        "--set request.samples=2 --simulate"
    )


@pytest.mark.parametrize("cap", [None, "12.30", "100"])
def test_a_plan_that_allows_more_stays(cap: str | None) -> None:
    """Then the job's own budget was too small."""
    command = "batcher run job.toml --plan plan.json"
    expected = "batcher run job.toml --max-cost 12.30 --plan plan.json"
    assert next_of(command, NEEDED, approval(cap)) == expected


def test_an_argument_may_begin_with_a_dash() -> None:
    """It follows -- so that click does not take it for an option."""
    command = command_line("show", "job.toml", "-5", options=["--simulate"])
    assert command == "batcher show --simulate -- job.toml -5"


def test_another_command_is_for_the_same_job() -> None:
    """It has the same --set and --simulate, but not the --set of a retry."""
    with parsed("batcher run j.toml --set job.state=x --limit 3 --simulate").scope():
        assert job_command("failures") == "batcher failures j.toml --set job.state=x --simulate"
    with parsed("batcher retry j.toml --set request.max_tokens=9").scope():
        assert job_command("failures") == "batcher failures j.toml"


def test_few_rows_are_shown_and_a_sample_of_many() -> None:
    """The command that shows the rows has the same --set and --simulate."""
    with parsed("batcher run job.toml --simulate").scope():
        assert reading_command(20) == "batcher rows job.toml --simulate"
        assert reading_command(21) == "batcher rows job.toml --sample 10 --simulate"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--simulate", "--limit", "1"], "batcher run '{job}' --simulate"),
        (["--simulate"], "batcher run '{job}'"),
        (["--simulate", "--set", "input.limit=1"], "batcher run '{job}' --set input.limit=1"),
        (
            ["--simulate", "--set", "limits.concurrency=2", "--limit", "1"],
            "batcher run '{job}' --set limits.concurrency=2 --simulate",
        ),
        (
            ["--set", "api.base_url=simulator"],
            "batcher rows '{job}' --set api.base_url=simulator",
        ),
    ],
)
def test_after_a_trial_comes_the_whole_or_the_real_run(
    tmp_path: Path, batcher: Command, options: list[str], expected: str
) -> None:
    """And after the real run the rows are read; names are quoted for the shell."""
    job = write_job(tmp_path / "my job's", JOB.replace("= 20", "= 2000"), ROWS[:2])
    result = batcher("run", job, *options)
    assert result.code == 0, result.err
    last = result.err.strip().splitlines()[-1].removeprefix("next   ")
    quoted = expected.replace("'{job}'", shlex.quote(str(job)))
    assert last == quoted


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["rum", "a b.toml"], "batcher run 'a b.toml'"),
        (["dry-run", "a b.toml"], "batcher check 'a b.toml'"),
        (["run", "a b.toml", "--dry-run"], "batcher check 'a b.toml'"),
        (["retry", "--dry-run", "a b.toml", "--yes"], "batcher check 'a b.toml'"),
        (["run", "a b.toml", "--limt", "3"], "batcher run 'a b.toml' --limit 3"),
        (["run", "--limt=3", "a b.toml"], "batcher run --limit=3 'a b.toml'"),
        (["status", "--wiat", "a b.toml"], "batcher status --wait 'a b.toml'"),
        (["--dry-run"], "batcher check JOB"),
        (["frobnicate", "x"], "batcher --help"),
        (["run", "x", "--qqq"], "batcher run --help"),
    ],
)
def test_the_next_command_after_a_misspelt_one(
    tmp_path: Path,
    batcher: Command,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    expected: str,
) -> None:
    """It is the one that was meant, when that is known."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a b.toml").touch()
    result = batcher(*words)
    assert result.code == 2
    assert result.err.strip().splitlines()[-1] == f"next   {expected}"


@pytest.mark.parametrize(("amount", "budget"), [("12.50", "12.50"), ("$3", "3"), ("1e-3", "0.001")])
def test_an_amount_of_dollars_overrides_the_budget(amount: str, budget: str) -> None:
    """Exactly, and after whatever --set says."""
    assert with_budget(("budget.max_cost_usd=1",), amount) == (
        "budget.max_cost_usd=1",
        f"budget.max_cost_usd={budget}",
    )


@pytest.mark.parametrize(
    "amount", ["1,50", "1,500", "0", "-1", "NaN", "inf", "1e400000000", "", "$"]
)
def test_an_ambiguous_amount_is_refused(amount: str) -> None:
    """A comma is a decimal point to many: a cap a hundred times as high helps nobody."""
    with pytest.raises(ConfigurationError, match="is not an amount"):
        with_budget((), amount)


@pytest.mark.parametrize("name", ["a.csv", "it's $HOME.csv", '"x".csv', "`y`.csv"])
def test_a_csv_file_is_converted_by_the_next_command(
    tmp_path: Path, batcher: Command, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """A shell runs the command; all values stay text, such as an id that begins with zeros."""
    monkeypatch.chdir(tmp_path)
    Path(name).write_text("id,text\n007,a\n008,b\n")
    command = batcher("init", name).err.rsplit("next   ", 1)[1]
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    subprocess.run(command, shell=True, check=True)
    assert batcher("init", Path(name).with_suffix(".parquet")).code == 0
    rows = pq.read_table(Path(name).with_suffix(".parquet")).to_pylist()
    assert rows[0] == {"id": "007", "text": "a"}
