"""Schemas of every kind, from the job file to typed columns, with the simulator over HTTP."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from schema_cases import CASES
from whole_runs import Job, Server

from batcher.cli.main import main
from batcher.core.labels.labels import Labels

ROWS = 18
"""Fewer than the rows that stop a run when all of them fail alike."""
Command = Callable[..., tuple[int, str]]
TYPES = {
    "boolean": pa.bool_(), "int64": pa.int64(), "double": pa.float64(), "string": pa.string(),
    "enum": pa.dictionary(pa.int32(), pa.string()), "json": pa.string(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}  # fmt: skip


@pytest.fixture(scope="module")
def careless() -> Iterator[Server]:
    """A simulator that ignores the rules that the API does not enforce in one answer of four."""
    server = Server("--careless-rate", "0.25", "--seed", "3")
    yield server
    server.close()


def arrow_of(name: str, *, is_inner: bool = False) -> pa.DataType:
    """Return the Arrow type of a short name; an enum inside a list or struct is a string."""
    if found := re.fullmatch(r"list<(.*)>", name):
        return pa.list_(arrow_of(found[1], is_inner=True))
    if found := re.fullmatch(r"struct<(.*)>", name):
        fields = (part.split(":", 1) for part in re.split(r",(?![^<]*>)", found[1]))
        return pa.struct([(key, arrow_of(kind, is_inner=True)) for key, kind in fields])
    return pa.string() if is_inner and name == "enum" else TYPES[name]


@pytest.fixture
def batcher(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command in this process; return its exit code and output."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["batcher", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def labelled(folder: Path, server: Server, schema: dict[str, Any], salt: str) -> Job:
    """Return a job with the labels of a schema."""
    (folder / "labels.json").write_text(json.dumps(schema))
    rows = [{"given": n, "body": f"{salt} {n}"} for n in range(ROWS)]
    labels = '[labels]\nschema = "labels.json"\nrepairs = 3\n[output]\nkeep = ["given"]\n'
    job = Job(folder, server).write(rows, request='prompt = "Judge: {{ body }}"\n', more=labels)
    job.path.write_text(job.path.read_text().replace('[output]\npath = "out.parquet"\n', "", 1))
    job.output = folder / "job.out.parquet"
    return job


def cell_as_json(row: dict[str, Any], name: str, kind: str) -> Any:
    """Return a column's value as JSON represents it."""
    value = row[name]
    if value is None:
        return None
    if kind == "json":
        return json.loads(value)
    return value.isoformat() if kind in ("date", "timestamp") else value


def with_schema_case(answer: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with the schema's upper and lower case, which the API does not guarantee."""
    choices = re.findall(r'"((?:[^"\\\\]|\\\\.)*)"', json.dumps(schema, ensure_ascii=False))
    spelling = {
        json.loads(f'"{choice}"').swapcase(): json.loads(f'"{choice}"') for choice in choices
    }
    return {
        key: spelling.get(one, one)
        if isinstance(one, str) and one not in spelling.values()
        else one
        for key, one in answer.items()
    }


def expected_cell(value: Any, kind: str) -> Any:
    """Return a timestamp as the column shows it, and any other value unchanged."""
    if kind != "timestamp" or value is None:
        return value
    return datetime.fromisoformat(value).astimezone(UTC).isoformat()


def without_nulls(value: Any) -> Any:
    """Remove nulls: a missing value and null are equal in a column."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    return value


@pytest.mark.parametrize("name", CASES)
def test_a_schema_from_job_file_to_columns(
    name: str, careless: Server, tmp_path: Path, batcher: Command
) -> None:
    """The request is as the API accepts it, columns follow the schema, and the bill is exact.

    Each valid row satisfies the whole schema of the user, and its columns have the answered values;
    the label columns of other rows are null.
    """
    case, before = CASES[name], careless.ledger()
    job = labelled(tmp_path, careless, case.schema, name)
    code, _ = batcher("run", job.path, "--yes", "-q")
    table = pq.read_table(job.output)
    after, labels = careless.ledger(), Labels.of(case.schema)
    shown = json.loads(batcher("show", job.path, 1, "--json")[1])
    assert shown["request"]["output_config"]["format"] == {
        "type": "json_schema",
        "schema": labels.adapted.schema,
    }
    for column, kind in case.columns.items():
        assert table.schema.field(column).type == arrow_of(kind), column
    rows = table.to_pylist()
    right = jsonschema.Draft202012Validator(case.schema, format_checker=jsonschema.FormatChecker())
    for row in rows:
        if row["_status"] == "succeeded":
            value = with_schema_case(json.loads(row["_text"]), case.schema)
            right.validate(value)
            for column, kind in case.columns.items():
                found = without_nulls(cell_as_json(row, column, kind))
                assert found == without_nulls(expected_cell(value.get(column), kind)), column
        else:
            assert row["_status"] == "invalid"
            assert all(row[column] is None for column in case.columns)
    valid = sum(row["_status"] == "succeeded" for row in rows)
    # The simulator does not read the rule for an entry that a list must contain.
    assert valid >= (0 if name == "an entry that must be there" else ROWS - 3)
    assert code == (0 if valid == ROWS else 3)
    assert after["answered"] - before["answered"] == sum(row["_attempts"] for row in rows)
    spent = Decimal(after["cost_usd"]) - Decimal(before["cost_usd"])
    assert sum(Decimal(str(row["_cost_usd"])) for row in rows) == spent


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("bounds", "at most 1"),
        pytest.param("lengths", "at most 5 characters", marks=pytest.mark.slow),
        pytest.param("a bounded list", "entries", marks=pytest.mark.slow),
        pytest.param("multiples", "a multiple of 5", marks=pytest.mark.slow),
    ],
)
def test_rules_that_the_api_does_not_enforce_are_repaired(
    name: str, rule: str, careless: Server, tmp_path: Path, batcher: Command
) -> None:
    """Answers that break a rule are repaired with that rule, until nearly all rows are valid."""
    before = careless.ledger()["answered"]
    job = labelled(tmp_path, careless, CASES[name].schema, f"again {name}")
    batcher("run", job.path, "--yes", "-q")
    statuses = pq.read_table(job.output).column("_status").to_pylist()
    assert statuses.count("succeeded") >= ROWS - 1
    assert careless.ledger()["answered"] - before > ROWS
    asked = (json.loads(batcher("show", job.path, n + 1, "--json")[1]) for n in range(ROWS))
    reasons = [one["error_message"] for row in asked for one in row["samples"][0]["attempts"][:-1]]
    assert reasons
    assert all(rule in one for one in reasons)
