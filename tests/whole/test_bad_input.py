"""Bad input: each bad row or file has a message with file and row, and no other row is lost."""

import datetime
import decimal
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from whole_runs import SHARED, Job, Server

GOOD = '{"id": "a", "text": "one"}'
ALSO_GOOD = '{"id": "z", "text": "two"}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One simulator for the whole module."""
    running = Server()
    yield running
    running.close()


# Line 2, between two good rows; a part of its error message; its status.
BAD_LINES: dict[str, tuple[bytes, str, str]] = {
    "broken": (b'{"id": "b", "text": ', "client.bad_row", "JSON"),
    "not an object": (b'"text"', "client.bad_row", "object"),
    "invalid UTF-8": (b'{"id": "b", "text": "\xff\xfe"}', "client.bad_row", "UTF-8"),
    "NUL": (b'{"id": "b", "text": "a\x00b"}', "client.bad_row", ""),
    "lone surrogate": (b'{"id": "b", "text": "\\ud800"}', "client.bad_row", "surrogate"),
    "duplicate key": (b'{"id": "b", "text": "x", "text": "y"}', "client.bad_row", "text"),
    "NaN": (b'{"id": "b", "text": NaN}', "client.template", "finite"),
    "deep list": (
        b'{"id": "b", "text": ' + b"[" * 101 + b"]" * 101 + b"}",
        "client.bad_row",
        "nes",
    ),
    "long number": (b'{"id": "b", "text": ' + b"7" * 5000 + b"}", "client.bad_row", "digits"),
    "too deep": (b'{"id": "b", "text": ' + b"[" * 5000 + b"]" * 5000 + b"}", "client.bad_row", ""),
    "missing column": (b'{"id": "b"}', "client.template", "text"),
    "null id": (b'{"id": null, "text": "x"}', "client.bad_id", "null"),
    "duplicate id": (b'{"id": "a", "text": "x"}', "client.duplicate_id", "rows.jsonl:1"),
    "33 MB": (b'{"id": "b", "text": "' + b"x" * 33 * 1024 * 1024 + b'"}', "client.", ""),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_does_not_stop_the_others(case: str, job: Job) -> None:
    """The bad row has an output row with its reason; both good rows succeed; exit 3."""
    line, error_type, word = BAD_LINES[case]
    job.write(input='path = "rows.jsonl"\nid = "id"\n', output='keep = ["text"]\n')
    content = b"\n".join([GOOD.encode(), line, ALSO_GOOD.encode(), b""])
    (job.folder / "rows.jsonl").write_bytes(content)
    printed = job.run(code=3)
    rows = job.table().to_pylist()
    assert [row["_status"] for row in rows] == ["succeeded", "errored", "succeeded"]
    assert rows[1]["_error_type"].startswith(error_type)
    assert word in rows[1]["_error_message"]
    assert "1 bad" in printed
    assert "batcher failures" in printed


def test_a_bad_row_can_stop_the_run(job: Job, server: Server) -> None:
    """``on_bad_row = "stop"``: exit 2, file and line are named, and nothing is sent."""
    before = server.ledger()["requests"]
    job.write([GOOD, "{", ALSO_GOOD], input='path = "rows.jsonl"\non_bad_row = "stop"\n')
    printed = job.run(code=2)
    assert "rows.jsonl:2" in printed
    assert server.ledger()["requests"] == before


def test_blank_lines_and_empty_prompts_are_no_failures(job: Job) -> None:
    """A blank line is no row; a row without a text is skipped; both are reported; exit 0."""
    empty, null = '{"id": "e", "text": "  "}', '{"id": "n", "text": null}'
    job.write([GOOD, "", empty, "", null, ALSO_GOOD], request='prompt = "{{ text }}"\n')
    printed = job.run()
    assert job.table().column("_status").to_pylist() == [
        "succeeded",
        "skipped",
        "skipped",
        "succeeded",
    ]
    assert "2 blank lines" in printed
    assert "2 skipped" in printed


def corrupt(path: Path) -> None:
    """Write a Parquet file that is cut short."""
    pq.write_table(pa.table({"text": ["x"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-20])


UNREADABLE: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "missing file": ("rows.jsnl", Path.exists, "rows.jsnl"),
    "cut Parquet": ("rows.parquet", corrupt, "rows.parquet"),
    "JSON named Parquet": ("rows.parquet", lambda path: path.write_text(GOOD), "rows.parquet"),
    "cut gzip": (
        "rows.jsonl.gz",
        lambda path: path.write_bytes(gzip.compress(GOOD.encode() * 999)[:-9]),
        "rows.jsonl.gz",
    ),
    "UTF-16": ("rows.jsonl", lambda path: path.write_text(GOOD, encoding="utf-16"), "UTF-8"),
    "a folder without rows": ("rows", lambda path: path.mkdir(), "rows"),
    "a missing column": (
        "rows.parquet",
        lambda path: pq.write_table(pa.table({"txt": ["x"]}), path),
        "text",
    ),
    "only bad rows": (
        "rows.jsonl",
        lambda path: path.write_text('{"txt": 1}\n' * 3),
        "rows.jsonl:1",
    ),
    "another ending": ("rows.csv", lambda path: path.write_text("text\nx\n"), "rows.csv"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_an_input_that_cannot_be_used_is_one_message(case: str, job: Job, server: Server) -> None:
    """Exit 2, the message names the file and has a hint, and nothing is sent."""
    name, make, word = UNREADABLE[case]
    before = server.ledger()["requests"]
    make(job.folder / name)
    job.write(input=f'path = "{name}"\n')
    printed = job.run(code=2)
    assert word in printed
    assert server.ledger()["requests"] == before
    assert not job.output.exists()


COLUMNS: dict[str, tuple[pa.Array, Any]] = {
    "decimal": (pa.array([decimal.Decimal("1.10")]), "1.10"),
    "timestamp": (
        pa.array([datetime.datetime(2026, 11, 22, 1, 2, 3, tzinfo=datetime.UTC)]),
        "2026-11-22T01:02:03+00:00",
    ),
    "date": (pa.array([datetime.date(2026, 11, 22)]), "2026-11-22"),
    "list": (pa.array([["a", "b"]]), '["a","b"]'),
    "struct": (pa.array([{"x": 1, "y": None}]), '{"x":1,"y":null}'),
    "nested": (pa.array([[{"x": [1]}]]), '[{"x":[1]}]'),
    "dictionary": (pa.array(["red"]).dictionary_encode(), "red"),
    "large string": (pa.array(["red"], pa.large_string()), "red"),
    "int64": (pa.array([2**63 - 1]), "9223372036854775807"),
    "double": (pa.array([0.1]), "0.1"),
    "bool": (pa.array([True]), "true"),
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_every_type_of_column_can_be_used_and_kept(kind: str, job: Job) -> None:
    """A Parquet column of any type has one text in the prompt and keeps its type in the output."""
    column, text = COLUMNS[kind]
    pq.write_table(pa.table({"c": column}), job.folder / "rows.parquet")
    job.write(input='path = "rows.parquet"\n', request='prompt = "{{ c }}"\n').run()
    assert job.table().column("c").type == column.type
    assert job.table().column("c").to_pylist() == column.to_pylist()
    shown = job.command("show", "1")
    assert json.dumps(text)[1:-1] in shown


def test_binary_is_no_text(job: Job) -> None:
    """Bytes in a prompt are an error with file and row."""
    pq.write_table(pa.table({"c": pa.array([b"\x00\x01"])}), job.folder / "rows.parquet")
    printed = job.write(input='path = "rows.parquet"\n', request='prompt = "{{ c }}"\n').run(code=2)
    assert "rows.parquet:1" in printed


@pytest.mark.skipif(not SHARED.exists(), reason="the Debian rows are not there")
@pytest.mark.parametrize("count", [500, pytest.param(5000, marks=pytest.mark.slow)])
def test_packed_inputs_give_equal_outputs(job: Job, server: Server, count: int) -> None:
    """Plain, gzip, zstd, CRLF and BOM have the same requests and rows."""
    lines = (SHARED / "debian_packages_5k.jsonl").read_bytes().split(b"\n")
    plain = b"\n".join(lines[:count]) + b"\n"
    packed = {
        "a.jsonl": plain,
        "b.jsonl.gz": gzip.compress(plain),
        "c.jsonl.zst": zstandard.compress(plain),
        "d.jsonl": b"\xef\xbb\xbf" + plain.replace(b"\n", b"\r\n"),
    }
    tables = []
    for name, content in packed.items():
        (job.folder / name).write_bytes(content)
        job.write(
            input=f'path = "{name}"\nid = "package"\n',
            request='prompt = "{{ package }}: {{ description }}"\n',
            limits="concurrency = 64\n",
        ).run()
        tables.append(job.stable_table())
    assert tables[0].num_rows == count
    assert all(table == tables[0] for table in tables)


def test_a_kept_column_that_no_row_has_is_an_error(job: Job) -> None:
    """A typo in ``output.keep`` is an error, not a column of nulls."""
    printed = job.write([GOOD, ALSO_GOOD], output='keep = ["txet"]\n').run(code=2)
    assert "txet" in printed


def test_a_column_of_several_types_is_reported(job: Job) -> None:
    """A column of texts with a number stays a column of texts; the row is named before the run."""
    job.write([GOOD, ALSO_GOOD, '{"id": 7.50, "text": "two"}'])
    printed = job.run()
    assert "'id' has text in most rows, but a number in 1 row (rows.jsonl:3)" in printed
    assert job.table().column("id").to_pylist() == ["a", "z", "7.50"]


# Values of a column that the prompt does not use, as a line of JSON writes them.
HARMLESS = {
    "NaN": (b"NaN", True),
    "infinity": (b"[-Infinity]", True),
    "too large": (b"1e999", "1E+999"),
    "surrogate": (b'"\\ud800"', None),
    "key twice": (b'{"a": 1, "a": 2}', None),
    "many digits": (b"7" * 5000, None),
    "deep": (b"[" * 120 + b"]" * 120, None),
    "UTF-8": (b'"\xff"', None),
}


@pytest.mark.parametrize("keep", ["", 'keep = ["text"]\n'], ids=["kept", "unused"])
@pytest.mark.parametrize("case", HARMLESS)
def test_a_column_that_the_prompt_does_not_use_harms_no_row(case: str, keep: str, job: Job) -> None:
    """The row is asked and has its id; what no output can hold is empty, and the row is named."""
    value, kept = HARMLESS[case]
    job.write(input='path = "rows.jsonl"\nid = "id"\n', output=keep)
    lines = [GOOD.encode(), b'{"id": "b", "text": "x", "n": ' + value + b"}", ALSO_GOOD.encode()]
    (job.folder / "rows.jsonl").write_bytes(b"\n".join(lines))
    printed = job.run()
    rows = job.table().to_pylist()
    assert [row["_id"] for row in rows] == ["a", "b", "z"]
    assert {row["_status"] for row in rows} == {"succeeded"}
    assert ("rows.jsonl:2" in printed) == (not keep and kept is None)
    if not keep:
        assert kept is True or rows[1]["n"] == kept


def test_bad_rows_have_no_id(job: Job) -> None:
    """With an id column, an unreadable row has no id; it does not get another row's number."""
    job.write(
        ['{"id": 3, "text": "x"}', '{"id": 2, "text": "y"}', "{"],
        input='path = "rows.jsonl"\nid = "id"\n',
    )
    job.run(code=3)
    assert job.table().column("_id").to_pylist() == ["3", "2", None]
