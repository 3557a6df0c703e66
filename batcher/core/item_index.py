"""Numbers the items of an input: one item for each answer that a row asks for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ItemIndex:
    """The items of a job with ``samples`` answers to each row: rows in order, samples together."""

    samples: int

    def items_of(self, ordinal: int) -> range:
        """Return the items of the row with this number, counted from 0."""
        first = ordinal * self.samples
        return range(first, first + self.samples)

    def row_of(self, item: int) -> int:
        """Return the number of the row that an item belongs to."""
        return item // self.samples
