"""A duration is read as it is meant, or refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.duration_text import seconds_of
from batcher.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("90m", 5400), ("5h", 18_000), ("1h30m", 5400), ("1h1s", 3601), ("2h3m4s", 7384)],
)
def test_durations(text: str, seconds: int) -> None:
    """Hours, minutes and seconds add up."""
    assert seconds_of(text) == seconds


@given(st.integers(0, 9999), st.integers(0, 9999), st.integers(1, 9999))
def test_any_duration(hours: int, minutes: int, seconds: int) -> None:
    """They add up for all numbers of up to four digits."""
    assert seconds_of(f"{hours}h{minutes}m{seconds}s") == 3600 * hours + 60 * minutes + seconds


@pytest.mark.parametrize(
    "text",
    ["", "5", "0s", "0h0m", "h", "5 h", " 5h", "5h ", "1.5h", "-5h", "30m1h", "1d", "5H", "5h5h",
     "\u0665h", "9" * 400 + "h", "5h\n"],
)  # fmt: skip
def test_what_is_not_a_duration_is_refused(text: str) -> None:
    """The error says what to write instead."""
    with pytest.raises(ConfigurationError, match="not a duration") as caught:
        seconds_of(text)
    assert "1h30m" in caught.value.hint
