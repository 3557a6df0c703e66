"""Runs over an input that changes, and a model of the rows seen, in plain Python."""

from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from hypothesis import strategies as st

ALLOWANCE = 2
Consent = Literal["refused", "redo", "keep"]
Ending = Literal["unsent", "open", "transient", "succeeded", "failed"]


class Row(NamedTuple):
    """An input row: its id and two columns; a prompt uses ``a``, or both columns."""

    id: str
    a: int
    b: int


@dataclass(frozen=True)
class Run:
    """The input and the job of a run; its requests get the ``endings`` in order."""

    rows: list[Row]
    prompt: int
    uses_both: bool
    consent: Consent
    is_part: bool
    endings: list[Ending]

    @property
    def coverage(self) -> int:
        """A number for the columns that the prompt uses."""
        return 7 + self.uses_both

    def content(self, row: Row) -> int:
        """Return a number for the values of a row that the prompt uses."""
        return 100 + row.a * 10 + row.b if self.uses_both else 10 + row.a

    def fingerprint(self, row: Row, sample: int) -> int:
        """Return a number for the request of a row."""
        return self.prompt * 10_000 + self.content(row) * 10 + sample


ROW = Row("u", 0, 0)
ROWS = st.builds(Row, st.sampled_from("uvwxyz"), st.integers(0, 2), st.integers(0, 1))
RUNS = st.builds(
    Run,
    rows=st.lists(ROWS, max_size=6),
    prompt=st.integers(1, 2),
    uses_both=st.booleans(),
    consent=st.sampled_from(["refused", "redo", "redo", "keep"]),
    is_part=st.sampled_from([False, False, False, True]),
    endings=st.lists(
        st.sampled_from(["unsent", "open", "transient", "succeeded", "succeeded", "failed"]),
        min_size=12,
        max_size=12,
    ),
)


@dataclass(frozen=True)
class SeenRow:
    """The last request of a row; ``is_removed``: the latest input does not have the row."""

    coverage: int
    content: int
    fingerprint: int
    is_removed: bool = False


@dataclass
class Item:
    """An item of the plan; ``requested`` is its request, perhaps an earlier one that it keeps."""

    key: tuple[str | int, int]
    content: int
    fingerprint: int
    requested: int
    is_bad: bool = False


@dataclass
class SeenModel:
    """The rows seen and the attempts made, from run to run."""

    has_ids: bool
    samples: int
    seen: dict[tuple[str | int, int], SeenRow] = field(default_factory=dict)
    recorded_rows: int = 0
    attempts: dict[int, int] = field(default_factory=dict)
    unknown: dict[int, int] = field(default_factory=dict)
    finals: set[int] = field(default_factory=set)

    def items(self, run: Run) -> list[Item]:
        """Return the items of a run's input."""
        items: list[Item] = []
        first: dict[str, int] = {}
        for row in run.rows:
            request = run.fingerprint(row, 0)
            is_bad = self.has_ids and first.setdefault(row.id, request) != request
            for sample in range(self.samples):
                key = row.id if self.has_ids else run.content(row)
                fingerprint = run.fingerprint(row, sample)
                item = Item((key, sample), run.content(row), fingerprint, fingerprint, is_bad)
                items.append(item)
        return items

    def is_made_differently(self, run: Run, item: Item) -> bool:
        """Return whether an answered row makes another request although it was not edited."""
        last = self.seen.get(item.key)
        if item.is_bad or last is None or last.fingerprint == item.fingerprint:
            return False
        was_edited = last.coverage == run.coverage and last.content != item.content
        return not was_edited and last.fingerprint in self.finals

    def redone(self, run: Run, items: list[Item]) -> list[Item]:
        """Return the items that would be paid for a second time."""
        different = [item for item in items if self.is_made_differently(run, item)]
        return [item for item in different if item.fingerprint not in self.finals]

    def unmatched(self, run: Run, items: list[Item]) -> int:
        """Count the new rows without ids that may be rows seen with other columns before."""
        if self.has_ids:
            return 0
        new = [i for i in items if i.key not in self.seen and i.fingerprint not in self.finals]
        removed = [self.seen[key] for key in self.removed(items)]
        old = [s for s in removed if s.coverage != run.coverage and s.fingerprint in self.finals]
        return min(len(new), len(old))

    def first_items(self, items: list[Item]) -> list[Item]:
        """Return the first item of each request."""
        wanted: dict[int, Item] = {}
        for item in items:
            if not item.is_bad:
                wanted.setdefault(item.requested, item)
        return list(wanted.values())

    def to_send(self, items: list[Item]) -> list[Item]:
        """Return the open items that have fewer unknown attempts than allowed."""
        return [
            item
            for item in self.first_items(items)
            if item.requested not in self.finals and self.unknown.get(item.requested, 0) < ALLOWANCE
        ]

    def removed(self, items: list[Item]) -> list[tuple[str | int, int]]:
        """Return the keys of rows that were seen and make no request now."""
        present = {item.key for item in items if not item.is_bad}
        return [
            key for key, last in self.seen.items() if key not in present and not last.is_removed
        ]

    def is_changed(self, item: Item) -> bool:
        """Return whether the item made another request when it was last seen."""
        last = self.seen.get(item.key)
        return last is not None and last.fingerprint != item.fingerprint

    def record(self, run: Run, items: list[Item]) -> None:
        """Record the rows that a run saw."""
        after = dict(self.seen)
        if not run.is_part:
            for key in self.removed(items):
                last = after[key]
                after[key] = SeenRow(last.coverage, last.content, last.fingerprint, is_removed=True)
        for item in items:
            if not item.is_bad:
                after[item.key] = SeenRow(run.coverage, item.content, item.requested)
        self.recorded_rows += sum(self.seen.get(key) != last for key, last in after.items())
        self.seen = after
