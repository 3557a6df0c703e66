"""Selects rows of the input: by where, then sample, then limit."""

import base64
import hashlib
import json
from collections.abc import Iterator
from decimal import Decimal

from batcher.core.job import InputSection
from batcher.core.row import BadRow, Row
from batcher.core.template.template import Expression
from batcher.errors import TemplateError
from batcher.inputs.chunk import Chunk, Entry


class Selection:
    """Selects the rows that a job's input section asks for.

    ``where`` cannot be evaluated for a bad row, so bad rows are selected. A row for which ``where``
    fails becomes a bad row. Bad rows count towards ``limit`` as other rows do.
    Raises ``TemplateError`` when ``where`` cannot be parsed.
    """

    def __init__(self, spec: InputSection) -> None:
        self._where = None if spec.where is None else Expression(spec.where, "where")
        self._sample = None if spec.sample is None else _Sample(spec)
        self._limit = spec.limit

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that the selection needs; None for all columns."""
        by_where = frozenset[str]() if self._where is None else self._where.columns
        by_sample = frozenset() if self._sample is None else self._sample.columns
        return None if by_where is None or by_sample is None else by_where | by_sample

    @property
    def required(self) -> frozenset[str]:
        """The columns that the input must have."""
        by_where = frozenset[str]() if self._where is None else self._where.names()
        by_sample = None if self._sample is None else self._sample.columns
        return by_where | (by_sample or frozenset())

    def apply(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the selected rows, without empty chunks; stop reading when ``limit`` is reached."""
        left = self._limit
        for chunk in chunks:
            selected = [
                (position, kept)
                for position, entry in enumerate(chunk.rows)
                if (kept := self._selected(entry)) is not None
            ][:left]
            if selected:
                yield chunk.pick(selected)
            if left is not None:
                left -= len(selected)
                if left == 0:
                    return

    def _selected(self, entry: Entry) -> Entry | None:
        """Return the row when it is selected, a bad row when ``where`` fails for it, else None."""
        kept: Entry = entry
        if self._where is not None and isinstance(entry, Row):
            try:
                if not self._where.is_true(entry.values):
                    return None
            except TemplateError as error:
                reason = error.message.split("\n")[0]
                kept = BadRow(entry.ordinal, entry.place, reason, values=entry.values)
        if self._sample is not None and not self._sample.selects(entry):
            return None
        return kept


class _Sample:
    """A share of the rows, selected by a hash of the seed and the row's name.

    The name is the row's id. Without an id column it is the whole row, so that equal rows are
    selected together. A bad row's name is its place. A row stays selected when others are added.
    """

    def __init__(self, spec: InputSection) -> None:
        self._id = "custom_id" if spec.format == "messages-batch" else spec.id
        self._seed = b"%d\n" % spec.seed
        self._threshold = int((spec.sample or Decimal(1)) * 2**64)
        self.columns = None if self._id is None else frozenset({self._id})

    def selects(self, entry: Entry) -> bool:
        name: object = str(entry.place)
        if isinstance(entry, Row):
            name = entry.values if self._id is None else entry.values.get(self._id)
        digest = hashlib.blake2b(self._seed + _canonical(name), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._threshold


def _canonical(value: object) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_text)
    except TypeError:  # a map with keys that JSON does not allow
        text = repr(value)
    return text.encode()


def _text(value: object) -> str:
    """Return a text for a value of a type that JSON does not have."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
