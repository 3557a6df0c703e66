"""What has run can be read: how it went, what failed, and each row to the last cent."""

from decimal import Decimal
from pathlib import Path

import pytest
from commanding import JOB, Command, write_job


def test_failures_are_grouped_with_advice(done: Path, batcher: Command) -> None:
    """Each kind of failure has its number, an example that show knows, its cost and advice."""
    groups = batcher("failures", done, "--simulate", "--json").json["groups"]
    assert {(group["error_type"], group["rows"]) for group in groups} == {
        ("max_tokens", 4),
        ("client.duplicate_id", 1),
    }
    for group in groups:
        assert group["advice"]
        assert batcher("show", done, group["example_id"], "--simulate").code == 0


def test_failures_say_what_to_type_next(done: Path, batcher: Command) -> None:
    """The text ends in the command that asks the largest group again, with more room."""
    result = batcher("failures", done, "--simulate")
    assert result.out.startswith("5 of 6 rows without a good answer")
    more = "--only max_tokens --set request.max_tokens="
    assert result.err.startswith(f"next   batcher retry {done} {more}")
    assert result.err.endswith(" --simulate\n")


def test_show_explains_the_cost(done: Path, batcher: Command) -> None:
    """Quantity times rate, line by line, is exactly what was recorded."""
    (sample,) = batcher("show", done, "a-2", "--simulate", "--json").json["samples"]
    (attempt,) = sample["attempts"]
    terms = [
        Decimal(line["quantity"]) * Decimal(line["rate_usd"]) / line["per"]
        * Decimal(line["multiplier"])
        for line in attempt["cost"]["lines"]
    ]  # fmt: skip
    assert sum(terms) == Decimal(sample["cost_usd"]) > 0
    assert sum(terms) == sum(Decimal(line["amount_usd"]) for line in attempt["cost"]["lines"])


def test_show_has_everything_of_a_row(done: Path, batcher: Command) -> None:
    """The place, the request, the attempt, the answer and the sum are in the text."""
    result = batcher("show", done, "a-2", "--simulate")
    for fact in ("rows.jsonl:2", "I was charged twice.", "HTTP 200", "req_", "  sum  "):
        assert fact in result.out


def test_show_takes_a_row_number(done: Path, batcher: Command) -> None:
    """What is no id is the number of a row."""
    assert batcher("show", done, "6", "--simulate", "--json").json["id"] == "a-6"


def test_show_tells_of_rows_that_were_not_sent(done: Path, batcher: Command) -> None:
    """A bad row and a skipped one have a reason and no attempt; a shared one says so."""
    bad = batcher("show", done, "5", "--simulate", "--json").json["samples"][0]
    assert (bad["error_type"], bad["attempts"]) == ("client.duplicate_id", [])
    assert "skipped" in batcher("show", done, "a-3", "--simulate").out
    assert "paid for by an earlier row" in batcher("show", done, "a-4", "--simulate").out


def test_a_failed_row_is_shown_whoever_has_its_id(tmp_path: Path, batcher: Command) -> None:
    """What failures types next shows the bad row itself, though its id and number are others'."""
    rows = [{"id": name, "text": f"{n}"} for n, name in enumerate([3, 1, 1, None])]
    job = write_job(tmp_path, JOB.replace("20", "2000"), rows)
    assert batcher("run", job, "--simulate", "-q").code == 3
    groups = batcher("failures", job, "--simulate", "--json").json["groups"]
    assert {group["example_id"] for group in groups} == {"row:3", "row:4"}
    for group in groups:
        shown = batcher("show", job, group["example_id"], "--simulate", "--json").json
        assert shown["samples"][0]["error_type"] == group["error_type"]
    last = batcher("failures", job, "--simulate").err.strip().rpartition("show ")[2].split()
    assert last[1] in {"row:3", "row:4"}
    assert batcher("show", job, "3", "--simulate", "--json").json["row"] == 1
    assert batcher("show", job, "row:9", "--simulate").code == 2


def test_a_row_that_was_never_asked_has_no_earlier_form(done: Path, batcher: Command) -> None:
    """A row that cannot be asked kept no answer of another form of its request."""
    assert "earlier variant" not in batcher("show", done, "5", "--simulate").out


def test_a_retry_of_rows_that_cannot_be_asked(tmp_path: Path, batcher: Command) -> None:
    """It says how many there are and what to do, and not that no row failed."""
    rows = [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}, {"id": None, "text": "c"}]
    job = write_job(tmp_path, JOB.replace("20", "2000"), rows)
    batcher("run", job, "--simulate", "-q")
    result = batcher("retry", job, "--simulate")
    assert result.code == 3
    assert "2 bad rows cannot be sent; fix the input, then run: batcher run JOB" in result.err
    assert "no row failed" not in result.err


def test_show_suggests_ids(done: Path, batcher: Command) -> None:
    """An id that is not there gets the nearest ones."""
    result = batcher("show", done, "a-7", "--simulate")
    assert result.code == 2
    assert "did you mean a-6" in result.err
    assert batcher("show", done, "99", "--simulate").code == 2


def test_show_cannot_move_the_cursor(tmp_path: Path, batcher: Command) -> None:
    """What a row holds does not reach the terminal as an escape."""
    job = write_job(tmp_path, rows=[{"id": "1", "text": "a\u202eb"}])
    batcher("run", job, "--simulate", "-q")
    assert "\u202e" not in batcher("show", job, "1", "--simulate").out


def test_reading_changes_nothing(done: Path, batcher: Command) -> None:
    """Failures, show and status leave every file as it was."""
    state = done.parent / "runs/job.simulated"
    before = {path: path.stat().st_mtime_ns for path in state.rglob("*")}
    batcher("failures", done, "--simulate")
    batcher("show", done, "a-1", "--simulate")
    batcher("status", done, "--simulate")
    assert before == {path: path.stat().st_mtime_ns for path in state.rglob("*")}


def test_a_simulated_run_is_pointed_at(done: Path, batcher: Command) -> None:
    """Without --simulate there is no run, and the message says where there is one."""
    result = batcher("failures", done)
    assert result.code == 2
    assert "add --simulate" in result.err


def test_no_failures(tmp_path: Path, batcher: Command) -> None:
    """A job without failures says so and exits 0."""
    job = write_job(tmp_path, JOB.replace("20", "2000"), rows=[{"id": "1", "text": "x"}])
    assert batcher("run", job, "--simulate", "-q").code == 0
    result = batcher("failures", job, "--simulate")
    assert (result.code, result.out) == (0, "0 of 1 row without a good answer\n")
    assert "\nanswer\n" in batcher("show", job, "1", "--simulate").out


@pytest.mark.parametrize("wanted", [None, "claude-haiku-5-5", "claude-haiku-4-5"])
def test_prices(batcher: Command, wanted: str | None) -> None:
    """The table, or one model by id or alias, has its date and exact rates."""
    words = [] if wanted is None else [wanted]
    assert "checked 20" in batcher("prices", *words).out
    models = batcher("prices", *words, "--json").json["models"]
    assert len(models) == 1 or wanted is None
    for model in models:
        assert all(isinstance(rate, str) for rate in model["usd_per_mtok"]["standard"].values())


OWN = """
[prices]
as_of = 2026-11-20
overrides = { "claude-haiku-4-5" = { input = 0.5, output = 2 }, "own" = { input = 1, output = 1 } }
"""


def test_prices_of_a_job(tmp_path: Path, batcher: Command) -> None:
    """With what its job file overrides, and since when; the others are as shipped."""
    job = write_job(tmp_path, JOB + OWN)
    models = {one["id"]: one for one in batcher("prices", "--job", job, "--json").json["models"]}
    own = {"own", "claude-haiku-4-5-20251001"}
    assert {name for name, one in models.items() if one["is_override"]} == own
    assert models["claude-haiku-4-5-20251001"]["usd_per_mtok"]["batch"]["input"] == "0.25"
    assert batcher("prices", "own", "--job", job, "--json").json["overrides_as_of"] == "2026-11-20"
    assert "from the job file (2026-11-20): own" in batcher("prices", "own", "--job", job).out
    assert "job file" not in batcher("prices", "claude-opus-5-5", "--job", job).out
    assert "job file" not in batcher("prices").out
    checked = batcher("check", job, "--simulate", "--set", "request.model=own")
    assert "(the job file, 2026-11-20)" in checked.out + checked.err
    undated = write_job(tmp_path, JOB + OWN.replace("as_of = 2026-11-20", ""))
    assert "(without a date): own" in batcher("prices", "own", "--job", undated).out


@pytest.mark.parametrize("day", ['"soon"', "1", "2026-11-20T12:00:00Z", "true"])
def test_a_day_of_prices_is_a_day(tmp_path: Path, batcher: Command, day: str) -> None:
    """Anything else is a mistake in the job file, reported with its line."""
    job = write_job(tmp_path, JOB + OWN.replace("2026-11-20", day))
    result = batcher("prices", "--job", job)
    assert result.code == 2
    assert "job.toml:12: prices.as_of must be a day, such as 2026-11-22" in result.err


def test_retired_models_are_left_out_of_the_table(batcher: Command) -> None:
    """They are shown with --all."""
    assert "retired" not in batcher("prices").out
    assert "retired" in batcher("prices", "--all").out
