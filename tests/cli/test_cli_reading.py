"""failures, show and prices explain a run: which rows failed, and what each row cost."""

from decimal import Decimal
from pathlib import Path

import pytest
from commanding import JOB, Command, write_job


def test_failures_are_grouped_with_advice(done: Path, batcher: Command) -> None:
    """Each group has a number of rows, an example that show finds, and advice."""
    groups = batcher("failures", done, "--simulate", "--json").json["groups"]
    assert {(group["error_type"], group["rows"]) for group in groups} == {
        ("max_tokens", 4),
        ("client.duplicate_id", 1),
    }
    for group in groups:
        assert group["advice"]
        assert batcher("show", done, group["example_id"], "--simulate").code == 0


def test_failures_say_what_to_type_next(done: Path, batcher: Command) -> None:
    """The last line retries the largest group with a larger max_tokens."""
    result = batcher("failures", done, "--simulate")
    assert result.out.startswith("5 of 6 rows without a good answer")
    more = "--only max_tokens --set request.max_tokens="
    assert result.err.startswith(f"next   batcher retry {done} {more}")
    assert result.err.endswith(" --simulate\n")


def test_messages_of_a_group_are_counted(batcher: Command, tmp_path: Path) -> None:
    """The most frequent comes first, numbers do not matter, and control characters are not obeyed.

    The sum over the messages is the number of rows.
    """
    job = write_job(tmp_path / "mixed")
    bad = [f'{{"id": "x{n}", "message": {{"n": {n}}}' for n in range(7)]
    bad += ['{"id": "y", "message": NaN}', '{"id": "z", "message": "\x1b[2J"']
    (job.parent / "rows.jsonl").write_text("\n".join([*bad, '{"id": "a", "message": "good"}\n']))
    batcher("run", job, "--simulate", "--yes", "--set", "limits.max_failed=1")
    groups = batcher("failures", job, "--simulate", "--json").json["groups"]
    (group,) = [group for group in groups if group["error_type"] == "client.bad_row"]
    rows = [entry["rows"] for entry in group["messages"]]
    assert sum(rows) == group["rows"] >= 8
    assert rows == sorted(rows, reverse=True)
    assert group["messages_total"] == len(rows) > 1
    shown = batcher("failures", job, "--simulate").out
    assert f"{rows[0]:>7,}  {group['messages'][0]['message']}" in shown
    assert "\x1b" not in shown


def test_show_explains_the_cost(done: Path, batcher: Command) -> None:
    """The sum of quantity times rate is exactly the recorded cost."""
    (sample,) = batcher("show", done, "a-2", "--simulate", "--json").json["samples"]
    (attempt,) = sample["attempts"]
    terms = [
        Decimal(line["quantity"]) * Decimal(line["rate_usd"]) / line["per"]
        * Decimal(line["multiplier"])
        for line in attempt["cost"]["lines"]
    ]  # fmt: skip
    assert sum(terms) == Decimal(sample["cost_usd"]) > 0
    assert sum(terms) == sum(Decimal(line["amount_usd"]) for line in attempt["cost"]["lines"])


def test_show_has_all_facts_about_a_row(done: Path, batcher: Command) -> None:
    """The text has the place, the request, the attempt, the answer and the cost."""
    result = batcher("show", done, "a-2", "--simulate")
    for fact in ("rows.jsonl:2", "I was charged twice.", "HTTP 200", "req_", "  sum  "):
        assert fact in result.out


def test_show_takes_a_row_number(done: Path, batcher: Command) -> None:
    """A number that is not an id is the number of a row."""
    assert batcher("show", done, "6", "--simulate", "--json").json["id"] == "a-6"


def test_show_explains_rows_that_were_not_sent(done: Path, batcher: Command) -> None:
    """A bad row has a reason and no attempt; a shared row names the row that paid."""
    bad = batcher("show", done, "5", "--simulate", "--json").json["samples"][0]
    assert (bad["error_type"], bad["attempts"]) == ("client.duplicate_id", [])
    assert "skipped" in batcher("show", done, "a-3", "--simulate").out
    assert "paid for by an earlier row" in batcher("show", done, "a-4", "--simulate").out


def test_the_example_of_a_group_is_the_failed_row(tmp_path: Path, batcher: Command) -> None:
    """The next command of failures shows the bad row, even if another row has its id or number."""
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


@pytest.mark.parametrize(
    ("row", "command"), [("a-1", "failures"), ("a-3", "export"), ("5", "failures")]
)
def test_the_next_command_after_a_row(done: Path, batcher: Command, row: str, command: str) -> None:
    """A good row leads to the output, a bad one to the failures."""
    expected = f"next   batcher {command} {done} --simulate\n"
    assert batcher("show", done, row, "--simulate").err == expected


def test_a_bad_row_has_no_earlier_variant(done: Path, batcher: Command) -> None:
    """A row that gives no request keeps no answer to an earlier variant."""
    assert "earlier variant" not in batcher("show", done, "5", "--simulate").out


def test_a_retry_of_rows_that_give_no_request(tmp_path: Path, batcher: Command) -> None:
    """The message has their number and what to do; it does not say that no row failed."""
    rows = [{"id": 1, "text": "a"}, {"id": 1, "text": "b"}, {"id": None, "text": "c"}]
    job = write_job(tmp_path, JOB.replace("20", "2000"), rows)
    batcher("run", job, "--simulate", "-q")
    result = batcher("retry", job, "--simulate")
    assert result.code == 3
    assert "2 bad rows cannot be sent; fix the input, then run: batcher run JOB" in result.err
    assert "no row failed" not in result.err


def test_show_suggests_ids(done: Path, batcher: Command) -> None:
    """An unknown id gets a suggestion with the nearest ids."""
    result = batcher("show", done, "a-7", "--simulate")
    assert result.code == 2
    assert "did you mean a-6" in result.err
    assert batcher("show", done, "99", "--simulate").code == 2


def test_show_replaces_control_characters(tmp_path: Path, batcher: Command) -> None:
    """A control character in a row does not reach the terminal."""
    job = write_job(tmp_path, rows=[{"id": "1", "text": "a\u202eb"}])
    batcher("run", job, "--simulate", "-q")
    assert "\u202e" not in batcher("show", job, "1", "--simulate").out


def test_reading_changes_nothing(done: Path, batcher: Command) -> None:
    """failures, show and status change no file."""
    state = done.parent / "runs/job.simulated"
    before = {path: path.stat().st_mtime_ns for path in state.rglob("*")}
    batcher("failures", done, "--simulate")
    batcher("show", done, "a-1", "--simulate")
    batcher("status", done, "--simulate")
    assert before == {path: path.stat().st_mtime_ns for path in state.rglob("*")}


def test_the_message_suggests_simulate(done: Path, batcher: Command) -> None:
    """Without --simulate there is no run; the message suggests --simulate."""
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
    """The table and a single model, by id or alias, have a date and exact rates."""
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
    """Overrides of the job file have its date; all other prices are those of the table."""
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
    """--all shows them."""
    assert "retired" not in batcher("prices").out
    assert "retired" in batcher("prices", "--all").out
