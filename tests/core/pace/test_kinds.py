"""What limits the pace is shown in plain English."""

import pytest

from batcher.core.pace.kinds import Kind, Limiter, limiter_text


@pytest.mark.parametrize(
    ("limiter", "text"),
    [
        (Limiter.RAMPING, "ramping up"),
        (Limiter.DRAINING, "waiting for the last responses"),
        (Limiter.CONCURRENCY, "limited by concurrency"),
        (Limiter.INPUT, "limited by input tokens/min"),
        (Limiter.REFUSED, "limited by 429 responses"),
        (Limiter.FAILURES, "limited by API errors"),
    ],
)
def test_the_text_of_a_limiter(limiter: Limiter, text: str) -> None:
    """A phrase stands alone; a noun follows "limited by". Status files have the value as text."""
    assert limiter_text(limiter) == limiter_text(limiter.value) == text


@pytest.mark.parametrize("kind", Kind)
def test_every_rate_limit_is_a_limiter(kind: Kind) -> None:
    """It is shown with the same words."""
    assert Limiter.of(kind).value == kind.value
