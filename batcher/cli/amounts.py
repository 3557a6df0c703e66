"""Writes durations and counts as text."""

from collections.abc import Mapping

from batcher.core.plural import counted


def duration(seconds: float) -> str:
    """Write seconds as hours, minutes and seconds, the two largest that are needed."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def time_left(eta_s: float | None) -> str:
    """Write the time until a run ends, as far as it is known."""
    return "ETA unknown" if eta_s is None else f"{duration(eta_s)} left"


def counts_text(by_status: Mapping[str, int]) -> str:
    """Write the number of rows of each status: ``2 errored, 1,000 succeeded``."""
    return ", ".join(f"{number:,} {status}" for status, number in sorted(by_status.items()))


def batches_text(number: int, requests: int, next_s: float | None) -> str:
    """Describe the batches that are not collected yet, and when the next is likely to end."""
    text = f"{counted(number, 'batch', 'batches')}, {counted(requests, 'request')}"
    if next_s is None:
        return text
    minutes = f"{round(next_s / 60):,} min" if next_s >= 120 else duration(next_s)
    return f"{text}, next in about {minutes}"
