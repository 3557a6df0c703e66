"""Reads JSON lines strictly; a line that is not an object becomes a bad row."""

import shlex
from collections.abc import Iterator, Sequence
from functools import partial

import pyarrow as pa

from batcher.core.row import BadRow, Place, Row
from batcher.errors import InputError
from batcher.inputs.chunk import Chunk, Entry, Needed
from batcher.inputs.file_stamp import FileStamp
from batcher.inputs.formats.json_line import MalformedError, SyntaxMalformedError, decode
from batcher.inputs.formats.lines import MAX_LINE_BYTES, lines
from batcher.inputs.formats.planned_bytes import PlannedBytes

# A chunk ends early at this size, so that long rows do not fill the memory.
_CHUNK_BYTES = 8 * 2**20
_BLANK = b" \t\r"
_BOM = b"\xef\xbb\xbf"
_ARRAY = "the file is one JSON array; write one object per line"
_KINDS = {list: "an array", str: "a string", bool: "true or false", type(None): "null"}


class JsonlFiles:
    r"""Reads the rows of JSONL files, one file after another.

    A byte-order mark at the start of a file and one ``\r`` before a line end are removed. Empty and
    blank lines are not rows; ``blank_lines`` counts them. A file that grows is read as far as it
    was when the input was opened.
    """

    schema: pa.Schema | None = None
    may_grow = True

    def __init__(self, files: Sequence[FileStamp]) -> None:
        self._files = files
        self._digests: list[list[bytes]] = [[] for _ in files]
        self.blank_lines = 0

    def chunks(self, needed: Needed, rows_per_chunk: int) -> Iterator[Chunk]:
        """Yield the rows in chunks of at most ``rows_per_chunk``; a chunk never spans files."""
        wanted = needed.columns
        self.blank_lines = 0
        ordinal = 0
        for file, digests in zip(self._files, self._digests, strict=True):
            file.check(may_grow=True)
            rows: list[Entry] = []
            size = 0
            for number, line in self._records(file, digests):
                rows.append(_entry(ordinal + len(rows), Place(file.name, number), line, wanted))
                size += len(line or b"")
                if len(rows) >= rows_per_chunk or size >= _CHUNK_BYTES:
                    yield Chunk(tuple(rows))
                    ordinal += len(rows)
                    rows, size = [], 0
            if rows:
                yield Chunk(tuple(rows))
                ordinal += len(rows)

    def _records(self, file: FileStamp, digests: list[bytes]) -> Iterator[tuple[int, bytes | None]]:
        """Yield each line that is not blank, with its number; None for a line that is too long."""
        is_first_pass = not digests
        view = partial(PlannedBytes, stamp=file, digests=digests)
        for number, raw in enumerate(lines(file.path, file.name, view), 1):
            line = raw
            if is_first_pass and line and not line.endswith(b"\n") and file.has_grown:
                raise file.changed()  # this may be the first part of a line
            if number == 1 and line is not None:
                _refuse_utf16(line, file.name)
                line = line.removeprefix(_BOM)
            if line is not None and line.isspace() and not line.strip(_BLANK + b"\n"):
                line = b""
            if line == b"":
                self.blank_lines += 1
            else:
                yield number, line


def _entry(ordinal: int, place: Place, line: bytes | None, wanted: frozenset[str] | None) -> Entry:
    if line is None:
        return BadRow(ordinal, place, f"the line is longer than {MAX_LINE_BYTES // 2**20} MB")
    try:
        values = decode(line.removesuffix(b"\n").removesuffix(b"\r"))
    except MalformedError as error:
        return BadRow(ordinal, place, _reason(place, line, error))
    if not isinstance(values, dict):
        is_whole_file = isinstance(values, list) and place.line == 1
        kind = _KINDS.get(type(values), "a number")
        return BadRow(ordinal, place, _ARRAY if is_whole_file else f"not a JSON object but {kind}")
    if wanted is not None:
        values = {name: value for name, value in values.items() if name in wanted}
    return Row(ordinal, place, values)


def _reason(place: Place, line: bytes, error: MalformedError) -> str:
    if place.line == 1 and line.removeprefix(_BOM).lstrip(_BLANK).startswith(b"["):
        return _ARRAY
    if isinstance(error, SyntaxMalformedError) and not line.endswith(b"\n"):
        return f"{error}; the file ends in this line and may be cut short"
    return str(error)


def _refuse_utf16(line: bytes, name: str) -> None:
    marked = line.startswith((b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff"))
    # JSON starts with an ASCII character: in UTF-16 and UTF-32 a zero byte is beside it.
    if marked or (0 in line[:2] and line[:4].strip(b"\0")):
        raise InputError(
            f"{name} is UTF-16 or UTF-32",
            hint=f"convert it to UTF-8: iconv -f UTF-16 -t UTF-8 {shlex.quote(name)} > utf8.jsonl",
        )
