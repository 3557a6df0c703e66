"""batcher retry: failed rows only, with the same or another request, and an exact bill."""

import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from test_main_job import check_bill, rows
from test_nightly import keys
from whole_runs import Job, Server, batcher, wait_for


def retry(job: Job, *arguments: str, code: int = 0) -> str:
    """Retry a job's failed rows and return what the command printed."""
    result = batcher("retry", job.path, "--yes", *arguments, key="test-key")
    assert result.code == code, result.err
    return result.err + result.out


def test_only_failed_rows_are_sent_again(tmp_path: Path) -> None:
    """A 400 is final for a run, but not for a retry; a later run uses the retried answer."""
    server = Server("--keep-requests", "--fault", "status:status=400,match=number 3,times=4")
    job = Job(tmp_path, server).write(rows(40), limits="concurrency = 1\n")
    job.run(code=3)
    assert len(keys(server)) == 40
    printed = retry(job)
    assert "4 failed rows (4 invalid_request_error); 4 to send" in printed
    assert len(keys(server)) == 44
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    check_bill(job, server)
    assert "nothing to send" in job.run()
    assert "no row failed" in retry(job)
    assert len(keys(server)) == 44
    server.close()


def truncated_job(tmp_path: Path) -> tuple[Server, Job]:
    """Return a job with answers that do not fit into max_tokens."""
    server = Server("--keep-requests")
    job = Job(tmp_path, server).write(rows(30), input='path = "rows.jsonl"\nid = "id"\n')
    job.path.write_text(job.path.read_text().replace("max_tokens = 400", "max_tokens = 50"))
    job.run(code=3)
    return server, job


def test_a_changed_request_is_only_for_failed_rows(tmp_path: Path) -> None:
    """Truncated rows get more max_tokens; later runs keep the answers; the bill is complete."""
    server, job = truncated_job(tmp_path)
    failed = job.table().column("_status").to_pylist().count("truncated")
    assert failed > 3
    retry(job, "--only", "truncated", "--set", "request.max_tokens=2000")
    *_, record = sorted((tmp_path / "runs" / "job").glob("*/run.json"))
    assert json.loads(record.read_text())["overrides"] == ["request.max_tokens"]
    assert len(keys(server)) == len(set(keys(server))) == 30 + failed
    table = job.table()
    assert set(table.column("_status").to_pylist()) == {"succeeded"}
    assert sum(table.column("_attempts").to_pylist()) == 30 + failed
    spent = sum(json.loads(row["cost_usd"]) for row in server.entries())
    assert abs(sum(table.column("_cost_usd").to_pylist()) - spent) < 1e-12
    number = table.column("_attempts").to_pylist().index(2)
    shown = json.loads(job.command("show", f"r{number}", "--json"))["samples"][0]
    assert [attempt["is_variant"] for attempt in shown["attempts"]] == [False, True]
    assert shown["text"] == table.column("_text")[number].as_py()
    costs = [Decimal(attempt["cost_usd"]) for attempt in shown["attempts"]]
    assert sum(costs) == Decimal(shown["cost_usd"]) > costs[1]
    assert "30 already answered" in job.run()
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    assert len(keys(server)) == 30 + failed
    server.close()


def test_only_accepts_types_and_statuses(tmp_path: Path) -> None:
    """A type that no row has sends nothing, and the message lists the existing types."""
    server, job = truncated_job(tmp_path)
    sent = len(keys(server))
    printed = retry(job, "--only", "trunkated", code=2)
    assert "no failed row is trunkated" in printed
    assert "types of failed rows: max_tokens (" in printed
    assert len(keys(server)) == sent
    server.close()


def test_a_killed_retry_resumes(tmp_path: Path) -> None:
    """Rows answered before the kill are not sent again."""
    server, job = truncated_job(tmp_path)
    failed = job.table().column("_status").to_pylist().count("truncated")
    more = ("--set", "request.max_tokens=2000")
    slowly = ["--set", "limits.concurrency=1", "--set", "limits.requests_per_minute=120"]
    process = subprocess.Popen(
        [sys.executable, "-m", "batcher", "retry", str(job.path), "--yes", *more, *slowly],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "ANTHROPIC_API_KEY": "test-key"},
    )
    wait_for(server, 33)
    assert process.poll() is None
    process.kill()
    process.wait()
    retry(job, *more)
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    assert len(set(keys(server))) == 30 + failed
    assert len(keys(server)) <= 30 + failed + 1
    server.close()


def test_rows_that_were_never_sent_need_a_run(tmp_path: Path) -> None:
    """When the input has grown, a retry sends no new row and names the command for them."""
    server = Server("--keep-requests")
    job = Job(tmp_path, server).write(rows(10))
    job.run()
    printed = retry(job.write(rows(12)), code=5)
    assert len(keys(server)) == 10
    assert "2 rows were not sent" in printed
    assert "next   batcher run" in printed
    server.close()


def test_changes_of_other_rows_are_refused(tmp_path: Path) -> None:
    """A retry cannot change the input or the output."""
    server, job = truncated_job(tmp_path)
    for key in (
        'input.path="other.jsonl"',
        'output.path="x.parquet"',
        "request.samples=2",
        "api.stream=true",
    ):
        assert "a retry cannot change" in retry(job, "--set", key, code=2)
    server.close()


def test_rows_on_hold_are_sent_by_a_retry(tmp_path: Path) -> None:
    """After their allowance a run does not send them; a retry does."""
    fault = "reset_mid_body:match=number 3,times=2"
    server = Server("--keep-requests", "--fault", fault)
    job = Job(tmp_path, server)
    job.write(rows(5), more="[retry]\nunknown_attempts = 2\nmax_wait_s = 0.01\n").run(code=3)
    sent = len(keys(server))
    assert "on hold" in job.run(code=3)
    assert len(keys(server)) == sent
    retry(job)
    assert len(keys(server)) == sent + 1
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    server.close()


def test_a_pilot_does_not_choose_the_rows_of_a_retry(job: Job) -> None:
    """The rows are those of the last run before it, or else all rows."""
    job.server = Server("--fault", "status:status=400,match=number 1,first_n=20,attempts=1")
    job.write(rows(20))
    estimate = ("estimate", job.path, "--yes", "--pilot", "10", "--set")
    assert batcher(*estimate, "input.where=n > 9", key="test-key").code == 0
    retry(job, code=5)  # rows are left
    assert len(job.table()) == 20
    job.run("--limit", "8")
    assert batcher(*estimate, "input.where=n < 10", key="test-key").code == 0
    assert job.server.ledger()["answered"] == 20
    retry(job)
    assert len(job.table()) == 8
    job.server.close()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--limit", "6"), 6),
        (("--set", "input.limit=6"), 6),
        (("--set", "input.where=text != 'number 9'", "--set", "input.limit=7"), 7),
        ((), 20),
    ],
)
def test_a_retry_has_the_rows_of_the_last_run(
    tmp_path: Path, options: tuple[str, ...], expected: int
) -> None:
    """The output keeps its rows; rows that were never asked do not come into it."""
    server = Server("--keep-requests", "--fault", "status:status=400,match=number 3,times=1")
    job = Job(tmp_path, server).write(rows(20))
    job.run(*options, code=3)
    printed = retry(job)
    assert ("the rows of the last run: input." in printed) == bool(options)
    assert job.table().column("_status").to_pylist() == ["succeeded"] * expected
    retry(job)
    assert len(job.table()) == expected
    (record,) = sorted((tmp_path / "runs" / "job").glob("*/run.json"))[:1]
    content = json.loads(record.read_text())
    del content["scope"]  # as a version before 0.7 wrote it
    if options[:1] == ("--limit",):
        for path in (tmp_path / "runs" / "job").glob("*/run.json"):
            path.write_text(json.dumps(content))
        retry(job)
        assert len(job.table()) == expected
    server.close()
