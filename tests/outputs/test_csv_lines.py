"""CSV has the values of the rows, as other programs read them."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from batcher.outputs.csv_lines import csv_header, csv_lines

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def written(table: pa.Table) -> bytes:
    """Return a table as a CSV file."""
    return b"".join(line + b"\n" for line in [csv_header(table.column_names), *csv_lines(table)])


@given(st.lists(st.tuples(TEXT, st.integers(-(2**62), 2**62), st.booleans())))
def test_any_text_comes_back(rows: list[tuple[Any, ...]]) -> None:
    """Quotes, commas, line breaks and spaces at the ends are part of the text."""
    columns = (
        [pa.array(values) for values in zip(*rows, strict=True)] if rows else [pa.array([])] * 3
    )
    text = written(pa.table(columns, names=["a b", 'c"d', "e,f"])).decode()
    header, *lines = csv.reader(io.StringIO(text, newline=""))
    assert header == ["a b", 'c"d', "e,f"]
    assert lines == [[text, str(number), json.dumps(flag)] for text, number, flag in rows]


def test_null_is_not_an_empty_text(tmp_path: Path) -> None:
    """DuckDB tells them apart; a list is JSON."""
    table = pa.table({"a": [None, "", "x"], "b": [[1, 2], None, []]})
    (tmp_path / "x.csv").write_bytes(written(table))
    options = "all_varchar=true, allow_quoted_nulls=false"
    read = duckdb.sql(f"SELECT a, b FROM read_csv('{tmp_path / 'x.csv'}', {options})")
    assert read.fetchall() == [(None, "[1,2]"), ("", None), ("x", "[]")]
