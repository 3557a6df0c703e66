"""Selecting rows by where, sample and limit."""

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batcher.core.row import BadRow, Row
from batcher.errors import TemplateError
from batcher.inputs.source import Source

Opener = Callable[..., Source]
DATA = b"".join(b'{"n": %d, "s": "%s"}\n' % (n, b"ab"[n % 2 : n % 2 + 1]) for n in range(3000))


def numbers(source: Source) -> list[int]:
    """Return the column n of the selected rows."""
    chunks = source.chunks(frozenset({"n"}), rows_per_chunk=100)
    rows = [row for chunk in chunks for row in chunk.rows]
    return [row.values["n"] for row in rows if isinstance(row, Row)]  # type: ignore[misc]


def test_where_selects_rows(open_source: Opener) -> None:
    """Rows for which where is true are selected, with their ordinals in the whole input."""
    source = open_source(data=DATA, where="s == 'b' and n < 10")
    (chunk,) = source.chunks(frozenset({"n"}))
    assert [row.values for row in chunk.rows] == [{"n": n} for n in (1, 3, 5, 7, 9)]
    assert [row.ordinal for row in chunk.rows] == [1, 3, 5, 7, 9]


def test_where_over_the_whole_row(open_source: Opener) -> None:
    """Columns that where reaches through row are read, also when they are not wanted."""
    assert numbers(open_source(data=DATA, where="row['s'] == 'b' and row['n'] < 4")) == [1, 3]


def test_a_row_for_which_where_fails_is_a_bad_row(open_source: Opener) -> None:
    """A row without the column that where needs is bad, as is a line that cannot be read."""
    source = open_source(data=b'{"x": "secret"}\n{"n": 1}\nsecret\n{"n": 5}\n', where="n > 3")
    (chunk,) = source.chunks(None)
    assert [type(row) for row in chunk.rows] == [BadRow, BadRow, Row]
    reasons = [row.reason for row in chunk.rows if isinstance(row, BadRow)]
    assert reasons[0].startswith("where")
    assert "not valid JSON" in reasons[1]
    assert "secret" not in "".join(reasons)
    assert [row.place.line for row in chunk.rows] == [1, 3, 4]


def test_where_that_cannot_be_parsed(open_source: Opener) -> None:
    """It is refused when the input is opened."""
    with pytest.raises(TemplateError):
        open_source(data=DATA, where="n >")


def test_limit_stops_reading(open_source: Opener) -> None:
    """Bad rows count towards limit, and damage after the last selected row is not reached."""
    assert numbers(open_source(data=DATA, where="n >= 5", limit=3)) == [5, 6, 7]
    damaged = b"bad\n" + DATA
    source = open_source("x.jsonl", data=damaged, limit=2)
    assert [type(row) for chunk in source.chunks(None) for row in chunk.rows] == [BadRow, Row]
    gz = open_source("y.jsonl.gz", data=gzip.compress(DATA * 20)[:-8], limit=2)
    assert numbers(gz) == [0, 1]


@pytest.mark.parametrize("spec", [{}, {"id": "n"}], ids=["content", "id"])
def test_sample_is_stable_and_fair(open_source: Opener, spec: dict[str, Any]) -> None:
    """A sample has about its share, contains smaller samples, and stays when the input grows."""
    tenth = numbers(open_source(data=DATA, sample=Decimal("0.1"), **spec))
    assert 240 <= len(tenth) <= 360
    assert tenth == sorted(tenth)
    half = numbers(open_source(sample=Decimal("0.5"), **spec))
    assert set(tenth) < set(half)
    grown = numbers(open_source(data=b'{"n": -1}\n' + DATA, sample=Decimal("0.1"), **spec))
    assert set(grown) - {-1} == set(tenth)
    other = numbers(open_source(data=DATA, sample=Decimal("0.1"), seed=1, **spec))
    assert other != tenth
    assert numbers(open_source(sample=Decimal(1), **spec)) == list(range(3000))


def test_sample_by_content_ignores_spelling(open_source: Opener) -> None:
    """The order of keys and the spelling of a row do not change whether it is selected."""
    plain = numbers(open_source(data=DATA, sample=Decimal("0.2")))
    reordered = b"".join(
        json.dumps(dict(reversed(json.loads(line).items())), indent=None).encode() + b"\r\n"
        for line in DATA.splitlines()
    )
    assert numbers(open_source("reordered.jsonl", data=reordered, sample=Decimal("0.2"))) == plain


def test_sample_takes_its_share_of_bad_rows(open_source: Opener) -> None:
    """Bad rows are sampled by their place."""
    source = open_source(data=b"bad\n" * 2000, sample=Decimal("0.1"))
    selected = [row.ordinal for chunk in source.chunks(None) for row in chunk.rows]
    assert 150 <= len(selected) <= 250
    assert selected == [row.ordinal for chunk in source.chunks(None) for row in chunk.rows]


def test_parquet_columns_follow_the_selection(open_source: Opener, tmp_path: Path) -> None:
    """Rows and Arrow columns of a selection agree; columns only for where are dropped."""
    kinds = pa.array(["a", "b", None] * 20).dictionary_encode()
    table = pa.table({"n": pa.array(range(60), pa.int16()), "s": kinds, "v": kinds.cast("string")})
    views = table.append_column("view", table["v"].combine_chunks().cast(pa.string_view()))
    pq.write_table(views, tmp_path / "a.parquet")
    source = open_source("a.parquet", where="s == 'b'")
    names = frozenset({"n", "view"})
    chunks = list(source.chunks(names, names, rows_per_chunk=7))
    rows = [row for chunk in chunks for row in chunk.rows]
    assert all(isinstance(row, Row) and row.values.keys() == {"n", "view"} for row in rows)
    kept = pa.concat_tables([chunk.table(["n", "view"]) for chunk in chunks])
    assert kept.schema.types == [pa.int16(), pa.string_view()]
    assert kept.to_pylist() == [{"n": n, "view": "b"} for n in range(1, 60, 3)]
    assert kept.to_pylist() == [row.values for row in rows]


def test_a_parquet_sample_accepts_every_type(open_source: Opener, tmp_path: Path) -> None:
    """Rows with values that JSON does not have can be sampled by their content."""
    table = pa.table(
        {
            "n": range(400),
            "d": pa.array([Decimal("1.10")] * 400),
            "b": pa.array([b"\xff"] * 400),
            "t": pa.array([0] * 400, pa.timestamp("us", "UTC")),
            "m": pa.array([[(1, 2)]] * 400, pa.map_(pa.int8(), pa.int8())),
            "k": pa.array([[(b"x", 2)]] * 400, pa.map_(pa.binary(), pa.int8())),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    assert 150 < len(numbers(open_source("a.parquet", sample=Decimal("0.5")))) < 250


BATCH_ROWS = {
    "good": ({"custom_id": "a-B_9", "params": {"model": "m"}}, None),
    "longest": ({"custom_id": "x" * 64, "params": {}}, None),
    "too long": ({"custom_id": "x" * 65, "params": {}}, "custom_id must be"),
    "empty id": ({"custom_id": "", "params": {}}, "custom_id must be"),
    "newline": ({"custom_id": "a\n", "params": {}}, "custom_id must be"),
    "letters": ({"custom_id": "é", "params": {}}, "custom_id must be"),
    "number": ({"custom_id": 7, "params": {}}, "custom_id must be"),
    "no id": ({"params": {}}, "custom_id is missing"),
    "no params": ({"custom_id": "a"}, "params is missing"),
    "params text": ({"custom_id": "a", "params": "{}"}, "params must be an object"),
    "more": ({"custom_id": "a", "params": {}, "method": "x"}, "the key 'method' is neither"),
}


@pytest.mark.parametrize(("row", "reason"), BATCH_ROWS.values(), ids=BATCH_ROWS.keys())
def test_messages_batch_shape(open_source: Opener, row: dict[str, Any], reason: str | None) -> None:
    """A good row of a Message Batches input is {custom_id, params} as the API accepts it."""
    source = open_source(data=json.dumps(row).encode(), format="messages-batch")
    ((entry,),) = (chunk.rows for chunk in source.chunks(None))
    if reason is None:
        assert isinstance(entry, Row)
        assert entry.values == row
    else:
        assert isinstance(entry, BadRow)
        assert reason in entry.reason


def test_messages_batch_shape_is_checked_before_columns_are_dropped(open_source: Opener) -> None:
    """An extra key is an error also when only some columns are wanted."""
    data = b'{"custom_id": "a", "params": {}, "x": 1}\n{"custom_id": "b", "params": {}}\n'
    source = open_source(data=data, format="messages-batch")
    (chunk,) = source.chunks(frozenset({"params"}))
    assert isinstance(chunk.rows[0], BadRow)
    assert isinstance(chunk.rows[1], Row)
    assert chunk.rows[1].values == {"params": {}}


def test_messages_batch_is_for_jsonl(open_source: Opener, tmp_path: Path) -> None:
    """A Parquet row cannot leave a key out, so Parquet is refused."""
    pq.write_table(pa.table({"custom_id": ["a"]}), tmp_path / "a.parquet")
    with pytest.raises(Exception, match="needs JSONL"):
        open_source("a.parquet", format="messages-batch")
