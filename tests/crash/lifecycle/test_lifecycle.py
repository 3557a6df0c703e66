"""Every promise holds after any order of edits, runs, kills and retries."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from edits import grow
from events import Retry, Run, Scenario, scenarios
from hypothesis import HealthCheck, Phase, given, settings
from lifecycle_job import NO_INTERRUPTION, CommandForker, Job
from promises import check

FIXTURES = [HealthCheck.function_scoped_fixture]


@pytest.fixture(scope="module")
def forker() -> Iterator[CommandForker]:
    """A process that has imported batcher."""
    forker = CommandForker()
    yield forker
    forker.close()


def new_job(forker: CommandForker, folder: Path, rows: int, *, has_ids: bool) -> Job:
    """Create a job with this number of rows in its own folder."""
    own = folder / str(len(list(folder.iterdir())))
    own.mkdir()
    job = Job(own, forker, has_ids, [])
    for _ in range(rows):
        grow(job.rows, 0)
    return job


def check_scenario(job: Job, scenario: Scenario) -> None:
    """Run all events, and check the promises after each of them."""
    for event in scenario.events:
        if isinstance(event, Retry):
            retry(job, event)
        else:
            run(job, event)


def run(job: Job, event: Run) -> None:
    """Apply the edits and run; after a run without open rows perhaps run again."""
    for edit, at in event.edits:
        edit(job.rows, at % len(job.rows))
    job.prompt, job.on_change = event.change or (job.prompt, job.on_change)
    job.do("run", (), event.seed, event.interruption)
    check(job)
    if event.again and job.commands[-1].exit_code in (0, 3):
        before = job.output.read_bytes()
        job.do("run", (), event.seed, NO_INTERRUPTION)
        check(job)
        assert job.commands[-1].lines == []
        assert job.output.read_bytes() == before


def retry(job: Job, event: Retry) -> None:
    """Retry the failed rows, if a request was ever sent."""
    if job.ledger():
        job.do("retry", event.options, event.seed, event.interruption)
        check(job)


# Shrinking a failing scenario would take longer than a test may.
NO_SHRINKING = settings(
    deadline=None, phases=[Phase.reuse, Phase.generate], suppress_health_check=FIXTURES
)


@settings(NO_SHRINKING, max_examples=2)
@given(scenario=scenarios(3, 8))
def test_any_order_of_events_keeps_the_promises(
    forker: CommandForker, tmp_path: Path, scenario: Scenario
) -> None:
    """The promises hold in two scenarios."""
    check_scenario(new_job(forker, tmp_path, scenario.rows, has_ids=scenario.has_ids), scenario)


@pytest.mark.slow
@settings(NO_SHRINKING, max_examples=7)
@given(scenario=scenarios(3, 8))
def test_any_order_of_some_events(
    forker: CommandForker, tmp_path: Path, scenario: Scenario
) -> None:
    """The promises hold in a few scenarios."""
    check_scenario(new_job(forker, tmp_path, scenario.rows, has_ids=scenario.has_ids), scenario)


@pytest.mark.crash
@pytest.mark.timeout(7200)
@settings(max_examples=100, deadline=None, suppress_health_check=FIXTURES)
@given(scenario=scenarios(8, 25))
def test_any_order_of_many_events(
    forker: CommandForker, tmp_path: Path, scenario: Scenario
) -> None:
    """The promises hold in many longer scenarios."""
    check_scenario(new_job(forker, tmp_path, scenario.rows, has_ids=scenario.has_ids), scenario)


@pytest.mark.parametrize("on_change", [pytest.param("redo", marks=pytest.mark.slow), "keep"])
@pytest.mark.parametrize(
    "options", [(), ("--set", "request.max_tokens=60")], ids=["same settings", "other settings"]
)
def test_a_retry_after_an_edit_shows_what_it_paid_for(
    forker: CommandForker, tmp_path: Path, on_change: str, options: tuple[str, ...]
) -> None:
    """Failed rows are sent as the job is now; answered rows keep their answers until a run."""
    job = new_job(forker, tmp_path, 12, has_ids=True)
    job.do("run", (), 1, NO_INTERRUPTION)
    check(job)
    assert job.commands[-1].exit_code == 3
    answered = texts_of_successes(job)
    job.prompt, job.on_change = "2", on_change
    job.do("retry", options, 4, NO_INTERRUPTION)
    check(job)
    assert job.commands[-1].lines
    assert answered.items() <= texts_of_successes(job).items()


def texts_of_successes(job: Job) -> dict[int, str]:
    """Return the answers of the rows that succeeded."""
    rows = job.table().to_pylist()
    return {row["n"]: row["_text"] for row in rows if row["_status"] == "succeeded"}
