"""The prefixes worth marking, compared with a model in plain Python."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sample_records import fingerprint_of, opened

from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import add_to_plan, begin_plan, shared_prefixes
from batcher.store.records import PrefixRecord

Prefixes = tuple[int | None, int | None]
"""The numbers of an item's two prefixes."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples; each example makes its own plan."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as new:
        yield new


def model(
    items: list[Prefixes], sent: list[int], min_uses: int, window: int
) -> tuple[dict[int, int], int, int]:
    """Return the levels of each item, the number of groups, and the largest distance in a group."""
    uses: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, item in enumerate(sorted(sent)):
        for index, prefix in enumerate(items[item]):
            if prefix is not None:
                uses[index + 1, prefix].append(number)
    worthy = {
        key: numbers[-1] - numbers[0]
        for key, numbers in uses.items()
        if len(numbers) >= min_uses and numbers[-1] - numbers[0] <= window * (len(numbers) - 1)
    }
    levels, groups = {}, {}
    for item in sent:
        keys = [(index + 1, prefix) for index, prefix in enumerate(items[item])]
        found = [key for key in keys if key in worthy]
        if found:
            levels[item] = sum(level for level, _ in found)
            groups[found[-1]] = worthy[found[-1]]
    return levels, len(groups), max(groups.values(), default=0)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(st.tuples(st.none() | st.integers(0, 1), st.none() | st.integers(0, 5)), max_size=25),
    st.sets(st.integers(0, 24)),
    st.integers(2, 3),
    st.integers(1, 5),
)
def test_prefixes_used_often_and_close_together_are_marked(
    checkpoint: Checkpoint, items: list[Prefixes], sent: set[int], min_uses: int, window: int
) -> None:
    """Only items to send count, and each level separately."""
    begin_plan(checkpoint)
    add_to_plan(
        checkpoint,
        [],
        [
            PrefixRecord(item, index + 1, fingerprint_of(100 * index + prefix))
            for item, prefixes in enumerate(items)
            for index, prefix in enumerate(prefixes)
            if prefix is not None
        ],
    )
    wanted = [item for item in sent if item < len(items)]
    found = shared_prefixes(checkpoint, wanted, min_uses=min_uses, window=window)
    marks = {row["item"]: row["levels"] for row in found.marks.to_pylist()}
    assert (marks, found.groups, found.span) == model(items, wanted, min_uses, window)


def test_a_new_plan_begins_without_prefixes(checkpoint: Checkpoint) -> None:
    """The prefixes of an earlier plan do not remain."""
    begin_plan(checkpoint)
    add_to_plan(checkpoint, [], [PrefixRecord(item, 1, fingerprint_of(1)) for item in range(3)])
    begin_plan(checkpoint)
    assert shared_prefixes(checkpoint, [0, 1, 2], min_uses=2, window=9).groups == 0
