"""The strict JSONL reader: which lines it accepts and refuses, and with which reason."""

import gzip
import json
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from batcher.core.job import InputSection
from batcher.core.row import BadRow, Place, Row, Unreadable
from batcher.errors import InputError
from batcher.inputs.formats import jsonl, lines
from batcher.inputs.source import Source

GOOD = b'{"a": 1}\n{"a": 2}\n'

BAD_LINES = {
    "truncated": (b'{"a": "secret', "the file ends in this line and may be cut short"),
    "malformed": (b'{"a": secret}\n', "not valid JSON at column 7: expecting value"),
    "two values": (b'{"a": 1} {"secret": 2}\n', "not valid JSON at column 10: extra data"),
    "trailing comma": (b'{"a": 1,}\n', "not valid JSON at column"),
    "single quotes": (b"{'a': 1}\n", "not valid JSON at column 2"),
    "string": (b'"secret"\n', "not a JSON object but a string"),
    "number": (b"12\n", "not a JSON object but a number"),
    "null": (b"null\n", "not a JSON object but null"),
    "array later": (b'["secret"]\n', "not a JSON object but an array"),
    "array with a key twice": (b'[{"a": 1, "a": 2}]\n', "not a JSON object but an array"),
    "UTF-8 outside strings": (b'{"a": \xff}\n', "not valid UTF-8 at byte 7 of the line"),
    "surrogate key": (b'{"\\uD800": 1}\n', "half a surrogate pair"),
    "raw NUL": (b'{"a": "\xc3\xa9\x00"}\n', "a raw NUL at byte 10 of the line"),
    "only NULs": (b"\0\0\0\0\n", "a raw NUL at byte 1 of the line"),
    "control character": (b'{"a": "x\x01"}\n', "column 9: invalid control character"),
    "raw tab": (b'{"a": "x\ty"}\n', "column 9: invalid control character"),
    "lone CR": (b'{"a": 1}\r{"a": 2}\n', "column 10: extra data"),
    "form feed": (b"\x0c\n", "not valid JSON at column 1: expecting value"),
    "far too deep": (b'{"a": ' + b"[" * 200_000 + b"\n", "nested more than 100 levels deep"),
    "inner BOM": (b'\xef\xbb\xbf{"a": 1}\n', "not valid JSON at column 1"),
}

UNREADABLE = {
    "invalid UTF-8": (b'"secret\xff"', "not valid UTF-8 at byte 23 of the line"),
    "overlong UTF-8": (b'"\xc0\xaf"', "not valid UTF-8 at byte 17 of the line"),
    "surrogate bytes": (b'"\xed\xa0\x80"', "not valid UTF-8 at byte 17 of the line"),
    "lone surrogate": (b'"secret\\ud83d"', "half a surrogate pair"),
    "swapped surrogates": (b'["\\ude00\\ud83d"]', "half a surrogate pair"),
    "inner surrogate key": (b'{"\\uD800": 1}', "half a surrogate pair"),
    "deep duplicate key": (b'[{"b": "secret", "b": 1}]', "the key 'b' appears twice"),
    "duplicate by escape": (b'{"b": 1, "\\u0062": 2}', "the key 'b' appears twice"),
    "duplicate beside others": (b'1, "x": "secret"', "the key 'x' appears twice"),
    "5,000 digits": (b"7" * 5000, "an integer with too many digits"),
    "deep 5,000 digits": (b"[" + b"7" * 5000 + b"]", "an integer with too many digits"),
    "huge exponent": (b"1e99999999999999999999", "too large an exponent"),
    "too deep": (b"[" * 100 + b"]" * 100, "nested more than 100 levels"),
    "long key": (b'{"' + b"k" * 99 + b'": 1, "' + b"k" * 99 + b'": 1}', "kkk...' appears twice"),
}


def read(tmp_path: Path, name: str = "rows.jsonl", data: bytes | None = None) -> list[Row | BadRow]:
    """Return every entry of a file."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    source = Source.open(InputSection(path=name), tmp_path)
    return [row for chunk in source.chunks(None) for row in chunk.rows]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_line_has_a_place_and_a_reason(tmp_path: Path, line: bytes, reason: str) -> None:
    """A bad line becomes one bad row; its reason quotes no values; other lines are read."""
    is_last = not line.endswith(b"\n")
    rows = read(tmp_path, data=GOOD + b"\n" + line + (b"" if is_last else GOOD))
    bad = rows[2]
    assert isinstance(bad, BadRow)
    assert reason in bad.reason
    assert "secret" not in bad.reason
    assert bad.place == Place("rows.jsonl", 4)
    assert bad.error_type == "client.bad_row"
    good = [row.values for row in rows if isinstance(row, Row)]
    assert good == [{"a": 1}, {"a": 2}] * (1 if is_last else 2)
    assert [row.ordinal for row in rows] == list(range(len(rows)))


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_bad_value_harms_only_who_uses_it(tmp_path: Path, name: str) -> None:
    """A value that cannot be used is unreadable; its reason quotes no values; the others stay."""
    text, reason = UNREADABLE[name]
    line = b'{"id": 7, "x": ' + text + b', "y": "\\ud83d\\ude00"}\n'
    (first, row, last) = read(tmp_path, data=b'{"a": 1}\n' + line + b'{"a": 2}\n')
    value = row.values["x"]
    assert isinstance(value, Unreadable)
    assert reason in value.reason
    assert "secret" not in value.reason
    assert [row.values["id"], row.values["y"]] == [7, "\U0001f600"]
    assert [first.values, last.values] == [{"a": 1}, {"a": 2}]


def test_numbers_beyond_doubles_are_exact(tmp_path: Path) -> None:
    """A number that no double holds is a decimal; NaN and infinities are floats."""
    line = b'{"a": -1e999, "b": 0.10000000000000000001, "c": 1e-999, "d": NaN, "e": [-Infinity]}'
    (row,) = read(tmp_path, data=line)
    shown = {name: repr(value) for name, value in row.values.items()}
    assert shown == {
        "a": "Decimal('-1E+999')",
        "b": "Decimal('0.10000000000000000001')",
        "c": "Decimal('1E-999')",
        "d": "nan",
        "e": "[-inf]",
    }


@pytest.mark.parametrize("line", [b'{"a": "x', b'{"a": 1', b'{"a"', b'["x", '])
def test_reason_does_not_depend_on_line_ends(tmp_path: Path, line: bytes) -> None:
    """A line cut short has the same reason and column with LF and with CRLF."""
    reasons = [read(tmp_path, data=GOOD + line + end)[2] for end in (b"\n", b"\r\n")]
    assert reasons[0] == reasons[1]


@pytest.mark.parametrize(
    "data",
    [b'[{"a": 1}, {"a": 2}]', b'[\n{"a": 1},\n{"a": 2}\n]\n', b'\xef\xbb\xbf [{"a": 1}]\n'],
    ids=["one line", "pretty", "BOM"],
)
def test_array_file_is_explained(tmp_path: Path, data: bytes) -> None:
    """The reason for a file that is one JSON array says how to write it instead."""
    first = read(tmp_path, data=data)[0]
    assert isinstance(first, BadRow)
    assert first.reason == "the file is one JSON array; write one object per line"


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_utf16_is_refused_with_a_hint(tmp_path: Path, encoding: str) -> None:
    """A file in UTF-16 or UTF-32, with or without a byte-order mark, is refused as a whole."""
    with pytest.raises(InputError, match=r"rows.jsonl is UTF-16") as caught:
        read(tmp_path, data=GOOD.decode().encode(encoding))
    assert "UTF-8" in (caught.value.hint or "")


PACKINGS = {
    "rows.jsonl": GOOD,
    "rows.ndjson": GOOD,
    "ROWS.JSONL": GOOD,
    "crlf.jsonl": GOOD.replace(b"\n", b"\r\n"),
    "bom.jsonl": b"\xef\xbb\xbf" + GOOD,
    "open-end.jsonl": GOOD[:-1],
    "one.jsonl.gz": gzip.compress(GOOD),
    "many.jsonl.gz": gzip.compress(GOOD[:13]) + gzip.compress(b"") + gzip.compress(GOOD[13:]),
    "padded.jsonl.gz": gzip.compress(GOOD) + b"\0" * 512,
    "bom.jsonl.gz": gzip.compress(b"\xef\xbb\xbf" + GOOD),
    "one.ndjson.zst": zstandard.compress(GOOD),
    "many.jsonl.zst": zstandard.compress(GOOD[:13])
    + zstandard.compress(b"")
    + zstandard.compress(GOOD[13:]),
    "skippable.jsonl.zst": b"\x50\x2a\x4d\x18\x04\x00\x00\x00meta" + zstandard.compress(GOOD),
    "part-00000.json": GOOD,
    "part-00000.json.gz": gzip.compress(GOOD),
    "rows.jsonl.gzip": gzip.compress(GOOD),
    "rows.ndjson.zstd": zstandard.compress(GOOD),
    "gzip.jsonl": gzip.compress(GOOD),
    "gzip.json": gzip.compress(GOOD),
    "zstd.jsonl": zstandard.compress(GOOD),
    "zstd.jsonl.gz": zstandard.compress(GOOD),
    "gzip.jsonl.zst": gzip.compress(GOOD),
    "sizeless.jsonl.zst": zstandard.ZstdCompressor(write_content_size=False).compress(GOOD),
}


@pytest.mark.parametrize("name", PACKINGS)
def test_the_encoding_of_a_file_does_not_matter(tmp_path: Path, name: str) -> None:
    """Compression, line ends, a byte-order mark and a missing last line end change no row."""
    rows = read(tmp_path, name, PACKINGS[name])
    assert [row.values for row in rows] == [{"a": 1}, {"a": 2}]
    assert [row.place for row in rows] == [Place(name, 1), Place(name, 2)]


@pytest.mark.parametrize("ending", [".gz", ".zst"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "trailing", "plain"])
def test_damaged_compression_is_named(tmp_path: Path, ending: str, damage: str) -> None:
    """A compressed file that is cut short or damaged stops the reading; the error names it."""
    text = b"".join(b'{"n": %d, "x": "%d"}\n' % (n, n * n * 7919) for n in range(20_000))
    if ending == ".gz":
        packed = gzip.compress(text)
    else:
        packed = zstandard.ZstdCompressor(write_checksum=True).compress(text)
    middle = len(packed) // 2
    data = {
        "cut": packed[:-20],
        "flipped": packed[:middle] + bytes([packed[middle] ^ 0xFF]) + packed[middle + 1 :],
        "trailing": packed + b"something else",
        "plain": text,
    }[damage]
    with pytest.raises(InputError, match="rows.jsonl" + ending) as caught:
        read(tmp_path, "rows.jsonl" + ending, data)
    assert ("cut short" in caught.value.message) == (damage == "cut")


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_an_empty_file_has_no_rows(tmp_path: Path, ending: str) -> None:
    """A file of zero bytes is no error here."""
    assert read(tmp_path, "rows.jsonl" + ending, b"") == []


def test_blank_lines_are_counted_and_keep_line_numbers(tmp_path: Path) -> None:
    """Blank lines are not rows; each pass counts them again; they count as lines."""
    (tmp_path / "rows.jsonl").write_bytes(b'\xef\xbb\xbf\n\n{"a": 1}\n \t\r\n{"a": 2}\n  ')
    source = Source.open(InputSection(path="rows.jsonl"), tmp_path)
    for _ in range(2):
        rows = [row for chunk in source.chunks(None) for row in chunk.rows]
        assert [(row.ordinal, row.place.line) for row in rows] == [(0, 3), (1, 5)]
        assert source.blank_lines == 4


def test_only_newlines_end_lines(tmp_path: Path) -> None:
    """U+2028, U+0085 and other separators inside strings are text."""
    value = "a\u2028b\u0085c\u2029d"
    rows = read(tmp_path, data=json.dumps({"a": value}, ensure_ascii=False).encode() + b"\n")
    assert [row.values for row in rows] == [{"a": value}]


def test_escaped_nul_and_real_pairs_are_text(tmp_path: Path) -> None:
    """An escaped NUL and an escaped surrogate pair are valid characters."""
    rows = read(tmp_path, data=b'{"a": "\\u0000", "b": "\\ud83d\\ude00", "c": "\\\\ud83d"}')
    assert [row.values for row in rows] == [{"a": "\0", "b": "\U0001f600", "c": "\\ud83d"}]


def test_brackets_in_strings_are_not_depth(tmp_path: Path) -> None:
    """Brackets inside strings and many flat lists are not nesting; 100 levels are accepted."""
    deep: object = 1
    for _ in range(99):
        deep = [deep]
    value = {"a": '[{"' * 200, "b": [[]] * 200, "c": deep}
    rows = read(tmp_path, data=json.dumps(value).encode())
    assert [row.values for row in rows] == [value]


def test_overlong_line_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line over the limit becomes a bad row, and the next line is read normally."""
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 20)
    long = b'{"a": "' + b"x" * 600_000 + b'"}'
    exact = b'{"a": 123456789012}\n{"a": 1234567890123}\n'  # 20 and 21 bytes with their ends
    rows = read(tmp_path, data=long + b"\n" + exact + GOOD + long)
    assert [type(row) for row in rows] == [BadRow, Row, BadRow, Row, Row, BadRow]
    assert [row.place.line for row in rows] == [1, 2, 3, 4, 5, 6]
    assert isinstance(rows[0], BadRow)
    assert "longer than" in rows[0].reason


def test_long_rows_make_small_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk ends early when its rows are large."""
    monkeypatch.setattr(jsonl, "_CHUNK_BYTES", 30)
    (tmp_path / "rows.jsonl").write_bytes(GOOD * 5)
    source = Source.open(InputSection(path="rows.jsonl"), tmp_path)
    assert [len(chunk.rows) for chunk in source.chunks(None)] == [4, 4, 2]


def test_numbers_are_exact(tmp_path: Path) -> None:
    """Integers keep every digit and their type; floats are the nearest double."""
    text = b'{"i": 123456789012345678901234567890, "z": -0, "f": 1.0, "n": -0.0, "e": 1E2}'
    (row,) = read(tmp_path, data=text)
    assert isinstance(row, Row)
    shown = {name: repr(value) for name, value in row.values.items()}
    assert shown == {
        "i": "123456789012345678901234567890",
        "z": "0",
        "f": "1.0",
        "n": "-0.0",
        "e": "100.0",
    }


def test_only_wanted_columns_are_kept(tmp_path: Path) -> None:
    """A row has only the wanted columns."""
    (tmp_path / "rows.jsonl").write_bytes(b'{"a": 1, "b": 2}\n{"b": 3}\n')
    source = Source.open(InputSection(path="rows.jsonl"), tmp_path)
    (chunk,) = source.chunks(frozenset({"a", "c"}))
    assert [row.values for row in chunk.rows] == [{"a": 1}, {}]


text = st.text(st.characters(codec="utf-8"), max_size=20)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | text
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(
    rows=st.lists(st.dictionaries(text, json_values, max_size=5), max_size=5), ascii=st.booleans()
)
@settings(max_examples=150, deadline=None)
def test_any_object_reads_back_equal(rows: list[dict[str, object]], ascii: bool) -> None:  # noqa: A002
    """Any JSON object that is written as a line is read back equal, with the same types."""
    data = "".join(json.dumps(row, ensure_ascii=ascii) + "\n" for row in rows).encode()
    with tempfile.TemporaryDirectory() as folder:
        back = read(Path(folder), data=data)
    assert [repr(row.values) for row in back] == [repr(row) for row in rows]


fragments = st.sampled_from(
    [b"{", b"}", b"[", b"]", b'"', b"\n", b"\r", b",", b":", b'"a":', b"1e999", b"\\ud800", b"NaN"]
)


@given(data=st.binary(max_size=60) | st.lists(fragments | st.binary(max_size=3)).map(b"".join))
@settings(max_examples=400, deadline=None)
@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
def test_random_bytes_are_rows_or_an_input_error(ending: str, data: bytes) -> None:
    """Any file content becomes rows, bad rows or an InputError, and no line is lost."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = read(Path(folder), "rows.jsonl" + ending, data)
        except InputError:
            return
    assert [row.ordinal for row in rows] == list(range(len(rows)))
    if not ending:
        all_lines = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        assert len(rows) == sum(1 for line in all_lines if line.strip(b" \t\r"))
