"""A second copy of the records in the write-ahead log, in a file that is only appended to.

A damaged byte in DuckDB's log makes everything behind it unreadable. The journal has the same
groups of records, each with a checksum of its own, so damage to one of the two files costs nothing,
and damage to both costs only the groups that are damaged in both. The file is emptied when the log
is folded into the database. It is not synced: after a kill it is complete, after a power cut the
log is, and the journal may lack the last seconds.
"""

import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pyarrow as pa

FILE_NAME = "checkpoint.duckdb.journal"

# Before each group: these bytes, the id of the checkpoint, the number of records before the group,
# the size of the group, its checksum; then the checksum of all this.
_START = b"\x8agroup\r\n"
_FIELDS = struct.Struct("<8s16sQII")
_CHECK = struct.Struct("<I")
_HEAD_BYTES = _FIELDS.size + _CHECK.size
_TABLE = b"table"


@dataclass(frozen=True, slots=True)
class JournalGroup:
    """Records of one table that were committed together, after ``first`` records of all tables."""

    first: int
    table: str
    rows: pa.Table


class Journal:
    """Appends to the journal of a folder; the file is open until ``close``."""

    def __init__(self, folder: Path, checkpoint: UUID) -> None:
        self._checkpoint = checkpoint
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._path = folder / FILE_NAME
        self._descriptor = os.open(self._path, flags, 0o600)

    def append(self, groups: Sequence[JournalGroup]) -> None:
        """Append groups that one transaction committed."""
        for group in groups:
            body = _encoded(group)
            fields = (_START, self._checkpoint.bytes, group.first, len(body), zlib.crc32(body))
            head = _FIELDS.pack(*fields)
            self._write(head + _CHECK.pack(zlib.crc32(head)))
            self._write(body)

    def clear(self) -> None:
        """Empty the file: the database has everything."""
        os.ftruncate(self._descriptor, 0)

    def close(self, *, is_needed: bool) -> None:
        """Close the file, and delete it unless it is needed."""
        os.close(self._descriptor)
        if not is_needed:
            self._path.unlink(missing_ok=True)

    def _write(self, content: bytes | memoryview) -> None:
        while content:
            content = content[os.write(self._descriptor, content) :]


def read_journal(path: Path, checkpoint: UUID) -> Iterator[JournalGroup]:
    """Return the undamaged groups of a checkpoint in a journal, in their order.

    Damaged parts, and groups of another checkpoint, are skipped.
    """
    content = path.read_bytes() if path.exists() else b""
    start = content.find(_START)
    while start >= 0:
        end = start + 1
        head = content[start : start + _FIELDS.size]
        check = content[start + _FIELDS.size : start + _HEAD_BYTES]
        if len(check) == _CHECK.size and _CHECK.unpack(check) == (zlib.crc32(head),):
            _, name, first, size, body_check = _FIELDS.unpack(head)
            body = content[start + _HEAD_BYTES : start + _HEAD_BYTES + size]
            # After a write that was cut short, the next group begins inside this one.
            if name == checkpoint.bytes and zlib.crc32(body) == body_check:
                end = start + _HEAD_BYTES + size
                yield _decoded(first, body)
        start = content.find(_START, end)


def _encoded(group: JournalGroup) -> memoryview:
    rows = group.rows.replace_schema_metadata({_TABLE: group.table.encode()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as stream:
        stream.write_table(rows)
    return memoryview(sink.getvalue())


def _decoded(first: int, body: bytes) -> JournalGroup:
    with pa.ipc.open_stream(body) as stream:
        rows = stream.read_all()
    table = rows.schema.metadata[_TABLE].decode()
    return JournalGroup(first, table, rows.replace_schema_metadata(None))
