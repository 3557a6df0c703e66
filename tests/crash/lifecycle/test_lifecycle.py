"""Any order of edits, runs, kills and retries keeps every promise."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from edits import grow
from events import Life, Retry, Run, lives
from hypothesis import HealthCheck, Phase, given, settings
from lives import NO_DOOM, Forker, Job
from promises import check

FIXTURES = [HealthCheck.function_scoped_fixture]


@pytest.fixture(scope="module")
def forker() -> Iterator[Forker]:
    """A process that has imported batcher."""
    forker = Forker()
    yield forker
    forker.close()


def new_job(forker: Forker, folder: Path, rows: int, *, has_ids: bool) -> Job:
    """Make a job with ``rows`` rows in a folder of its own."""
    own = folder / str(len(list(folder.iterdir())))
    own.mkdir()
    job = Job(own, forker, has_ids, [])
    for _ in range(rows):
        grow(job.rows, 0)
    return job


def live(job: Job, life: Life) -> None:
    """Let everything happen, and hold the promises after each step."""
    for event in life.events:
        if isinstance(event, Retry):
            retry(job, event)
        else:
            run(job, event)


def run(job: Job, event: Run) -> None:
    """Change what is to be changed, and run; right after a run that left nothing open, again."""
    for edit, at in event.edits:
        edit(job.rows, at % len(job.rows))
    job.prompt, job.on_change = event.change or (job.prompt, job.on_change)
    job.do("run", (), event.seed, event.doom)
    check(job)
    if event.again and job.episodes[-1].exit_code in (0, 3):
        before = job.output.read_bytes()
        job.do("run", (), event.seed, NO_DOOM)
        check(job)
        assert job.episodes[-1].lines == []
        assert job.output.read_bytes() == before


def retry(job: Job, event: Retry) -> None:
    """Ask what failed again, if anything was ever sent."""
    if job.ledger():
        job.do("retry", event.form, event.seed, event.doom)
        check(job)


# Making a failure simpler would take longer than an ordinary test may.
BRIEFLY = settings(
    deadline=None, phases=[Phase.reuse, Phase.generate], suppress_health_check=FIXTURES
)


@settings(BRIEFLY, max_examples=2)
@given(life=lives(3, 8))
def test_any_order_of_events_keeps_the_promises(forker: Forker, tmp_path: Path, life: Life) -> None:
    """Two lives."""
    live(new_job(forker, tmp_path, life.rows, has_ids=life.has_ids), life)


@pytest.mark.slow
@settings(BRIEFLY, max_examples=7)
@given(life=lives(3, 8))
def test_any_order_of_some_events(forker: Forker, tmp_path: Path, life: Life) -> None:
    """A few lives."""
    live(new_job(forker, tmp_path, life.rows, has_ids=life.has_ids), life)


@pytest.mark.crash
@pytest.mark.timeout(7200)
@settings(max_examples=100, deadline=None, suppress_health_check=FIXTURES)
@given(life=lives(8, 25))
def test_any_order_of_many_events(forker: Forker, tmp_path: Path, life: Life) -> None:
    """Many longer lives."""
    live(new_job(forker, tmp_path, life.rows, has_ids=life.has_ids), life)


@pytest.mark.parametrize("on_change", [pytest.param("redo", marks=pytest.mark.slow), "keep"])
@pytest.mark.parametrize("form", [(), ("--set", "request.max_tokens=60")], ids=["as is", "other"])
def test_a_retry_after_an_edit_shows_what_it_paid_for(
    forker: Forker, tmp_path: Path, on_change: str, form: tuple[str, ...]
) -> None:
    """Failed rows are asked as the job is now, answered rows keep their answers until a run."""
    job = new_job(forker, tmp_path, 12, has_ids=True)
    job.do("run", (), 1, NO_DOOM)
    check(job)
    assert job.episodes[-1].exit_code == 3
    answered = texts_of_successes(job)
    job.prompt, job.on_change = "2", on_change
    job.do("retry", form, 4, NO_DOOM)
    check(job)
    assert job.episodes[-1].lines
    assert answered.items() <= texts_of_successes(job).items()


def texts_of_successes(job: Job) -> dict[int, str]:
    """The answers of the rows that succeeded."""
    rows = job.table().to_pylist()
    return {row["n"]: row["_text"] for row in rows if row["_status"] == "succeeded"}
