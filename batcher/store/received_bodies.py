"""Reads response bodies as they were received: stored whole, packed, or in parts."""

from itertools import groupby
from operator import itemgetter

import pyarrow as pa

from batcher.store.checkpoint import Checkpoint
from batcher.store.queries import queries
from batcher.store.stored_bodies import unpacked

_BODIES = queries("bodies")


def with_bodies(checkpoint: Checkpoint, table: pa.Table) -> pa.Table:
    """Return a table with bodies as they were received, instead of as they are stored."""
    names = ("attempt_id", "body_bytes", "body")
    stored = list(zip(*(table.column(name).to_pylist() for name in names), strict=True))
    in_parts = [number for number, size, body in stored if body is None and size is not None]
    joined = _joined_parts(checkpoint, in_parts) if in_parts else {}
    originals = (unpacked(joined.get(number, body), size) for number, size, body in stored)
    place = table.schema.get_field_index("body")
    return table.set_column(place, "body", pa.array(originals, pa.binary()))


def _joined_parts(checkpoint: Checkpoint, attempts: list[int]) -> dict[int, bytes]:
    parts = sorted(checkpoint.rows(_BODIES["parts"], ids=attempts))
    return {
        number: b"".join(data for _, _, data in group)
        for number, group in groupby(parts, key=itemgetter(0))
    }
