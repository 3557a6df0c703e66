"""Chooses rows: where, then sample, then limit."""

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
    """The rows an input asks for.

    A bad row cannot be judged by ``where`` and is kept; one that makes ``where`` fail is a bad
    row. Bad rows count towards ``limit`` like others.
    Raises ``TemplateError`` when ``where`` cannot be parsed.
    """

    def __init__(self, spec: InputSection) -> None:
        self._where = None if spec.where is None else Expression(spec.where, "where")
        self._sample = None if spec.sample is None else _Sample(spec)
        self._limit = spec.limit

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that the choice looks at; None for all of them."""
        of_where = frozenset() if self._where is None else _columns(self._where)
        of_sample = frozenset() if self._sample is None else self._sample.columns
        return None if of_where is None or of_sample is None else of_where | of_sample

    def apply(self, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
        """Yield the chosen rows, without empty chunks; stops reading when ``limit`` is reached."""
        left = self._limit
        for chunk in chunks:
            chosen = [
                (at, verdict)
                for at, entry in enumerate(chunk.rows)
                if (verdict := self._verdict(entry)) is not None
            ][:left]
            if chosen:
                yield chunk.pick(chosen)
            if left is not None:
                left -= len(chosen)
                if left == 0:
                    return

    def _verdict(self, entry: Entry) -> Entry | None:
        """Return the row if it is chosen, a bad row if that cannot be told, None if it is not."""
        verdict: Entry = entry
        if self._where is not None and isinstance(entry, Row):
            try:
                if not self._where.is_true(entry.values):
                    return None
            except TemplateError as error:
                verdict = BadRow(entry.ordinal, entry.place, error.message.split("\n")[0])
        if self._sample is not None and not self._sample.has(entry):
            return None
        return verdict


class _Sample:
    """A share of the rows, by a hash of the seed and what names the row.

    That is its id, or without an id column all of it (equal rows are chosen together); a bad row
    is named by its place. So a row stays chosen when others are added.
    """

    def __init__(self, spec: InputSection) -> None:
        self._id = "custom_id" if spec.format == "messages-batch" else spec.id
        self._seed = b"%d\n" % spec.seed
        self._threshold = int((spec.sample or Decimal(1)) * 2**64)
        self.columns = None if self._id is None else frozenset({self._id})

    def has(self, entry: Entry) -> bool:
        name: object = str(entry.place)
        if isinstance(entry, Row):
            name = entry.values if self._id is None else entry.values.get(self._id)
        digest = hashlib.blake2b(self._seed + _canonical(name), digest_size=8).digest()
        return int.from_bytes(digest, "big") < self._threshold


def _columns(where: Expression) -> frozenset[str] | None:
    return None if where.uses_row else where.names()


def _canonical(value: object) -> bytes:
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=_plain)
    except TypeError:  # a map whose keys JSON cannot have
        text = repr(value)
    return text.encode()


def _plain(value: object) -> str:
    """Name a value that JSON does not have."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return str(value)
