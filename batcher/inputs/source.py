"""Reads the rows of a job's input as a stream, as often as needed."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NoReturn, Protocol

import pyarrow as pa

from batcher.core.job import InputSection
from batcher.core.nearest import nearest
from batcher.core.row import Row
from batcher.errors import InputError
from batcher.inputs.chunk import Chunk, Needed
from batcher.inputs.file_stamp import FileStamp
from batcher.inputs.files import find_added, find_files, root_of
from batcher.inputs.formats import messages_batch
from batcher.inputs.formats.jsonl import JsonlFiles
from batcher.inputs.formats.parquet import ParquetFiles, class_names
from batcher.inputs.formats.plain_files import PlainFiles
from batcher.inputs.own_files import OwnFiles
from batcher.inputs.selection import Selection

ROWS_PER_CHUNK = 1024


class _Format(Protocol):
    """A reader for the files of one family."""

    schema: pa.Schema | None
    blank_lines: int
    may_grow: bool

    def chunks(self, needed: Needed, rows_per_chunk: int) -> Iterator[Chunk]: ...


class Source:
    """An input: its files, its columns and its rows.

    ``root`` is the folder of the images and documents that rows name. ``files`` were stamped when
    the input was opened; each pass over ``chunks`` checks the stamp of a file before it reads the
    file. ``left_out`` names the outputs in its folder or glob that it does not read; ``added``
    returns the names of files that are new in it. Only one thread may use a source at a time.
    """

    def __init__(
        self,
        spec: InputSection,
        files: tuple[FileStamp, ...],
        rows: _Format,
        root: Path | None = None,
        *,
        left_out: tuple[str, ...] = (),
        added: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        self.files = files
        self.added = added
        self.left_out = left_out
        self.root = root or Path(os.path.commonpath([file.path.parent for file in files]))
        self._rows = rows
        self._is_messages_batch = spec.format == "messages-batch"
        self._selection = Selection(spec)
        needed = set(self._selection.required)
        if spec.id is not None and not self._is_messages_batch:
            needed.add(spec.id)
        self.require(needed)

    @classmethod
    def open(cls, spec: InputSection, folder: Path, own: OwnFiles | None = None) -> "Source":
        """Open an input; ``folder`` is the folder of the job file, ``own`` files are left out.

        Raises ``InputError`` when there is no file or a file cannot be read, and ``TemplateError``
        when ``where`` cannot be parsed. Files without rows are no error here.
        """
        own = own or OwnFiles(folder.absolute())
        found = find_files(spec.path, folder, own)
        family, files = found.family, found.files
        added = partial(find_added, spec.path, folder, own, files)
        opened = partial(cls, spec, files, left_out=found.left_out, added=added)
        if family == "JSONL":
            return opened(JsonlFiles(files))
        if spec.format == "messages-batch":
            raise InputError(
                f'[input] format = "messages-batch" needs JSONL files, but the input is {family}',
                hint="set [request] params to use a column that holds whole requests",
            )
        if family == "Parquet":
            return opened(ParquetFiles(files))
        root = root_of(spec.path, folder)
        return opened(PlainFiles(files, root), root)

    @property
    def schema(self) -> pa.Schema | None:
        """The Arrow schema of all Parquet files together, or of plain files; None for JSONL."""
        return self._rows.schema

    @property
    def classes(self) -> Mapping[str, tuple[str, ...]]:
        """The class names of each column whose Hugging Face metadata lists them."""
        return {} if self.schema is None else class_names(self.schema)

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of the columns in first-seen order; None for JSONL."""
        return None if self.schema is None else tuple(self.schema.names)

    @property
    def blank_lines(self) -> int:
        """The number of blank lines that the current or last pass over ``chunks`` has skipped."""
        return self._rows.blank_lines

    def check_unchanged(self) -> None:
        """Raise ``InputError`` when a file has changed since the input was opened.

        Lines that were added to a JSONL file are no change: no pass reads them.
        """
        for file in self.files:
            file.check(may_grow=self._rows.may_grow)

    @property
    def grown(self) -> tuple[str, ...]:
        """The names of the files that are larger than when the input was opened."""
        return tuple(file.name for file in self.files if file.has_grown)

    def require(self, names: Iterable[str]) -> None:
        """Raise ``InputError`` when Parquet or plain files lack a column; JSONL has no schema."""
        columns = self.columns
        missing = sorted(set(names) - set(columns or ()))
        if columns is None or not missing:
            return
        raise _no_column(missing, columns)

    def refuse_unknown(self, name: str) -> NoReturn:
        """Raise ``InputError`` for a column that no row has; list the columns of the first rows."""
        rows = next(self.chunks(None), Chunk(())).rows
        values = (row.values for row in rows if isinstance(row, Row))
        raise _no_column([name], tuple(dict.fromkeys(chain.from_iterable(values))))

    def chunks(
        self,
        used: frozenset[str] | None,
        kept: frozenset[str] | None = frozenset(),
        rows_per_chunk: int = ROWS_PER_CHUNK,
    ) -> Iterator[Chunk]:
        """Yield the selected rows in input order, at most ``rows_per_chunk`` at once.

        Rows have the values of the columns ``used``; the columns ``kept`` can be made a table
        (see ``Needed``; None: all). No other column is read. Chunks are smaller where rows are
        large, at the end of a file, and where few rows are selected; no chunk is empty.
        Raises ``InputError`` when a file changed or is damaged. The rows before the damage have
        already been yielded then, so read the input once to its end before anything is sent.
        """
        wanted, selecting = Needed(used, kept), self._selection.columns
        needs_all = used is None or selecting is None or self._is_messages_batch
        needed = Needed(
            None if used is None or needs_all else used | (selecting or frozenset()), kept
        )
        chunks = self._rows.chunks(needed, rows_per_chunk)
        if self._is_messages_batch:
            chunks = map(messages_batch.checked, chunks)
        chunks = self._selection.apply(chunks)
        return chunks if needed == wanted else (chunk.select(wanted) for chunk in chunks)


def _no_column(missing: Sequence[str], columns: Sequence[str]) -> InputError:
    guesses = [guess for name in missing if (guess := nearest(name, columns))]
    return InputError(
        f"the input has no column {', '.join(missing)}",
        hint=" ".join([*guesses, f"columns of the input: {', '.join(columns)}"]),
    )
