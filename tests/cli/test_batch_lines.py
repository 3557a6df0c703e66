"""The words about batches that are not collected yet."""

from hypothesis import given
from hypothesis import strategies as st

from batcher.cli.amounts import batches_text

COLUMNS = 80
COUNTS = ", 999 retried, 999 failed"


@given(st.integers(1, 100), st.integers(1, 1_000_000), st.none() | st.floats(0, 86_400))
def test_the_line_about_batches_fits_into_a_terminal(
    number: int, requests: int, next_s: float | None
) -> None:
    """The counts after it are not cut off at 80 columns."""
    assert len(batches_text(number, requests, next_s) + COUNTS) <= COLUMNS


def test_the_time_is_as_exact_as_it_can_be_known() -> None:
    """Minutes are enough for a guess; the last two minutes have seconds."""
    assert batches_text(1, 1, None) == "1 batch, 1 request"
    assert batches_text(3, 3_000, 614) == "3 batches, 3,000 requests, next in about 10 min"
    assert batches_text(3, 3_000, 61) == "3 batches, 3,000 requests, next in about 1 min 01 s"
