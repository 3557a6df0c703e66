"""Faults of the data, from the file to the output: no value changes, and no row suffers for it."""

import datetime as dt
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from whole_runs import Job, Server

FAR = dt.datetime(9999, 12, 31)  # noqa: DTZ001
NEAR = dt.datetime(2024, 5, 1)  # noqa: DTZ001
SPARK = {"use_deprecated_int96_timestamps": True}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One simulator for the whole module."""
    running = Server()
    yield running
    running.close()


def prompts(job: Job, count: int) -> list[str]:
    """Return what was sent for the first rows."""
    shown = [json.loads(job.command("show", n + 1, "--json"))["request"] for n in range(count)]
    return [request["messages"][0]["content"] for request in shown]


def write(job: Job, *tables: dict[str, Any], **options: Any) -> None:
    """Write each table to a file of the folder ``data``."""
    (job.folder / "data").mkdir()
    for number, table in enumerate(tables):
        pq.write_table(pa.table(table), job.folder / f"data/{number}.parquet", **options)


def test_timestamps_of_spark_are_right_in_prompt_and_output(job: Job) -> None:
    """INT96 of any year, in one file with others and in a list, is as it was written."""
    moments = pa.array([NEAR, FAR, dt.datetime(1582, 1, 1)], pa.timestamp("us"))  # noqa: DTZ001
    spans = pa.array([[NEAR, FAR], [], None], pa.list_(pa.timestamp("us")))
    write(job, {"id": [1, 2, 3], "to": moments, "spans": spans}, **SPARK)
    request = 'prompt = "{{ to }} {{ spans | default([], true) }}"\n'
    job.write(input='path = "data"\nid = "id"\n', request=request).run()
    assert prompts(job, 3) == [
        '2024-05-01T00:00:00 ["2024-05-01T00:00:00","9999-12-31T00:00:00"]',
        "9999-12-31T00:00:00 []",
        "1582-01-01T00:00:00 []",
    ]
    assert job.table().column("to").to_pylist() == moments.to_pylist()
    assert job.table().column("spans").to_pylist() == spans.to_pylist()


def test_values_are_exact_in_prompt_output_and_lines(job: Job) -> None:
    """Short floats, nanoseconds, large and decimal numbers are the same in all three."""
    columns = {
        "f": pa.array([0.1], pa.float32()),
        "v": pa.array([[0.1, 2.5]], pa.list_(pa.float32())),
        "t": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns")),
        "u": pa.array([2**64 - 1], pa.uint64()),
        "d": pa.array([Decimal("1.10")]),
        "z": pa.array([-0.0]),
    }
    write(job, columns)
    request = 'prompt = "{{ f }} {{ v }} {{ t }} {{ u }} {{ d }} {{ z }}"\n'
    job.write(input='path = "data"\n', request=request).run()
    assert prompts(job, 1) == [
        "0.1 [0.1,2.5] 2023-11-14T22:13:20.123456789 18446744073709551615 1.10 -0.0"
    ]
    for name, column in columns.items():
        assert job.table().column(name).combine_chunks().equals(column), name
    job.command("export", "--format", "jsonl")
    (line,) = (job.folder / "out.jsonl").read_text().splitlines()
    exported = json.loads(line)
    assert [exported["f"], exported["v"], exported["u"]] == [0.1, [0.1, 2.5], 2**64 - 1]
    assert exported["t"] == "2023-11-14T22:13:20.123456789"


@pytest.mark.parametrize("other", [["x", "y"], [1.5, None], [[1], None], [b"x", b"y"]])
def test_a_column_that_nobody_uses_may_have_any_type(job: Job, other: list[Any]) -> None:
    """Another type in the next file is no problem; ids that became doubles are the same ids."""
    write(
        job,
        {"id": [1, 2], "text": ["a", "b"], "likes": [1, 2]},
        {"id": [3.0, 4.0], "text": ["c", "d"], "likes": other},
    )
    job.write(input='path = "data"\nid = "id"\n', output='keep = ["text", "id"]\n').run()
    assert job.table().column("_id").to_pylist() == ["1", "2", "3", "4"]
    assert job.table().column("id").to_pylist() == [1.0, 2.0, 3.0, 4.0]


def test_kept_columns_are_widened_or_named(job: Job, server: Server) -> None:
    """An exact type is found, and the prompt has each file's value; else column and files."""
    before = {"text": ["a"], "n": [1], "s": pa.array(["x"]).dictionary_encode()}
    after = {"text": ["b"], "n": [0.5], "s": ["y"]}
    write(job, before, after)
    job.write(input='path = "data"\n', request='prompt = "{{ text }} {{ n }}"\n').run()
    assert prompts(job, 2) == ["a 1", "b 0.5"]
    assert job.table().select(["n", "s"]).to_pylist() == [
        {"n": 1.0, "s": "x"},
        {"n": 0.5, "s": "y"},
    ]
    sent = server.ledger()["requests"]
    pq.write_table(pa.table({**before, "n": [2**53 + 1]}), job.folder / "data/2.parquet")
    printed = job.run(code=2)
    assert "'n' is int64 in data/0.parquet and double in data/1.parquet" in printed
    assert server.ledger()["requests"] == sent


def test_an_unreadable_value_costs_its_row_only_if_it_is_used(job: Job) -> None:
    """A map with a key twice: the row is bad with its id, or nothing happens."""
    twice = pa.array([[("k", 1), ("k", 2)], [("k", 1)]], pa.map_(pa.string(), pa.int8()))
    write(job, {"id": ["a", "b"], "text": ["x", "y"], "m": twice})
    job.write(input='path = "data"\nid = "id"\n', request='prompt = "{{ text }}"\n').run()
    assert job.table().column("m").combine_chunks().equals(twice)
    request = 'prompt = "{{ text }} {{ m }}"\non_change = "redo"\n'
    job.write(input='path = "data"\nid = "id"\n', request=request).run(code=3)
    first, second = job.table().to_pylist()
    assert [first["_id"], first["_status"], second["_status"]] == ["a", "errored", "succeeded"]
    assert "the column 'm' is a map with the same key twice" in first["_error_message"]


def test_a_row_that_would_take_gigabytes_is_bad(job: Job) -> None:
    """A filter whose text grows with the product of two columns makes nothing."""
    rows = [
        {"id": 1, "text": "good", "find": "o", "by": "0"},
        {"id": 2, "text": "y" * 20_000, "find": "", "by": "z" * 100_000},
    ]
    job.write(rows, request='prompt = "{{ text | replace(find, by) }}"\n').run(code=3)
    first, second = job.table().to_pylist()
    assert first["_status"] == "succeeded"
    assert "longer than 32 MB" in second["_error_message"]


def test_part_files_in_json_are_an_input(job: Job, tmp_path: Path) -> None:
    """A folder of Spark's part files in .json runs like any other input."""
    (tmp_path / "data").mkdir()
    for number in (1, 2):
        line = json.dumps({"id": number, "text": f"part {number}"}) + "\n"
        (tmp_path / f"data/part-{number}.json").write_text(line)
    (tmp_path / "data/_SUCCESS").write_text("")
    job.write(input='path = "data"\nid = "id"\n', request='prompt = "{{ text }}"\n').run()
    assert prompts(job, 2) == ["part 1", "part 2"]
