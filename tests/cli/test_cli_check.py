"""check reports all problems at once, spends nothing and writes nothing."""

from pathlib import Path

import pytest
from commanding import JOB, ROWS, Command, write_job


def test_check_leaves_nothing_behind(fresh: Path, batcher: Command) -> None:
    """No file appears beside the job."""
    before = sorted(fresh.parent.rglob("*"))
    result = batcher("check", fresh, "--simulate")
    assert result.code == 0
    assert before == sorted(fresh.parent.rglob("*"))
    assert "next   batcher run" in result.err


def test_check_counts_what_is_recorded(done: Path, batcher: Command) -> None:
    """A job that has run has nothing left to send."""
    plan = batcher("check", done, "--simulate", "--json").json["plan"]
    assert (plan["already_answered"], plan["to_send"], plan["bad"]) == (3, 0, 1)


def test_check_measures_requests(fresh: Path, batcher: Command) -> None:
    """Check reports the largest and the mean request in bytes."""
    requests = batcher("check", fresh, "--simulate", "--json").json["requests"]
    assert requests["largest_bytes"] > requests["mean_bytes"] > 80


def test_check_finds_all_problems_at_once(tmp_path: Path, batcher: Command) -> None:
    """A missing key, an unknown model, a missing input and a wrong output are one report."""
    text = JOB.replace("claude-haiku-5-5", "claude-x").replace("rows.jsonl", "nope.jsonl")
    job = write_job(tmp_path, text + '[output]\npath = "rows.jsonl/out.parquet"\n')
    result = batcher("check", job, "--json")
    assert result.code == 2
    words = " ".join(problem["message"] for problem in result.json["problems"])
    for word in ("ANTHROPIC_API_KEY", "claude-x", "nope.jsonl", "writable folder"):
        assert word in words
    assert len(result.json["problems"]) == 4


def test_check_reports_settings_that_the_model_refuses(tmp_path: Path, batcher: Command) -> None:
    """A setting that makes the API refuse every request is reported with its line."""
    job = write_job(tmp_path, JOB + "top_k = 5\n")
    result = batcher("check", job, "--simulate", "--json")
    assert result.code == 2
    (problem,) = result.json["problems"]
    assert problem["message"].startswith("request.top_k: ")
    assert problem["line"] == 10
    assert len(result.json["bad_rows"]) == 1


def test_check_names_clashing_columns(tmp_path: Path, batcher: Command) -> None:
    """An input column with the name of a batcher column is a problem."""
    job = write_job(tmp_path, rows=[{"id": "1", "text": "x", "_status": "y"}])
    result = batcher("check", job, "--simulate")
    assert result.code == 2
    assert "'_status'" in result.err


@pytest.mark.parametrize(
    ("on_bad_row", "code", "word"), [("record", 0, "warning  "), ("stop", 2, "error  ")]
)
def test_check_lists_bad_rows(
    tmp_path: Path, batcher: Command, on_bad_row: str, code: int, word: str
) -> None:
    """A bad row is listed with file and line; it is an error only with on_bad_row = stop."""
    job = write_job(tmp_path, JOB.replace("[request]", f'on_bad_row = "{on_bad_row}"\n[request]'))
    result = batcher("check", job, "--simulate")
    assert result.code == code
    assert f"{word}1 of 6 rows is bad" in result.err
    assert "rows.jsonl:5: the id is the same as in rows.jsonl:1" in result.err


@pytest.mark.parametrize("command", ["check", "run"])
def test_the_same_reason_is_said_once_with_a_count(
    tmp_path: Path, batcher: Command, command: str
) -> None:
    """Twenty reasons are listed, with the first row of each; the other rows are counted."""
    missing = [{"id": str(n)} for n in range(30)]
    twice = [{"id": f"x{n}", "text": f"{n} {side}"} for n in range(30) for side in "ab"]
    job = JOB.replace("[request]", 'on_bad_row = "stop"\n[request]')
    result = batcher(command, write_job(tmp_path, job, [*ROWS, *missing, *twice]), "--simulate")
    assert result.code == 2
    assert result.err.count("there is no column `text`") == 1
    assert "rows.jsonl:7: request.prompt, line 1: there is no column `text`" in result.err
    assert "(and in 29 more rows)" in result.err
    assert result.err.count("the id is the same as") == 19
    assert "and 12 more" in result.err
    assert "61 of 96 rows are bad" in result.err


def test_check_verbose_says_where_values_come_from(fresh: Path, batcher: Command) -> None:
    """The source of a key is a line of the job file, the command line or the default."""
    result = batcher("check", fresh, "--simulate", "-v", "--set", "limits.concurrency=2")
    lines = {line.split()[0]: line.split()[-1] for line in result.out.splitlines() if line}
    assert lines["request.model"] == "job.toml:7"
    assert lines["limits.concurrency"] == "--set"
    assert lines["retry.attempts"] == "default"


def test_check_does_not_show_header_values(tmp_path: Path, batcher: Command) -> None:
    """The values of headers are not shown."""
    job = write_job(tmp_path, JOB + '[api.headers]\nx-tenant = "hush-hush"\n')
    assert "hush-hush" not in batcher("check", job, "--simulate", "-v").out
