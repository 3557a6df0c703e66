"""Rows without an answer: what was never sent, what a run sends, and what only a retry sends."""

import json
from pathlib import Path

import pytest
from test_main_job import rows
from whole_runs import Job, Server, batcher, kill, wait_for


def statuses(job: Job) -> dict[str, int]:
    """Return the rows of each status in the last run.json."""
    *_, record = sorted((job.folder / "runs/job").glob("*/run.json"))
    return json.loads(record.read_text())["rows"]["by_status"]


def next_line(printed: str) -> str:
    """Return the command that a command names as the next one."""
    (line,) = [line for line in printed.splitlines() if line.startswith("next ")]
    return line.removeprefix("next").strip()


def test_rows_that_were_never_sent_are_unsent_everywhere(tmp_path: Path) -> None:
    """In the column, the totals, the summary of an export and in failures, which they end."""
    server = Server("--fault", "status:status=400,match=number 1,times=1")
    job = Job(tmp_path, server).write(rows(12), limits="concurrency = 1\n")
    job.run("--limit", "3", code=3)
    out = tmp_path / "part.jsonl"
    assert batcher("export", job.path, "--partial", "--out", out).code == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["_status"] for line in lines[3:]] == ["unsent"] * 9
    assert {line["_error_type"] for line in lines[3:]} == {"client.not_sent"}
    result = batcher("failures", job.path)
    head, *groups = result.out.split("\n\n")
    assert head == "1 of 3 rows that were sent without a good answer; 9 rows were not sent yet"
    assert [group.split(":")[0] for group in groups] == ["1 row errored", "9 rows unsent"]
    assert "batcher retry" in next_line(result.err)
    server.close()


@pytest.mark.parametrize("fault", ["reset_billed", "reset_mid_body", "stream_cut"])
def test_rows_on_hold_name_the_command_that_sends_them(tmp_path: Path, fault: str) -> None:
    """No run sends them, and nothing says that they were never sent."""
    server = Server("--fault", f"{fault}:match=number 2,times=2")
    job = Job(tmp_path, server).write(
        rows(4), api="stream = true", more="[retry]\nunknown_attempts = 2\nmax_wait_s = 0.01\n"
    )
    for _ in range(2):  # the second run sends nothing, and says the same
        printed = job.run(code=3)
        assert "1 row is on hold" in printed
        assert "not sent" not in printed
        assert next_line(printed).startswith("batcher retry")
    assert "unsent" not in statuses(job)
    result = batcher("failures", job.path)
    assert "on hold" in result.out
    assert next_line(result.err).startswith("batcher retry")
    assert batcher("retry", job.path, key="test-key").code == 0
    server.close()


def test_a_killed_attempt_was_sent(tmp_path: Path) -> None:
    """A row whose only attempt was killed is on hold, not unsent."""
    server = Server("--fault", "hang:match=number 1")
    job = Job(tmp_path, server).write(rows(3), more="[retry]\nunknown_attempts = 1\n")
    process = job.start()
    wait_for(server, 3, "requests")
    kill(process)
    printed = job.run(code=3)
    assert "on hold" in printed
    table = job.table().to_pylist()
    assert [row["_status"] for row in table].count("errored") >= 1
    assert "unsent" not in [row["_status"] for row in table]
    held = [row["_error_type"] for row in table if row["_status"] == "errored"]
    assert set(held) == {"client.billing_unknown"}
    server.close()
