"""The columns that batcher adds to the input's columns, and their values from results."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from batcher.core.labels.labels import Labels
from batcher.core.usage_fields import TOKEN_FIELDS
from batcher.late import late_module
from batcher.outputs.label_arrays import label_arrays, label_fields, vote_arrays, vote_fields
from batcher.outputs.parsed_answers import ParsedAnswer

if TYPE_CHECKING:
    import pyarrow.compute as pc
else:
    pc = late_module("pyarrow.compute")

BOOKKEEPING: tuple[tuple[str, pa.DataType], ...] = (
    ("id", pa.string()),
    ("row", pa.int64()),
    ("sample", pa.int32()),
    ("status", pa.string()),
    ("text", pa.string()),
    ("thinking", pa.string()),
    ("stop_reason", pa.string()),
    ("model", pa.string()),
    ("delivery", pa.string()),
    *((name, pa.int64()) for name in TOKEN_FIELDS),
    ("cost_usd", pa.float64()),
    ("shared", pa.bool_()),
    ("attempts", pa.int32()),
    ("started_at", pa.timestamp("us", tz="UTC")),
    ("latency_s", pa.float64()),
    ("ttft_s", pa.float64()),
    ("error_type", pa.string()),
    ("error_message", pa.string()),
    ("request_id", pa.string()),
    ("message_id", pa.string()),
    ("fingerprint", pa.string()),
    ("run_id", pa.string()),
)
_TEXT = ("text", "thinking")


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of an output: kept input columns, labels, then bookkeeping with a prefix.

    When a row has several answers (``samples``), columns with their votes come before bookkeeping.
    """

    kept: pa.Schema
    prefix: str
    keeps_text: bool
    labels: Labels | None = None
    samples: int = 1

    @property
    def schema(self) -> pa.Schema:
        """The output's schema; it does not depend on the answers."""
        bookkeeping = [pa.field(self.prefix + name, kind) for name, kind in self._bookkeeping()]
        labels = [] if self.labels is None else label_fields(self.labels)
        return pa.schema([*self.kept, *labels, *self._votes(), *bookkeeping])

    def clashes(self) -> list[str]:
        """Return the kept columns with the name of a bookkeeping or vote column."""
        return sorted(self._added_names() & set(self.kept.names))

    def label_clashes(self) -> list[str]:
        """Return the labels with the name of a kept, bookkeeping or vote column or another label.

        Upper and lower case count as equal, as they do in DuckDB and other programs.
        """
        labels = () if self.labels is None else self.labels.columns
        names = Counter(
            name.casefold() for name in (*self.kept.names, *self._added_names(), *labels)
        )
        return sorted(name for name in labels if names[name.casefold()] > 1)

    def fill(self, kept: pa.Table, results: pa.Table, answers: Sequence[ParsedAnswer]) -> pa.Table:
        """Join kept columns, results and their answers: each has one row for each item, in order.

        All answers to one input row have to be in the same call.
        """
        values = _bookkeeping_values(results, answers)
        bookkeeping = [values[name].cast(kind) for name, kind in self._bookkeeping()]
        columns = [kept.column(name).cast(self.kept.field(name).type) for name in self.kept.names]
        labels, votes = [], []
        if self.labels is not None:
            label_values = [answer.value for answer in answers]
            labels = label_arrays(self.labels, label_values)
            if self.samples > 1:
                votes = vote_arrays(self.labels, label_values, self.samples)
        return pa.Table.from_arrays([*columns, *labels, *votes, *bookkeeping], schema=self.schema)

    def _added_names(self) -> set[str]:
        bookkeeping = {self.prefix + name for name, _ in self._bookkeeping()}
        return bookkeeping | {vote.name for vote in self._votes()}

    def _votes(self) -> list[pa.Field]:
        if self.labels is None or self.samples == 1:
            return []
        return vote_fields(self.labels, self.prefix)

    def _bookkeeping(self) -> list[tuple[str, pa.DataType]]:
        return [column for column in BOOKKEEPING if self.keeps_text or column[0] not in _TEXT]


def _bookkeeping_values(results: pa.Table, answers: Sequence[ParsedAnswer]) -> dict[str, pa.Array]:
    """Return our columns for a chunk of results, which has the columns of the store's query."""
    shared = pc.fill_null(results.column("is_shared"), fill_value=False)
    values = {name: results.column(name) for name in results.column_names}
    values["row"] = pc.add(results.column("ordinal"), 1)
    values["shared"] = shared
    values["attempts"] = pc.fill_null(results.column("attempts"), 0)
    values["started_at"] = results.column("first_sent_at")
    # An earlier row paid for a shared answer: it costs 0 here, so that the sum is the bill.
    values["cost_usd"] = pc.if_else(shared, 0.0, _cost(results))
    for name in TOKEN_FIELDS:
        values[name] = pc.if_else(pc.and_(shared, pc.is_valid(values[name])), 0, values[name])
    values["text"] = pa.array([answer.text for answer in answers], pa.string())
    values["thinking"] = pa.array([answer.thinking for answer in answers], pa.string())
    return values


def _cost(results: pa.Table) -> pa.Array:
    """Return each row's billed dollars: 0 when nothing was sent, null when a part is unknown."""
    # Arrow's cast does not give the nearest double: 0.000222 becomes 0.00022200000000000003.
    decimals = results.column("cost_usd").to_pylist()
    usd = pa.array([float(cost or 0) for cost in decimals], pa.float64())
    is_unpriced = pc.greater(pc.fill_null(results.column("unpriced"), 0), 0)
    return pc.if_else(is_unpriced, pa.scalar(None, pa.float64()), usd)


def repeat_rows(table: pa.Table, times: int) -> pa.Table:
    """Repeat each row of a table, once for each of its several answers."""
    if times == 1:
        return table
    return table.take([row for row in range(table.num_rows) for _ in range(times)])
