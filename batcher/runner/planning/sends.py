"""What a plan sends, read from the table that the checkpoint makes."""

from dataclasses import dataclass
from typing import Self

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Sends:
    """What is sent: ``marks`` has a byte for each item, as ``Plan.to_send``."""

    marks: bytearray
    repairs: dict[int, int]
    failed_before: dict[int, str]
    items: pa.ChunkedArray

    @classmethod
    def read(cls, sends: pa.Table, count: int) -> Self:
        """Read the table of ``items_to_send``; the input has ``count`` items."""
        marks, repairs, failed_before = bytearray(count), dict[int, int](), dict[int, str]()
        for batch in sends.to_batches(max_chunksize=10_000):
            columns = [column.to_pylist() for column in batch.columns]
            for item, unknown, number, failure in zip(*columns, strict=True):
                marks[item] = 1 + min(unknown, 254)
                if number:
                    repairs[item] = number
                if failure is not None:
                    failed_before[item] = failure
        return cls(marks, repairs, failed_before, sends.column("item"))
