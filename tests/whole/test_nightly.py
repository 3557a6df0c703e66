"""The nightly run sends only what changed in the input or the job since the last run."""

import fcntl
from typing import Any

import pytest
from test_asking import run_without_terminal
from test_main_job import check_bill, rows
from whole_runs import Job, Server, batcher

BY_ID = 'path = "rows.jsonl"\nid = "id"\n'
BY_CONTENT = 'path = "rows.jsonl"\n'
EITHER = pytest.mark.parametrize("named", [BY_ID, BY_CONTENT], ids=["by id", "by content"])


def plan_of(printed: str) -> str:
    """Return the plan line that a run prints at its start."""
    return next(line for line in printed.splitlines() if line.startswith("plan"))


def keys(server: Server) -> list[str]:
    """Return the hashes of all request bodies sent so far."""
    return [entry["key"] for entry in server.entries()]


@EITHER
def test_an_input_that_grew(job: Job, server: Server, named: str) -> None:
    """Only the new rows are sent, and the output has all rows in order."""
    job.write(rows(60), input=named).run()
    plan = plan_of(job.write(rows(75), input=named).run())
    assert "75 rows, 60 already answered, 15 new, 0 changed, 0 removed; 15 to send, about $" in plan
    assert len(keys(server)) == len(set(keys(server))) == 75
    assert job.table().column("n").to_pylist() == list(range(75))
    check_bill(job, server)


@EITHER
def test_an_input_that_shrank_and_came_back(job: Job, server: Server, named: str) -> None:
    """Removed rows and returned rows send nothing, and each is reported once."""
    job.write(rows(30), input=named).run()
    plan = plan_of(job.write(rows(20), input=named).run())
    assert "20 rows, 20 already answered, 0 new, 0 changed, 10 removed; 0 to send" in plan
    assert job.table().num_rows == 20
    assert "0 removed" in plan_of(job.run())
    plan = plan_of(job.write(rows(30), input=named).run())
    assert "30 rows, 30 already answered, 0 new, 0 changed, 0 removed; 0 to send" in plan
    assert len(keys(server)) == 30
    plan = plan_of(job.write(rows(20), input=named).run())
    assert "10 removed" in plan


@EITHER
def test_an_input_in_another_order(job: Job, server: Server, named: str) -> None:
    """Row numbers do not matter: nothing is sent, and the output has the new order."""
    job.write(rows(40), input=named).run()
    answers = dict(zip(*(job.table().column(c).to_pylist() for c in ("n", "_text")), strict=True))
    plan = plan_of(job.write(rows(40)[::-1], input=named).run())
    assert "40 already answered, 0 new, 0 changed, 0 removed; 0 to send" in plan
    assert len(keys(server)) == 40
    table = job.table()
    assert table.column("n").to_pylist() == list(range(39, -1, -1))
    assert [answers[n] for n in range(39, -1, -1)] == table.column("_text").to_pylist()


def edited(count: int, *numbers: int) -> list[dict[str, Any]]:
    """Return rows, some of them with another text."""
    return [{**row, "text": "edited"} if row["n"] in numbers else row for row in rows(count)]


def test_rows_that_were_edited(job: Job, server: Server) -> None:
    """With ids, edited rows are changed, not new, and only they are sent."""
    job.write(rows(40), input=BY_ID).run()
    plan = plan_of(job.write(edited(40, 3, 30), input=BY_ID).run())
    assert "38 already answered, 0 new, 1 changed, 0 removed, 1 shared; 1 to send" in plan
    assert len(keys(server)) == 41
    plan = plan_of(job.write(rows(40), input=BY_ID).run())
    assert "40 already answered, 0 new, 0 changed, 0 removed; 0 to send" in plan


def test_rows_that_were_edited_without_ids(job: Job, server: Server) -> None:
    """Without ids the content names a row: an edited row is new, and the old one is removed."""
    job.write(rows(40)).run()
    plan = plan_of(job.write(edited(40, 3)).run())
    assert "39 already answered, 1 new, 0 changed, 1 removed; 1 to send" in plan
    assert len(keys(server)) == 41


def test_a_column_outside_the_prompt(job: Job, server: Server) -> None:
    """A column outside the prompt may change: the request is equal, so nothing is sent."""
    job.write(rows(20), input=BY_ID).run()
    plan = plan_of(job.write([{**row, "seen": "tonight"} for row in rows(20)], input=BY_ID).run())
    assert "20 already answered, 0 new, 0 changed, 0 removed; 0 to send" in plan
    assert len(keys(server)) == 20
    assert set(job.table().column("seen").to_pylist()) == {"tonight"}


def test_one_more_file(job: Job, server: Server) -> None:
    """Only the rows of a new file in a folder are sent; a row in both files shares its answer."""
    folder = job.folder / "days"
    folder.mkdir()
    job.write(rows(25), input='path = "days"\n')
    (job.folder / "rows.jsonl").rename(folder / "1.jsonl")
    job.run()
    job.write([*rows(5), *rows(35)[25:]], input='path = "days"\n')
    (job.folder / "rows.jsonl").rename(folder / "2.jsonl")
    plan = plan_of(job.run())
    assert (
        "40 rows, 25 already answered, 10 new, 0 changed, 0 removed, 5 shared; 10 to send" in plan
    )
    assert len(keys(server)) == len(set(keys(server))) == 35
    table = job.table()
    assert table.column("_text").to_pylist()[:5] == table.column("_text").to_pylist()[25:30]
    assert table.column("_shared").to_pylist() == [False] * 25 + [True] * 5 + [False] * 10
    check_bill(job, server)


def test_the_same_row_in_two_files_with_ids(job: Job, server: Server) -> None:
    """Files may overlap: an equal row is sent once; another row with the same id is bad."""
    folder = job.folder / "days"
    folder.mkdir()
    job.write(rows(10), input='path = "days"\nid = "id"\n')
    (job.folder / "rows.jsonl").rename(folder / "1.jsonl")
    job.write([*rows(15)[7:]], input='path = "days"\nid = "id"\n')
    (job.folder / "rows.jsonl").rename(folder / "2.jsonl")
    assert (
        "18 rows, 0 already answered, 15 new, 0 changed, 0 removed, 3 shared; 15 to send"
        in plan_of(job.run())
    )
    plan = plan_of(job.run())
    assert "18 rows, 15 already answered, 0 new, 0 changed, 0 removed, 3 shared; 0 to send" in plan
    assert len(keys(server)) == 15
    table = job.table()
    assert table.column("_shared").to_pylist() == [False] * 10 + [True] * 3 + [False] * 5
    assert table.column("_text").to_pylist()[7:10] == table.column("_text").to_pylist()[10:13]
    check_bill(job, server)
    job.write([{**rows(1)[0], "text": "edited"}])
    (job.folder / "rows.jsonl").rename(folder / "3.jsonl")
    assert "1 bad" in plan_of(job.write(input='path = "days"\nid = "id"\n').run(code=3))


def test_limits_do_not_change_a_request(job: Job, server: Server) -> None:
    """Concurrency, retries, prices and output are not part of the request."""
    job.write(rows(20)).run()
    job.write(rows(20), limits="concurrency = 3\nrequests_per_minute = 1000\n", output="keep = []")
    assert "20 already answered, 0 new" in plan_of(job.run())
    assert len(keys(server)) == 20


ANOTHER = 'prompt = "Sort: {{ text }}"\n'


@EITHER
def test_an_edited_prompt_needs_a_decision(job: Job, server: Server, named: str) -> None:
    """Without a terminal it is exit 2 despite --yes, with the cost and what to do."""
    job.write(rows(30), input=named).run()
    job.write(rows(32), input=named, request=ANOTHER)
    for arguments in ((), ("--yes",)):
        result = run_without_terminal(job, *arguments)
        assert result.code == 2
        assert "30 rows have an answer to another prompt" in result.err
        assert "on_change" in result.err
    assert len(keys(server)) == 30


@EITHER
def test_an_edited_prompt_with_redo(job: Job, server: Server, named: str) -> None:
    """``redo`` sends all rows again; with the old prompt the first answers are used."""
    job.write(rows(30), input=named).run()
    job.write(rows(30), input=named, request=f'{ANOTHER}on_change = "redo"\n').run()
    assert len(keys(server)) == len(set(keys(server))) == 60
    job.write(rows(30), input=named).run()
    assert len(keys(server)) == 60


@EITHER
def test_an_edited_prompt_with_keep(job: Job, server: Server, named: str) -> None:
    """Answered rows keep their answers; new and edited rows use the new prompt, in each run."""
    job.write(rows(30), input=named).run()
    before = job.table().column("_text").to_pylist()
    kept = f'{ANOTHER}on_change = "keep"\n'
    job.write(rows(33), input=named, request=kept).run()
    assert len(keys(server)) == 33
    assert job.table().column("_text").to_pylist()[:30] == before
    job.write(edited(33, 7), input=named, request=kept).run()
    assert len(keys(server)) == 34
    assert "33 already answered, 0 new, 0 changed, 0 removed" in plan_of(job.run())
    assert len(keys(server)) == 34
    sevenths = before[:7] + before[8:]
    after = job.table().column("_text").to_pylist()[:30]
    assert after[:7] + after[8:] == sevenths
    assert job.table().num_rows == 33


def test_a_prompt_with_other_columns_needs_a_decision(job: Job, server: Server) -> None:
    """The content name of a row depends on the prompt; the rows must not count as edited."""
    job.write(rows(10), input=BY_ID).run()
    job.write(rows(10), input=BY_ID, request='prompt = "{{ text }} {{ n }}"\n')
    assert run_without_terminal(job, "--yes").code == 2
    assert len(keys(server)) == 10
    job.write(rows(10), input=BY_ID, request='prompt = "{{ n }}"\non_change = "keep"\n').run()
    assert len(keys(server)) == 10


def test_a_prompt_with_other_columns_and_without_ids(job: Job, server: Server) -> None:
    """No row is recognised then; it must not count as a new input or as answers to keep."""
    job.write(rows(10)).run()
    other = 'prompt = "{{ text }} {{ n }}"\n'
    result = run_without_terminal(job.write(rows(11), request=other), "--yes")
    assert result.code == 2
    assert "10 rows have an answer to another prompt" in result.err
    assert "cannot keep" in job.write(request=f'{other}on_change = "keep"\n').run(code=2)
    assert len(keys(server)) == 10
    job.write(request=f'{other}on_change = "redo"\n').run()
    assert len(keys(server)) == 21
    assert "11 already answered, 0 new" in plan_of(job.write(request=other).run())


def test_another_model_needs_a_decision(job: Job, server: Server) -> None:
    """A request with another model is another request."""
    job.write(rows(10)).run()
    text = job.path.read_text().replace("claude-haiku-5-5", "claude-haiku-4-5")
    job.path.write_text(text)
    assert run_without_terminal(job, "--yes").code == 2
    assert len(keys(server)) == 10


def test_an_input_that_grows_while_the_run_waits(job: Job, server: Server) -> None:
    """A waiting run plans with the input at the time when the lock is free."""
    job.write(rows(10)).run()
    lock = (job.folder / "runs" / "job" / "lock").open("r+b")
    fcntl.flock(lock, fcntl.LOCK_EX)
    waiter = job.start("--wait", "--max-time", "100s")
    assert "waiting for" in waiter.stderr.readline()
    job.write(rows(15))
    lock.close()
    _, printed = waiter.communicate(timeout=100)
    assert waiter.returncode == 0, printed
    assert "15 rows, 10 already answered, 5 new" in printed
    assert len(keys(server)) == 15


def test_a_limit_removes_no_rows(job: Job, server: Server) -> None:
    """After a run with --limit, the other rows are not new in the next run."""
    job.write(rows(30), input=BY_ID).run()
    assert "0 removed" in plan_of(job.run("--limit", "5"))
    assert "30 already answered, 0 new, 0 changed, 0 removed" in plan_of(job.run())


def test_the_checkpoint_of_another_job_is_noticed(job: Job, server: Server) -> None:
    """In the place of this job's nothing is sent; a job file that names the folder may use it."""
    job.write(rows(5)).run()
    other = job.path.with_name("other.toml")
    other.write_text(job.path.read_text())
    (job.folder / "runs/job").rename(job.folder / "runs/other")
    refused = batcher("run", other, "--yes", key="test-key")
    assert refused.code == 2
    assert "has the checkpoint of another job, job; nothing was sent" in refused.err
    assert len(keys(server)) == 5
    shared = batcher("run", other, "--yes", "--set", "job.state=runs/other", key="test-key")
    assert (shared.code, len(keys(server))) == (0, 5)
