"""Batches within the limits of the job and of the API, and no number of requests twice."""

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.batches.size import MAX_BODY_BYTES, MAX_REQUESTS, BatchSize


def cut(sizes: list[int], size: BatchSize) -> tuple[list[list[int]], list[int]]:
    """Make batches of requests of these sizes; return them, and what no batch may take."""
    batches: list[list[int]] = []
    filling: list[int] = []
    for more in [*sizes, None]:
        while filling and (more is None or size.is_full(len(filling), sum(filling), more)):
            count = size.usable(len(filling))
            if not count:
                return batches, filling
            batches.append(filling[:count])
            filling = filling[count:]
        if more is not None:
            filling.append(more)
    return batches, filling


@given(
    st.lists(st.integers(1, 60), max_size=60),
    st.integers(1, 20),
    st.sets(st.integers(1, 20), max_size=6),
    st.integers(60, 300),
)
def test_batches_keep_every_limit(
    sizes: list[int], rows: int, taken: set[int], max_bytes: int
) -> None:
    """Every request is in one batch, in order; no batch is too large or has a number twice."""
    batches, rest = cut(sizes, BatchSize(rows, taken, max_bytes))
    placed = [size for batch in (*batches, rest) for size in batch]
    assert placed == (sizes[: len(placed)] if rest else sizes)
    for batch in batches:
        assert 0 < len(batch) <= rows
        assert len(batch) not in taken
        assert sum(batch) <= max_bytes
    if rest:
        assert set(range(1, len(rest) + 1)) <= taken


@given(st.integers(1, 10**6))
def test_no_batch_has_more_than_the_api_takes(rows: int) -> None:
    """The limits of the API hold whatever the job says."""
    size = BatchSize(rows)
    assert size.is_full(min(rows, MAX_REQUESTS), 1, 1)
    assert not size.is_full(min(rows, MAX_REQUESTS) - 1, 1, 1)
    assert size.is_full(1, MAX_BODY_BYTES, 1)
    assert not size.is_full(0, MAX_BODY_BYTES, 1)


def test_a_number_that_is_not_free_makes_the_batch_smaller() -> None:
    """The next lower number is taken, and none when all are taken."""
    size = BatchSize(10, {10, 9, 3, 2, 1})
    assert size.usable(10) == 8
    assert size.usable(9) == 8
    assert size.usable(3) == 0
    assert size.is_full(8, 1, 1)
