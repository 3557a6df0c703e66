"""Which prefixes are worth a mark, against a model in plain Python."""

from collections import defaultdict
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records_made import name, opened

from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import add_prefixes, begin_plan, shared_prefixes
from batcher.store.records import PrefixRecord

Asked = tuple[int | None, int | None]
"""The numbers of an item's two prefixes."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkpoint]:
    """One checkpoint for all examples; each begins its own plan."""
    with opened(tmp_path_factory.mktemp("checkpoint")) as made:
        yield made


def model(
    items: list[Asked], sent: list[int], min_uses: int, window: int
) -> tuple[dict[int, int], int, int]:
    """The levels of each item, the number of groups, and the widest of them."""
    uses: dict[tuple[int, int], list[int]] = defaultdict(list)
    for number, item in enumerate(sorted(sent)):
        for at, prefix in enumerate(items[item]):
            if prefix is not None:
                uses[at + 1, prefix].append(number)
    worthy = {
        key: numbers[-1] - numbers[0]
        for key, numbers in uses.items()
        if len(numbers) >= min_uses and numbers[-1] - numbers[0] <= window * (len(numbers) - 1)
    }
    levels, groups = {}, {}
    for item in sent:
        keys = [(at + 1, prefix) for at, prefix in enumerate(items[item])]
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
def test_what_is_used_often_and_near_enough_is_marked(
    checkpoint: Checkpoint, items: list[Asked], sent: set[int], min_uses: int, window: int
) -> None:
    """Only what is to be sent counts, each level by itself."""
    begin_plan(checkpoint)
    add_prefixes(
        checkpoint,
        [
            PrefixRecord(item, at + 1, name(100 * at + prefix))
            for item, prefixes in enumerate(items)
            for at, prefix in enumerate(prefixes)
            if prefix is not None
        ],
    )
    wanted = [item for item in sent if item < len(items)]
    found = shared_prefixes(checkpoint, wanted, min_uses=min_uses, window=window)
    marks = {row["item"]: row["levels"] for row in found.marks.to_pylist()}
    assert (marks, found.groups, found.span) == model(items, wanted, min_uses, window)


def test_a_new_plan_begins_without_prefixes(checkpoint: Checkpoint) -> None:
    """Those of an earlier one are gone."""
    begin_plan(checkpoint)
    add_prefixes(checkpoint, [PrefixRecord(item, 1, name(1)) for item in range(3)])
    begin_plan(checkpoint)
    assert shared_prefixes(checkpoint, [0, 1, 2], min_uses=2, window=9).groups == 0
