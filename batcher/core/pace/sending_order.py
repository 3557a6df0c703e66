"""Decides in which order rows are sent when some of them failed in an earlier run."""

from collections.abc import Mapping

_PROBES = 8
_STRIDES = 8


def passes(to_send: bytearray, failed_before: Mapping[int, str]) -> list[bytearray]:
    """Return what each pass over the input sends, in the form of ``to_send``: 0 is not sent.

    Items that failed before come last, in a pass of their own: what is wrong with them must not
    keep the others from being asked. If nothing has told yet whether it was the rows or the account
    ("" in ``failed_before``), rows near them may fail in the same way and stop the run again. So
    the others do not come in order: first a few from the second half, then every eighth.
    """
    if not failed_before:
        return [to_send]
    others = [item for item, mark in enumerate(to_send) if mark and item not in failed_before]
    groups = [others, list(failed_before)]
    if "" in failed_before.values():
        half = len(others) // 2
        probes = others[half :: max(1, -(-(len(others) - half) // _PROBES))]
        rest = sorted(set(others) - set(probes))
        groups = [probes, *(rest[first::_STRIDES] for first in range(_STRIDES)), groups[-1]]
    return [_marks(to_send, group) for group in groups if group]


def _marks(to_send: bytearray, items: list[int]) -> bytearray:
    marks = bytearray(len(to_send))
    for item in items:
        marks[item] = to_send[item]
    return marks
