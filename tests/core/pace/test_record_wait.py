"""The intent of an attempt waits a small part of what its response takes."""

import pytest

from batcher.core.pace.record_wait import record_wait_s


@pytest.mark.parametrize(
    ("in_flight", "window", "latency_s", "gap_s", "wait_s"),
    [
        (1, 1.0, 0.0, 0.0, 0.0),  # no response yet: nothing is known
        (64, 64.0, 0.001, 0.0, 0.000025),
        (64, 64.0, 2.0, 0.0, 0.05),
        (52, 64.0, 2.0, 0.0, 0.05),
        (51, 64.0, 1.2, 0.0, 0.08),  # a rate limit holds attempts back, not the window
        (1, 64.0, 60.0, 0.0, 0.1),
        (64, 64.0, 60.0, 0.0, 0.1),
        (1, 64.0, 60.0, 0.3, 0.0125),  # attempts that keep a distance
    ],
)
def test_the_wait(
    in_flight: int, window: float, latency_s: float, gap_s: float, wait_s: float
) -> None:
    """It costs at most a fortieth of the rate while the window limits it, and never over 0.1 s."""
    assert record_wait_s(in_flight, window, latency_s, gap_s) == pytest.approx(wait_s)
