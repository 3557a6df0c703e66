"""The id of an item names its attempt, and nothing else does."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batcher.core.batches.custom_id import attempt_of, custom_id

MARKER = "k3m9x0aaaaaa"
markers = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=12, max_size=12)
attempts = st.integers(0, 2**63 - 1)


@given(markers, attempts)
@example(MARKER, 0)
@example(MARKER, 2**63 - 1)
def test_an_id_names_its_attempt(marker: str, attempt_id: int) -> None:
    """The API takes the id, and the attempt is read from it."""
    text = custom_id(marker, attempt_id)
    assert attempt_of(text, marker) == attempt_id
    assert 0 < len(text) <= 64
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


@given(markers, markers, attempts)
def test_another_batch_s_ids_are_not_ours(one: str, other: str, attempt_id: int) -> None:
    """The marker decides."""
    assert (attempt_of(custom_id(one, attempt_id), other) is None) == (one != other)


@given(st.text("0123456789azAZ_- \n\u0661+", max_size=16))
@example("0")
@example("00")
@example("01")
@example("Z")
@example("1_0")
@example(" 1")
@example("1\n")
@example("\u0661")
@example("-1")
@example("1y2p0ij32e8e8")
def test_only_the_written_form_is_read(number: str) -> None:
    """A text that custom_id does not write names nothing, so that no two texts name one attempt."""
    text = f"{MARKER}-{number}"
    found = attempt_of(text, MARKER)
    assert found is None or custom_id(MARKER, found) == text


@pytest.mark.parametrize("text", [
    "", "-", MARKER, f"{MARKER}-", f"{MARKER}1", "nobody-asked-for-this", f"x{MARKER}-1",
    f"{MARKER}-{'z' * 13}", f"{MARKER}-{'1' * 40}",
])  # fmt: skip
def test_strangers(text: str) -> None:
    """Ids that nobody asked for name no attempt."""
    assert attempt_of(text, MARKER) is None


@pytest.mark.parametrize(("marker", "attempt_id"), [
    ("short", 1), ("K3M9X0AAAAAA", 1), (f"{MARKER}\n", 1), (MARKER, -1), (MARKER, 2**63),
])  # fmt: skip
def test_impossible_ids(marker: str, attempt_id: int) -> None:
    """An id that could not be read again is not made."""
    with pytest.raises(ValueError, match="marker"):
        custom_id(marker, attempt_id)
