"""Every mistake on the command line gives one message, a next step and the right exit code."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commanding import JOB, Command, write_job

from batcher.cli.commands import prices
from batcher.cli.main import COMMANDS
from batcher.store.lock import Holder, Lock

JOB_COMMANDS = ["check", "run", "status", "batches", "failures", "show", "export"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with files and folders that a user could mistake for a job file."""
    write_job(tmp_path / "good")
    write_job(tmp_path / "bad", JOB.replace("[request]", "colour = 1\n[request]"))
    write_job(tmp_path / "prompt", JOB.replace("{{ text }}", "{{ txt }}"))
    write_job(tmp_path / "broken", "[input\n")
    write_job(tmp_path / "lost", JOB.replace("rows.jsonl", "nope.jsonl"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    (tmp_path / "table.parquet").write_bytes(b"PAR1")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words_for(command: str, job: str) -> list[str]:
    """Return a command for a job, with its other arguments."""
    return [command, job, *(["a-1"] if command == "show" else [])]


MISTAKES = {
    **{f"{c}-no-such-option": [c, "--bogus"] for c in COMMANDS},
    **{f"{c}-no-job": [c] for c in JOB_COMMANDS if c != "status"},
    **{f"{c}-missing": words_for(c, "nope.toml") for c in JOB_COMMANDS},
    **{f"{c}-folder": words_for(c, "empty") for c in JOB_COMMANDS},
    **{f"{c}-parquet": words_for(c, "table.parquet") for c in JOB_COMMANDS},
    **{f"{c}-binary": words_for(c, "binary.toml") for c in JOB_COMMANDS},
    **{f"{c}-wrong-key": words_for(c, "bad") for c in JOB_COMMANDS},
    **{f"{c}-broken": words_for(c, "broken") for c in JOB_COMMANDS},
    **{f"{c}-bad-set": [*words_for(c, "good"), "--set", "limits.nope=1"] for c in JOB_COMMANDS},
    **{f"{c}-no-input": [*words_for(c, "lost"), "--simulate"] for c in ("check", "run")},
    **{f"{c}-no-key": [c, "good"] for c in ("check", "run")},
    **{f"{c}-no-run": words_for(c, "good") for c in ("failures", "show", "export")},
    "no-such-command": ["foo"],
    "run-all-bad": ["run", "prompt", "--simulate"],
    "check-all-bad": ["check", "prompt", "--simulate"],
    "run-limit-zero": ["run", "good", "--limit", "0"],
    "prices-unknown": ["prices", "claude-haiku-55"],
    "export-format": ["export", "good", "--format", "csv"],
    "export-ending": ["export", "good", "--out", "x.csv"],
    "init-taken": ["init", "good"],
    "init-not-an-input": ["init", "file"],
    "init-missing-input": ["init", "nope.parquet"],
    "init-damaged-input": ["init", "table.parquet"],
    "init-below-a-file": ["init", "file/sub"],
    "simulate-port": ["simulate", "--port", "x"],
}


@pytest.mark.parametrize("words", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_get_one_message_and_a_next_step(
    here: Path, batcher: Command, words: list[str]
) -> None:
    """Exit code 2, exactly one error, at least one hint or next, and nothing on stdout."""
    result = batcher(*words)
    assert result.code == 2, result
    errors = re.findall("^error  .+", result.err, re.MULTILINE)
    assert len(errors) == 1, result.err
    assert re.search("^(hint|next)   .+", result.err, re.MULTILINE), result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", JOB_COMMANDS)
def test_a_missing_job_leaves_nothing_behind(here: Path, batcher: Command, command: str) -> None:
    """A wrong path creates no folder and no file."""
    before = sorted(here.rglob("*"))
    batcher(*words_for(command, "nope/job.toml"))
    assert before == sorted(here.rglob("*"))


@pytest.mark.parametrize("command", ["failures", "show", "export"])
def test_a_job_in_use_names_its_holder(
    done: Path, batcher: Command, command: str, tmp_path: Path
) -> None:
    """Exit code 8, with the pid, the host and the start of the run that holds the job."""
    holder = Holder.this_process(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    with Lock(done.parent / "runs/job.simulated", holder):
        result = batcher(*words_for(command, str(done)), "--simulate")
    assert result.code == 8
    for fact in (str(holder.pid), holder.host, "2026-01-02T03:04:05"):
        assert fact in result.err
    assert "batcher status JOB --wait" in result.err
    assert "add --wait" not in result.err


def test_a_run_may_wait_for_the_holder(done: Path, batcher: Command) -> None:
    """The message of run names its option --wait."""
    holder = Holder.this_process(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))
    with Lock(done.parent / "runs/job.simulated", holder):
        result = batcher("run", done, "--simulate", "--yes")
    assert result.code == 8
    assert "or add --wait\n" in result.err


def test_check_goes_on_beside_a_run(done: Path, batcher: Command) -> None:
    """While a run holds the job, check does not count its answers, and says so."""
    holder = Holder.this_process(datetime.now(UTC))
    with Lock(done.parent / "runs/job.simulated", holder):
        result = batcher("check", done, "--simulate")
    assert result.code == 0
    assert "its answers are not counted here" in result.out


def test_an_unexpected_error_is_one_line(batcher: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has type and place, not the text of the error; --debug shows the traceback."""

    def fail() -> None:
        raise KeyError("a user's secret row")

    monkeypatch.setattr(prices, "load_price_table", fail)
    result = batcher("prices")
    assert result.code == 1
    assert "unexpected KeyError (in batcher/cli/commands/prices.py:" in result.err
    assert "running again is safe" in result.err
    assert "secret row" not in result.err
    assert "Traceback" not in result.err
    assert "Traceback" in batcher("--debug", "prices").err
    monkeypatch.setenv("BATCHER_DEBUG", "1")
    assert "Traceback" in batcher("prices").err


def test_ctrl_c_is_no_error(batcher: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command exits 130 and shows the next command."""

    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(prices, "load_price_table", interrupt)
    result = batcher("prices")
    assert (result.code, "next   " in result.err) == (130, True)


def test_mistakes_are_json_for_programs(here: Path, batcher: Command) -> None:
    """Check --json reports the mistakes of a job file with their lines."""
    result = batcher("check", "bad", "--json")
    assert result.code == 2
    (problem, *_) = json.loads(result.out)["problems"]
    assert problem["line"] == 6
    assert problem["file"].endswith("job.toml")


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize("keep", ["", '[output]\nkeep = ["text"]\n'])
def test_an_id_column_that_is_in_no_row(
    tmp_path: Path, batcher: Command, command: str, keep: str
) -> None:
    """A misspelt id column is one error for all rows, with the nearest existing name."""
    rows = [{"review_id": number, "text": "x"} for number in range(30)]
    job = write_job(tmp_path, JOB.replace('id = "id"', 'id = "reviewid"') + keep, rows)
    result = batcher(command, job, "--simulate")
    text = result.out + result.err
    assert result.code == 2
    assert text.count("reviewid") == 1
    assert "did you mean `review_id`?" in text
    assert "bad" not in text


def test_an_id_column_that_is_in_some_rows(tmp_path: Path, batcher: Command) -> None:
    """Rows without an id and lines that are not JSON are bad; the other rows are sent."""
    rows = [{"text": "x"}, {"id": None, "text": "y"}, {"id": 3, "text": "z"}]
    job = write_job(tmp_path, rows=rows)
    assert "2 bad" in batcher("run", job, "--simulate").err
    (tmp_path / "rows.jsonl").write_text("{\n{\n")
    assert "2 of 2 rows are bad" in batcher("run", job, "--simulate").err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["rum"], "did you mean `run`?"),
        (["run", "job.toml", "--simulat"], "did you mean `--simulate`?"),
        (["run", "job.toml", "--dry-run"], "batcher check JOB, or batcher run JOB --simulate"),
        (["run", "job.toml", "--budget", "3"], "use --max-cost USD"),
    ],
)
def test_a_wrong_name_gets_a_suggestion(batcher: Command, words: list[str], hint: str) -> None:
    """The nearest command or option, or what batcher has instead of another program's option."""
    result = batcher(*words)
    assert result.code == 2
    assert hint in result.err


def test_an_error_ends_in_the_command_that_was_typed(here: Path, batcher: Command) -> None:
    """With all its options, and quoted for a shell."""
    result = batcher("check", "bad", "--set", "job.name=a b", "--simulate")
    assert result.err.endswith(
        "next   fix this, then run: batcher check bad --set 'job.name=a b' --simulate\n"
    )
