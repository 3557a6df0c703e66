"""Schemas of every shape from the job file to typed columns, over HTTP with the simulator."""

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
from schemas_made import CASES
from whole_runs import Job, Server

from batcher.cli.main import main
from batcher.core.labels.labels import Labels

ROWS = 24
Command = Callable[..., tuple[int, str]]
TYPES = {
    "boolean": pa.bool_(), "int64": pa.int64(), "double": pa.float64(), "string": pa.string(),
    "enum": pa.dictionary(pa.int32(), pa.string()), "json": pa.string(), "date": pa.date32(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}  # fmt: skip


@pytest.fixture(scope="module")
def careless() -> Iterator[Server]:
    """A simulator that in one answer of four minds only what the API holds it to."""
    server = Server("--careless-rate", "0.25", "--seed", "3")
    yield server
    server.close()


def arrow_of(name: str, *, is_inner: bool = False) -> pa.DataType:
    """The Arrow type of a short name; choices inside of others are texts."""
    if found := re.fullmatch(r"list<(.*)>", name):
        return pa.list_(arrow_of(found[1], is_inner=True))
    if found := re.fullmatch(r"struct<(.*)>", name):
        fields = (part.split(":", 1) for part in re.split(r",(?![^<]*>)", found[1]))
        return pa.struct([(key, arrow_of(kind, is_inner=True)) for key, kind in fields])
    return pa.string() if is_inner and name == "enum" else TYPES[name]


@pytest.fixture
def batcher(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command in this process: its exit code, and what it prints."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["batcher", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    return run


def labelled(folder: Path, server: Server, schema: dict[str, Any], salt: str) -> Job:
    """A job that asks for labels by a schema."""
    (folder / "labels.json").write_text(json.dumps(schema))
    rows = [{"given": n, "body": f"{salt} {n}"} for n in range(ROWS)]
    labels = '[labels]\nschema = "labels.json"\nrepairs = 3\n[output]\nkeep = ["given"]\n'
    job = Job(folder, server).write(rows, request='prompt = "Judge: {{ body }}"\n', more=labels)
    job.path.write_text(job.path.read_text().replace('[output]\npath = "out.parquet"\n', "", 1))
    job.output = folder / "job.out.parquet"
    return job


def told(row: dict[str, Any], name: str, kind: str) -> Any:
    """What a column holds, as JSON has it."""
    value = row[name]
    if value is None:
        return None
    if kind == "json":
        return json.loads(value)
    return value.isoformat() if kind in ("date", "timestamp") else value


def in_our_capitals(answer: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """An answer with its choices as the schema has them: the API vouches for no capitals."""
    choices = re.findall(r'"((?:[^"\\\\]|\\\\.)*)"', json.dumps(schema, ensure_ascii=False))
    spelt = {json.loads(f'"{one}"').swapcase(): json.loads(f'"{one}"') for one in choices}
    return {
        key: spelt.get(one, one) if isinstance(one, str) and one not in spelt.values() else one
        for key, one in answer.items()
    }


def spelt(value: Any, kind: str) -> Any:
    """A moment as a column tells it, and all else as it was answered."""
    if kind != "timestamp" or value is None:
        return value
    return datetime.fromisoformat(value).astimezone(UTC).isoformat()


def without_nulls(value: Any) -> Any:
    """What is not there and what is null are alike in a column."""
    if isinstance(value, dict):
        return {key: without_nulls(one) for key, one in value.items() if one is not None}
    if isinstance(value, list):
        return [without_nulls(one) for one in value]
    return value


@pytest.mark.parametrize("name", CASES)
def test_a_schema_goes_all_the_way(
    name: str, careless: Server, tmp_path: Path, batcher: Command
) -> None:
    """The request is as the API takes it, the columns as the schema says, the bill as received.

    Every row that is taken fits the user's own schema in full, and fills its columns with what was
    answered; a row whose answers never fit has none.
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
            value = in_our_capitals(json.loads(row["_text"]), case.schema)
            right.validate(value)
            for column, kind in case.columns.items():
                found = without_nulls(told(row, column, kind))
                assert found == without_nulls(spelt(value.get(column), kind)), column
        else:
            assert row["_status"] == "invalid"
            assert all(row[column] is None for column in case.columns)
    valid = sum(row["_status"] == "succeeded" for row in rows)
    # An entry that has to be in a list is no bound that the simulator reads.
    assert valid >= (0 if name == "an entry that must be there" else ROWS - 3)
    assert code == (0 if valid == ROWS else 3)
    assert after["answered"] - before["answered"] == sum(row["_attempts"] for row in rows)
    spent = Decimal(after["cost_usd"]) - Decimal(before["cost_usd"])
    assert sum(Decimal(str(row["_cost_usd"])) for row in rows) == spent


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("bounds", "at most 1"),
        ("lengths", "at most 5 characters"),
        ("a bounded list", "entries"),
        ("multiples", "a multiple of 5"),
    ],
)
def test_rules_that_the_api_does_not_hold_are_mended(
    name: str, rule: str, careless: Server, tmp_path: Path, batcher: Command
) -> None:
    """What careless answers break is asked again with the rule, until nearly all rows fit."""
    before = careless.ledger()["answered"]
    job = labelled(tmp_path, careless, CASES[name].schema, f"again {name}")
    batcher("run", job.path, "--yes", "-q")
    statuses = pq.read_table(job.output).column("_status").to_pylist()
    assert statuses.count("succeeded") >= ROWS - 1
    assert careless.ledger()["answered"] - before > ROWS
    asked = (json.loads(batcher("show", job.path, n + 1, "--json")[1]) for n in range(ROWS))
    said = [one["error_message"] for row in asked for one in row["samples"][0]["attempts"][:-1]]
    assert said
    assert all(rule in one for one in said)
