"""Runs with typed labels: columns by the schema, billed repairs, and the gold comparison."""

import json
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from whole_runs import SHARED, Job, Server, batcher, kill, wait_for

from batcher.inputs.job_file.load import load_job

PACKAGES = SHARED / "debian_packages.parquet"
ROOT = Path(__file__).parents[2]
FIELDS = '[labels]\nfields = "label: a|b|c, confidence float, reasons list, when? date"\n'


def rows(count: int) -> list[dict[str, Any]]:
    """Return rows; most of them have a gold label."""
    random = Random(1)
    return [
        {"id": f"r{n}", "text": f"thing {n}", "truth": random.choice(["a", "b", "c", None])}
        for n in range(count)
    ]


def record_of(job: Job) -> dict[str, Any]:
    """Return the record of the last run that sent anything."""
    (path, *_) = sorted((job.folder / "runs/job").glob("*/run.json"), reverse=True)
    return json.loads(path.read_text())


def retry(job: Job, *arguments: str) -> str:
    """Retry the failed rows, and return what the command printed."""
    done = batcher("retry", job.path, "--yes", *arguments, key="test-key")
    return done.out + done.err


def test_labels_become_typed_columns(tmp_path: Path) -> None:
    """They are between kept columns and bookkeeping, and the same when no row succeeds."""
    server = Server()
    job = Job(tmp_path, server).write(rows(40), more=FIELDS)
    job.run()
    wanted = {
        "label": pa.dictionary(pa.int32(), pa.string()),
        "confidence": pa.float64(),
        "reasons": pa.list_(pa.string()),
        "when": pa.date32(),
    }
    table = job.table()
    assert table.column_names[3:7] == list(wanted)
    assert {name: table.schema.field(name).type for name in wanted} == wanted
    for row in table.to_pylist():
        value = json.loads(row["_text"])
        assert row["label"] == value["label"]
        assert row["reasons"] == value["reasons"]
    schema = table.schema
    server.close()
    refusing = Server("--refusal-rate", "1")
    (tmp_path / "other").mkdir()
    job = Job(tmp_path / "other", refusing).write(rows(15), more=FIELDS)
    job.run(code=3)
    assert job.table().schema.equals(schema)
    assert job.table().column("label").null_count == 15
    refusing.close()


def test_invalid_answers_are_repaired_and_billed(tmp_path: Path) -> None:
    """When 5 % of the answers break the schema, at least 99.5 % of the rows end valid.

    The bill is exact, and lists repairs separately.
    """
    server = Server("--invalid-rate", "0.05", "--latency", "0.01")
    job = Job(tmp_path, server).write(rows(800), more=FIELDS)
    printed = job.run("--set", "limits.max_failed=0.01")
    table, ledger, record = job.table(), server.ledger(), record_of(job)
    valid = table.column("_status").to_pylist().count("succeeded")
    assert valid >= 0.995 * 800
    assert table.column("label").null_count == 800 - valid
    again = ledger["answered"] - 800
    assert again == sum(table.column("_attempts").to_pylist()) - 800
    assert 20 <= again <= 70
    assert record["repairs"]["attempts"] == again
    assert f"for {again} attempts to get a valid answer" in printed
    assert Decimal(record["usd"]["spent"]) == Decimal(ledger["cost_usd"])
    assert 0 < Decimal(record["repairs"]["usd"]) < Decimal(record["usd"]["spent"]) / 4
    paid = sum(Decimal(str(usd)) for usd in table.column("_cost_usd").to_pylist())
    assert paid == Decimal(ledger["cost_usd"])
    server.close()


@pytest.mark.slow
def test_every_repair_counts(tmp_path: Path) -> None:
    """Half of the answers are invalid: one repair leaves a quarter of the rows, two an eighth."""
    server = Server("--invalid-rate", "0.5")
    invalid = []
    for repairs in (0, 1, 2):
        (tmp_path / str(repairs)).mkdir()
        job = Job(tmp_path / str(repairs), server)
        job.write(rows(200), more=f"{FIELDS}repairs = {repairs}\n").run(code=3)
        invalid.append(job.table().column("_status").to_pylist().count("invalid"))
    assert all(abs(found - 200 * 0.5**n) < 28 for n, found in enumerate(invalid, 1)), invalid
    server.close()


def test_choices_have_the_case_of_the_schema(tmp_path: Path) -> None:
    """The column, the vote and the gold comparison use the schema's upper and lower case."""
    server = Server("--careless-rate", "1")
    fields = '[labels]\nfields = "label: Billing|delivery|OTHER"\ngold = "truth"\n'
    given = [{"n": n, "text": f"thing {n}", "truth": "billing"} for n in range(40)]
    ask = 'prompt = "Classify: {{ text }}"\nsamples = 3\n'
    job = Job(tmp_path, server).write(given, request=ask, more=fields)
    job.run()
    table = job.table()
    answered = [json.loads(text)["label"] for text in table.column("_text").to_pylist()]
    spelt = table.column("label").to_pylist()
    assert any(answer != label for answer, label in zip(answered, spelt, strict=True))
    assert set(spelt) <= {"Billing", "delivery", "OTHER"}
    assert set(table.column("_majority_label").to_pylist()) <= {*spelt, None}
    assert set(table.column("_status").to_pylist()) == {"succeeded"}
    gold = record_of(job)["quality"]["gold"]
    right = table.column("_majority_label").to_pylist()[::3].count("Billing")
    assert gold["accuracy"]["value"] * gold["rows"] == pytest.approx(right)
    server.close()


@pytest.mark.parametrize(("what", "code"), [("keep", 0), ("fail", 3)])
def test_invalid_answers_may_be_kept_or_fail(what: str, code: int, tmp_path: Path) -> None:
    """Each row is sent once; its status is invalid, and only ``fail`` counts it as failed."""
    server = Server("--invalid-rate", "1")
    job = Job(tmp_path, server).write(rows(19), more=f'{FIELDS}on_invalid = "{what}"\n')
    job.run(code=code)
    assert server.ledger()["answered"] == 19
    table = job.table()
    assert set(table.column("_status").to_pylist()) == {"invalid"}
    assert set(table.column("_error_type").to_pylist()) == {"client.invalid_label"}
    reasons = " ".join(table.column("_error_message").to_pylist())
    assert "is missing reasons" in reasons
    assert "must be an object" in reasons or "of type object" in reasons
    assert table.column("label").null_count == 19
    server.close()


def test_the_number_of_repairs_is_bounded(tmp_path: Path) -> None:
    """A model that is never right gets the job's number of repairs and no more."""
    server = Server("--invalid-rate", "1")
    job = Job(tmp_path, server).write(rows(15), more=f"{FIELDS}repairs = 3\n")
    job.run(code=3)
    assert server.ledger()["answered"] == 60
    assert set(job.table().column("_attempts").to_pylist()) == {4}
    server.close()


@pytest.mark.slow
def test_repairs_are_counted_across_kills(tmp_path: Path) -> None:
    """After any number of kills, a row does not get more repairs than the job allows."""
    server = Server("--invalid-rate", "1", "--latency", "0.02")
    limits = "concurrency = 16\nmax_failed = 1\n"
    job = Job(tmp_path, server).write(rows(60), limits=limits, more=f"{FIELDS}repairs = 4\n")
    for answered in (60, 150, 220):
        run = job.start()
        wait_for(server, answered)
        kill(run)
    job.run()
    attempts = job.table().column("_attempts").to_pylist()
    assert server.ledger()["answered"] <= sum(attempts)
    lost = sum(attempts) - 60 * 5
    assert 0 <= lost <= 3 * 16, "only requests in flight at a kill are sent twice"
    retry(job)
    again = job.table().column("_attempts").to_pylist()
    assert [after - before for before, after in zip(attempts, again, strict=True)] == [5] * 60
    server.close()


def test_the_worst_case_includes_repairs(tmp_path: Path) -> None:
    """A cap of the worst case is enough, and never passed, even if no answer is right."""
    server = Server("--invalid-rate", "1")
    job = Job(tmp_path, server).write(rows(15), more=f"{FIELDS}repairs = 3\n")
    most = json.loads(job.command("check", "--json", "--simulate"))["plan"]["worst_case_usd"]
    job.run("--max-cost", most, code=3)
    assert server.ledger()["answered"] == 60
    assert Decimal(server.ledger()["cost_usd"]) <= Decimal(most)
    server.close()


def test_truncated_is_not_invalid(tmp_path: Path) -> None:
    """An answer cut off by max_tokens gets no repair."""
    server = Server()
    job = Job(tmp_path, server).write([{"id": "r", "text": "x [[truncate]]"}], more=FIELDS)
    job.run(code=3)
    assert job.table().column("_status").to_pylist() == ["truncated"]
    assert server.ledger()["answered"] == 1
    server.close()


@pytest.mark.parametrize(
    ("via", "asked"), [("tool", "tools"), ("text", "system"), ("auto", "output_config")]
)
def test_servers_without_structured_output(via: str, asked: str, tmp_path: Path) -> None:
    """Answers by a strict tool or as JSON in the text have the same typed columns."""
    server = Server()
    fields = '[labels]\nfields = "label: a|b|c, score float"\nrepairs = 6\n'
    job = Job(tmp_path, server).write(rows(12), more=f'{fields}via = "{via}"\n')
    job.run()
    body = json.loads(job.command("show", "1", "--json"))["request"]
    assert {key for key in ("tools", "system", "output_config") if key in body} == {asked}
    found = job.table().to_pylist()
    assert {row["_status"] for row in found} == {"succeeded"}
    for row in found:
        assert row["_text"].count(f'"label": "{row["label"]}"') == 1
        assert row["_text"].count(f'"score": {row["score"]:g}') == 1
    server.close()


def test_gold_is_compared(tmp_path: Path) -> None:
    """The accuracy's interval contains the rate of right answers of the simulator."""
    truth = tmp_path / "truth.jsonl"
    given = rows(600)
    answer_key = [
        {"line": f"Classify: {row['text']}", "value": {"label": row["truth"]}}
        for row in given
        if row["truth"]
    ]
    truth.write_text("".join(json.dumps(line) + "\n" for line in answer_key))
    server = Server("--truth", str(truth), "--right-rate", "0.8")
    job = Job(tmp_path, server).write(given, more=f'{FIELDS}gold = "truth"\n')
    printed = job.run()
    gold = record_of(job)["quality"]["gold"]
    assert (gold["rows"], gold["column"], gold["field"]) == (len(answer_key), "truth", "label")
    assert gold["accuracy"]["low"] <= 0.8 <= gold["accuracy"]["high"]
    assert "accuracy" in printed
    assert sum(record_of(job)["quality"]["class_counts"]["label"].values()) == 600
    server.close()


def test_several_answers_vote(tmp_path: Path) -> None:
    """The majority and the agreement are columns, equal for all answers to a row."""
    server = Server()
    job = Job(tmp_path, server).write(
        rows(30),
        input='path = "rows.jsonl"\nwhere = "id != \'r7\'"\n',
        request='prompt = "Classify: {{ text }}"\nsamples = 3\n',
        more=f'{FIELDS}gold = "truth"\n',
    )
    printed = job.run()
    table = job.table()
    assert table.schema.field("_majority_label").type == table.schema.field("label").type
    assert table.schema.field("_majority_when").type == pa.date32()
    assert "_majority_reasons" not in table.column_names
    found = table.to_pylist()
    for row in (found[n : n + 3] for n in range(0, len(found), 3)):
        ((label, most), *others) = Counter(one["label"] for one in row).most_common()
        is_tie = bool(others) and others[0][1] == most
        assert {one["_majority_label"] for one in row} == {None if is_tie else label}
        assert {one["_agreement_label"] for one in row} == {most / 3}
    quality = record_of(job)["quality"]
    assert quality["votes"]["label"]["rows"] == 29
    assert quality["gold"]["rows"] + quality["gold"]["unlabelled"] <= 29
    assert "mean agreement" in printed
    server.close()


def as_version_0_6(job: Job) -> None:
    """Rewrite the run records with the keys of version 0.6, as far as they had other places."""
    for path in job.folder.glob("runs/*/*/run.json"):
        record = json.loads(path.read_text())
        for totals in (record, record["checkpoint"]):
            totals["usd"]["unpriced_attempts"] = totals["attempts"].pop("unpriced")
        record["pace"] = record.pop("seconds_by_limiter")
        record["limits"] = {
            group: {kind: [limit["per_minute"], limit["burst"]] for kind, limit in limits.items()}
            for group, limits in record.pop("observed_limits").items()
        }
        quality = record["quality"]
        quality["classes"] = quality.pop("class_counts")
        quality["new_classes"] = quality.pop("new_class_counts")
        record["quality"] = {key: quality[key] for key in ("classes", "new_classes")}
        path.write_text(json.dumps({**record, "schema_version": 1}))


@pytest.mark.parametrize("are_records_old", [False, True])
def test_drift_compares_only_new_rows(tmp_path: Path, are_records_old: bool) -> None:
    """A run with other labels is detected among many earlier rows, also with old records."""
    server, always = Server(), '[labels]\nfields = "label: a|b"\n'
    night = [{"id": f"r{n}", "text": f"thing {n}"} for n in range(600)]
    truth = [
        {"line": f"Classify: {row['text']}", "value": {"label": "a" if n < 300 else "b"}}
        for n, row in enumerate(night)
    ]
    (tmp_path / "truth.jsonl").write_text("".join(json.dumps(one) + "\n" for one in truth))
    server.close()
    server = Server("--truth", str(tmp_path / "truth.jsonl"))
    job = Job(tmp_path, server).write(night[:200], more=always)
    job.run()
    job.write(night[:300], more=always)
    assert "distribution differs" not in job.run()
    if are_records_old:
        as_version_0_6(job)
    job.write(night[:400], more=always)
    assert "label: distribution differs by 100.0 % from the last run" in job.run()
    assert record_of(job)["quality"]["new_class_counts"] == {"label": {"b": 100}}
    assert "distribution differs" not in job.run(), "no row is new"
    server.close()


@pytest.mark.slow
def test_a_retry_is_no_drift(tmp_path: Path) -> None:
    """Retried rows are no fair sample, so they are no drift, in this run and the next."""
    night = [{"id": f"r{n}", "text": f"thing {n}"} for n in range(600)]
    for row in night[:60]:
        row["text"] += " [[tokens:450]]"
    truth = [
        {"line": f"Classify: {row['text']}", "value": {"label": "a" if n % 2 or n < 60 else "b"}}
        for n, row in enumerate(night)
    ]
    (tmp_path / "truth.jsonl").write_text("".join(json.dumps(one) + "\n" for one in truth))
    server = Server("--truth", str(tmp_path / "truth.jsonl"))
    more = '[labels]\nfields = "label: a|b"\n'
    job = Job(tmp_path, server).write(night[:300], more=more)
    job.run("--set", "limits.max_failed=1")
    printed = retry(job, "--set", "request.max_tokens=600")
    assert "distribution differs" not in printed
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    lines = [json.dumps(row) + "\n" for row in night]
    (job.folder / "rows.jsonl").write_text("".join(lines))
    assert "distribution differs" not in job.run()
    server.close()


def test_gold_that_is_set_later_is_compared(tmp_path: Path) -> None:
    """No row is sent again; a misspelt gold column is an error."""
    server = Server()
    job = Job(tmp_path, server).write(rows(40), more=FIELDS)
    job.run()
    answered = server.ledger()["answered"]
    job.write(rows(40), more=f'{FIELDS}gold = "thruth"\n')
    assert "did you mean `truth`?" in job.run(code=2)
    job.write(rows(40), more=f'{FIELDS}gold = "truth"\n')
    printed = job.run()
    assert server.ledger()["answered"] == answered
    assert "quality  label: accuracy" in printed
    assert record_of(job)["quality"]["gold"]["column"] == "truth"
    assert "quality" not in job.run(), "no row is new"
    server.close()


def test_check_finds_gold_that_no_answer_can_have(tmp_path: Path) -> None:
    """The message has their number and the place of the first, and quotes no value."""
    found = rows(20)
    found[4]["truth"], found[9]["truth"] = "private words", "B"
    job = Job(tmp_path, None).write(found, more=f'{FIELDS}gold = "truth"\n')
    job.path.write_text(job.path.read_text().replace("[api]", '[api]\nauth = "none"'))
    (warning,) = json.loads(job.command("check", "--json"))["warnings"]
    assert (warning["file"], warning["line"]) == ("rows.jsonl", 5)
    assert "this row has a label in 'truth'" in warning["message"]
    assert "private" not in warning["message"]


@pytest.mark.parametrize(
    "fields", ["text, label: a|b", "TEXT", "label, LABEL", "_status", "_majority_label, label"]
)
def test_a_duplicate_column_name_is_an_error(fields: str, tmp_path: Path) -> None:
    """A label with the name of an input column, a vote or another label is an error in check."""
    ask = 'prompt = "Classify: {{ text }}"\nsamples = 2\n'
    job = Job(tmp_path, None)
    job.write(rows(3), request=ask, more=f'[labels]\nfields = "{fields}"\n')
    done = batcher("check", job.path, "--simulate")
    assert done.code == 2
    assert "has the name of another output column" in done.err


def test_check_lists_the_enforced_rules(tmp_path: Path) -> None:
    """``check`` lists the rules that the API enforces and those that batcher checks."""
    number = {"type": "number", "minimum": 0, "maximum": 1, "scroe": 1}
    schema = {"type": "object", "required": ["score"], "properties": {"score": number}}
    (tmp_path / "schema.json").write_text(json.dumps(schema))
    job = Job(tmp_path, None).write(rows(3), more='[labels]\nschema = "schema.json"\n')
    job.path.write_text(job.path.read_text().replace("[api]", '[api]\nauth = "none"'))
    printed = job.command("check")
    assert "score double" in printed
    assert "enforced by the API: names, types, choices and required keys" in printed
    assert "checked by batcher, not by the API: score: at most 1" in printed
    assert "scroe is not a JSON Schema keyword" in printed
    labels = json.loads(job.command("check", "--json"))["labels"]
    assert labels["checked_by_batcher"] == ["score: at least 0", "score: at most 1"]
    assert labels["columns"] == {"score": "double"}


def generated_packages() -> list[dict[str, Any]]:
    """Return twenty generated packages of each section in the job."""
    labels = load_job(ROOT / "jobs/debian_sections/job.toml").labels
    assert labels is not None
    sections = labels.schema["properties"]["label"]["enum"]
    return [
        {"package": f"{section}-tool-{n}", "description": f"a tool, number {n}", "section": section}
        for n in range(20)
        for section in sections
    ]


def real_packages() -> list[dict[str, Any]]:
    """Return up to twenty-six real packages of each section."""
    if not PACKAGES.exists():
        pytest.skip("the full table of Debian packages is not here")
    counts: Counter[str] = Counter()
    found = []
    for row in pq.read_table(PACKAGES, columns=["package", "description", "section"]).to_pylist():
        counts[row["section"]] += 1
        if counts[row["section"]] <= 26:
            found.append(row)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("packages", [generated_packages, real_packages])
def test_the_main_job_measures_its_accuracy(
    packages: Callable[[], list[dict[str, Any]]], tmp_path: Path
) -> None:
    """With 58 sections and the real one as gold, the confusion matrix is exact."""
    given = packages()
    truth = tmp_path / "truth.jsonl"
    lines = [
        {"line": f"Package: {one['package']}", "value": {"label": one["section"]}} for one in given
    ]
    truth.write_text("".join(json.dumps(one) + "\n" for one in lines))
    pq.write_table(pa.Table.from_pylist(given), tmp_path / "packages.parquet")
    server = Server("--truth", str(truth), "--right-rate", "0.7", "--seed", "2")
    job = Job(tmp_path, server)
    job.path = ROOT / "jobs/debian_sections/job.toml"
    changed = {
        "input.path": tmp_path / "packages.parquet",
        "job.state": tmp_path / "runs/job",
        "output.path": tmp_path / "out.parquet",
        "api.base_url": server.url,
    }
    printed = job.run(*(word for key, to in changed.items() for word in ("--set", f"{key}={to}")))
    gold = record_of(job)["quality"]["gold"]
    assert (gold["rows"], gold["classes_total"]) == (len(given), 58)
    assert gold["accuracy"]["low"] <= 0.7 <= gold["accuracy"]["high"]
    answers = job.table().column("label").to_pylist()
    pairs = Counter((one["section"], label) for one, label in zip(given, answers, strict=True))
    assert {(wanted, found): n for wanted, found, n in gold["confusion"]} == pairs
    right = sum(n for (wanted, found), n in pairs.items() if wanted == found)
    assert gold["accuracy"]["value"] == right / len(given)
    for word in ("quality  label: accuracy", "kappa", "precision", "gold  ", "run.json"):
        assert word in printed
    server.close()
