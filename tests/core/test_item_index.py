"""Items are numbered row by row, without a gap, and each belongs to one row."""

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.item_index import ItemIndex


@given(rows=st.integers(0, 50), samples=st.integers(1, 9))
def test_items_count_up_and_belong_to_their_row(rows: int, samples: int) -> None:
    """The items of consecutive rows are consecutive numbers, and lead back to the row."""
    index = ItemIndex(samples)
    items = [(item, row) for row in range(rows) for item in index.items_of(row)]
    assert [item for item, _ in items] == list(range(rows * samples))
    assert all(index.row_of(item) == row for item, row in items)
