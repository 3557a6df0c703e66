"""How long the intent of an attempt may wait, so that others share its commit."""

_SHARE, _SHARE_WITH_ROOM = 1 / 40, 1 / 15
_FULL = 0.8
_LONGEST_S = 0.1
_LONGEST_WITH_GAP_S = 0.0125


def record_wait_s(in_flight: int, window: float, latency_s: float, gap_s: float) -> float:
    """Return the seconds that an admitted attempt may wait for its record.

    It is a small part of what a response takes (``latency_s``), and a larger one while the window
    is not full: then a limit or the processor holds attempts back, and not the wait. Where
    attempts keep a distance to each other (``gap_s``), the wait must not change it.
    """
    share = _SHARE_WITH_ROOM if in_flight <= _FULL * window else _SHARE
    return min(_LONGEST_WITH_GAP_S if gap_s else _LONGEST_S, share * latency_s)
