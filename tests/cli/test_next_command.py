"""The command that is told at the end of a run: it goes on, and does not end in the same way."""

from decimal import Decimal
from pathlib import Path

import pytest

from batcher.cli.running import next_command, with_cap
from batcher.core.pace.halt import Halt
from batcher.core.plan_file import SavedPlan
from batcher.errors import ConfigurationError
from batcher.runner.options import RunOptions
from batcher.runner.planning.saved_plan import Approval

JOB = Path("my job.toml")
NEEDED = Halt(6, "the budget is reached", None, Decimal("12.30"))


def approval(cap: str | None) -> Approval:
    """A saved plan with this cap."""
    plan = SavedPlan("job", "now", "1", 1, "rows", "requests", {}, {}, cap, {})
    return Approval(Path("plan.json"), plan)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("batcher run 'my job.toml'", "batcher run 'my job.toml' --max-cost 12.30"),
        (
            "batcher run 'my job.toml' --max-cost 3 --set limits.concurrency=8",
            "batcher run 'my job.toml' --set limits.concurrency=8 --max-cost 12.30",
        ),
        ("batcher retry j.toml --only x", "batcher retry j.toml --only x --max-cost 12.30"),
    ],
)
def test_it_has_a_budget_that_does(command: str, told: str) -> None:
    """In the place of the one that did not."""
    assert next_command(RunOptions(command=command), NEEDED, JOB) == told


@pytest.mark.parametrize("halt", [None, Halt(5, "out of reach")])
def test_any_other_ending_is_resumed_as_it_was_begun(halt: Halt | None) -> None:
    """The same command goes on."""
    options = RunOptions(command="batcher run job.toml --max-cost 3")
    assert next_command(options, halt, JOB) == options.command


def test_a_plan_with_too_small_a_cap_is_saved_anew() -> None:
    """Of the same job, with the same overrides, into the same file."""
    command = "batcher run 'my job.toml' --simulate --plan plan.json --set request.samples=2"
    options = RunOptions(command=command, is_simulated=True, approval=approval("12.29"))
    assert next_command(options, NEEDED, JOB) == (
        "batcher estimate 'my job.toml' --simulate --set request.samples=2 "
        "--max-cost 12.30 --out plan.json"
    )


@pytest.mark.parametrize("cap", [None, "12.30", "100"])
def test_a_plan_that_allows_more_stays(cap: str | None) -> None:
    """Then the job's own budget was too small."""
    options = RunOptions(command="batcher run job.toml --plan plan.json", approval=approval(cap))
    assert next_command(options, NEEDED, JOB) == f"{options.command} --max-cost 12.30"


@pytest.mark.parametrize(("said", "is_set"), [("12.50", "12.50"), ("$3", "3"), ("1e-3", "0.001")])
def test_an_amount_of_dollars_overrides_the_budget(said: str, is_set: str) -> None:
    """Exactly, and after whatever --set says."""
    assert with_cap(("budget.max_cost_usd=1",), said) == (
        "budget.max_cost_usd=1",
        f"budget.max_cost_usd={is_set}",
    )


@pytest.mark.parametrize("said", ["1,50", "1,500", "0", "-1", "NaN", "inf", "1e400000000", "", "$"])
def test_what_may_mean_something_else_is_refused(said: str) -> None:
    """A comma is a decimal point to many: a cap a hundred times as high helps nobody."""
    with pytest.raises(ConfigurationError, match="is no amount"):
        with_cap((), said)
