"""Rows that failed before do not keep the others from being asked."""

from hypothesis import given
from hypothesis import strategies as st

from batcher.core.pace.sending_order import passes


def order(to_send: bytes, failed_before: dict[int, str]) -> list[int]:
    """Return the items in the order in which they are sent."""
    groups = passes(bytearray(to_send), failed_before)
    return [item for marks in groups for item, mark in enumerate(marks) if mark]


MARKS = st.binary(max_size=300).map(lambda marks: bytes(min(mark, 3) for mark in marks))


@given(MARKS, st.data())
def test_every_item_is_sent_once_with_its_mark(to_send: bytes, data: st.DataObject) -> None:
    """Items that failed before come last."""
    items = [item for item, mark in enumerate(to_send) if mark]
    number = data.draw(st.integers(0, len(items)))
    failed = {item: data.draw(st.sampled_from(["", "x"])) for item in items[:number]}
    groups = passes(bytearray(to_send), failed)
    if groups:
        assert bytes(map(sum, zip(*groups, strict=True))) == to_send
    sent = order(to_send, failed)
    assert sorted(sent) == items
    assert set(sent[len(items) - len(failed) :]) == set(failed)


def test_nothing_failed() -> None:
    """One pass, in the order of the input."""
    marks = bytearray(b"\1\0\2")
    assert passes(marks, {}) == [marks]


def test_the_failures_are_known_to_be_their_rows() -> None:
    """The others come in order."""
    assert order(b"\1" * 6, {1: "permission_error"}) == [0, 2, 3, 4, 5, 1]


def test_neighbours_of_a_doubtful_failure_do_not_come_together() -> None:
    """Thirty rows that fail alike lie at the start: answers to others come before and between."""
    sent = order(b"\1" * 400, {0: ""})
    fails = [item < 30 for item in sent[:-1]]
    assert not any(fails[:8])
    longest = max(len(run) for run in "".join("x" if fail else " " for fail in fails).split())
    assert longest <= 4
