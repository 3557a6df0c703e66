"""Decides when to look at batches that have not ended, and how."""

_SHARE_OF_AGE = 0.1
_SOONEST_S = 5.0
_JITTER = 0.2


def next_look_s(age_s: float, poll_s: float, random: float) -> float:
    """Return the seconds until the next look at batches, the youngest of which has this age.

    A result is seen late by a tenth of the time that it took, at most by ``poll_s``. ``random`` is
    uniform in [0, 1); it spreads jobs that started together.
    """
    wait_s = min(poll_s, max(_SOONEST_S, age_s * _SHARE_OF_AGE))
    return wait_s * (1 - _JITTER * random)


def is_listed(waiting: int) -> bool:
    """Return whether one page of the listing is cheaper than a look at each of these batches.

    What the page does not show, because others have made many batches since, is looked at itself.
    """
    return waiting > 1
