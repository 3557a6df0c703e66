"""Nights of an input that changes, and what is remembered from one to the next, told by loops."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hypothesis import strategies as st

ALLOWANCE = 2
Consent = Literal["refused", "redo", "keep"]
Ending = Literal["unsent", "lost", "passing", "succeeded", "failed"]


class Row(NamedTuple):
    """One input record: its id and two columns, of which a prompt uses one or both."""

    id: str
    a: int
    b: int


@dataclass(frozen=True)
class Night:
    """What one run finds and does; ``endings`` befall its requests in turn."""

    rows: list[Row]
    prompt: int
    uses_both: bool
    consent: Consent
    is_part: bool
    endings: list[Ending]

    @property
    def coverage(self) -> int:
        """The number of the columns that the prompt uses."""
        return 7 + self.uses_both

    def content(self, row: Row) -> int:
        """The number of what the prompt uses of a row."""
        return 100 + row.a * 10 + row.b if self.uses_both else 10 + row.a

    def fingerprint(self, row: Row, sample: int) -> int:
        """The number of what a row asks."""
        return self.prompt * 10_000 + self.content(row) * 10 + sample


ROW = Row("u", 0, 0)
ROWS = st.builds(Row, st.sampled_from("uvwxyz"), st.integers(0, 2), st.integers(0, 1))
NIGHTS = st.builds(
    Night,
    rows=st.lists(ROWS, max_size=6),
    prompt=st.integers(1, 2),
    uses_both=st.booleans(),
    consent=st.sampled_from(["refused", "redo", "redo", "keep"]),
    is_part=st.sampled_from([False, False, False, True]),
    endings=st.lists(
        st.sampled_from(["unsent", "lost", "passing", "succeeded", "succeeded", "failed"]),
        min_size=12,
        max_size=12,
    ),
)


@dataclass(frozen=True)
class Sighting:
    """What a row asked the last time that it was there, and whether it still was the last time."""

    coverage: int
    content: int
    fingerprint: int
    is_gone: bool = False


@dataclass
class Item:
    """One answer that the input asks for."""

    key: tuple[str | int, int]
    content: int
    fingerprint: int
    asked: int
    is_bad: bool = False


@dataclass
class Diary:
    """All that is remembered from night to night, told by loops."""

    has_ids: bool
    samples: int
    seen: dict[tuple[str | int, int], Sighting] = field(default_factory=dict)
    noted: int = 0
    attempts: dict[int, int] = field(default_factory=dict)
    unknown: dict[int, int] = field(default_factory=dict)
    finals: set[int] = field(default_factory=set)

    def items(self, night: Night) -> list[Item]:
        """What a night's input asks for, each answer by itself."""
        found: list[Item] = []
        first: dict[str, int] = {}
        for row in night.rows:
            asked = night.fingerprint(row, 0)
            is_bad = self.has_ids and first.setdefault(row.id, asked) != asked
            for sample in range(self.samples):
                key = row.id if self.has_ids else night.content(row)
                fingerprint = night.fingerprint(row, sample)
                item = Item((key, sample), night.content(row), fingerprint, fingerprint, is_bad)
                found.append(item)
        return found

    def is_made_otherwise(self, night: Night, item: Item) -> bool:
        """Whether a row that has an answer asks something else, and not because it was edited."""
        last = self.seen.get(item.key)
        if item.is_bad or last is None or last.fingerprint == item.fingerprint:
            return False
        was_edited = last.coverage == night.coverage and last.content != item.content
        return not was_edited and last.fingerprint in self.finals

    def redone(self, night: Night, items: list[Item]) -> list[Item]:
        """The rows that would be paid for a second time."""
        otherwise = [item for item in items if self.is_made_otherwise(night, item)]
        return [item for item in otherwise if item.fingerprint not in self.finals]

    def unmatched(self, night: Night, items: list[Item]) -> int:
        """How many rows without ids may be rows that were known by other columns."""
        if self.has_ids:
            return 0
        new = [i for i in items if i.key not in self.seen and i.fingerprint not in self.finals]
        gone = [self.seen[key] for key in self.gone(items)]
        old = [s for s in gone if s.coverage != night.coverage and s.fingerprint in self.finals]
        return min(len(new), len(old))

    def firsts(self, items: list[Item]) -> list[Item]:
        """The first item of each request."""
        wanted: dict[int, Item] = {}
        for item in items:
            if not item.is_bad:
                wanted.setdefault(item.asked, item)
        return list(wanted.values())

    def to_send(self, items: list[Item]) -> list[Item]:
        """The requests without an answer, but those that were perhaps billed too often."""
        return [
            item
            for item in self.firsts(items)
            if item.asked not in self.finals and self.unknown.get(item.asked, 0) < ALLOWANCE
        ]

    def gone(self, items: list[Item]) -> list[tuple[str | int, int]]:
        """What was there and asks for nothing now."""
        there = {item.key for item in items if not item.is_bad}
        return [key for key, last in self.seen.items() if key not in there and not last.is_gone]

    def is_changed(self, item: Item) -> bool:
        """Whether it asked something else when it was last seen."""
        last = self.seen.get(item.key)
        return last is not None and last.fingerprint != item.fingerprint

    def note(self, night: Night, items: list[Item]) -> None:
        """Remember the night."""
        after = dict(self.seen)
        if not night.is_part:
            for key in self.gone(items):
                last = after[key]
                after[key] = Sighting(last.coverage, last.content, last.fingerprint, is_gone=True)
        for item in items:
            if not item.is_bad:
                after[item.key] = Sighting(night.coverage, item.content, item.asked)
        self.noted += sum(self.seen.get(key) != last for key, last in after.items())
        self.seen = after
