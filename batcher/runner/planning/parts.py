"""Parts of a plan: some of its requests to send, and the rest.

A plan has a byte for each of perhaps millions of items, and the event loop divides it. So there is
no loop over all items here.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import replace

from batcher.runner.planning.planner import Plan

_CHOSEN = bytes([0, *[255] * 255])
_NOT_CHOSEN = bytes([255, *[0] * 255])


def split(plan: Plan, number: int) -> tuple[Plan, Plan]:
    """Return the first requests to send, and the rest."""
    marks = plan.to_send
    ends = range(len(marks))
    position = bisect_left(ends, number, key=lambda end: end - marks.count(0, 0, end))
    first, rest = bytearray(len(marks)), bytearray(marks)
    first[:position] = marks[:position]
    rest[:position] = bytes(position)
    return _with(plan, first), _with(plan, rest)


def divided(plan: Plan, items: Iterable[int]) -> tuple[Plan, Plan]:
    """Return the requests of these items, and the rest."""
    chosen, rest = bytearray(len(plan.to_send)), bytearray(plan.to_send)
    for item in items:
        chosen[item], rest[item] = rest[item], 0
    return _with(plan, chosen), _with(plan, rest)


def live_part(plan: Plan, number: int) -> tuple[Plan, Plan]:
    """Return what goes live, and the rest: what a batch refuses, and a number of the others."""
    only_live, others = divided(plan, plan.live_items)
    more, rest = split(others, number)
    return _with(plan, _all_of(only_live.to_send, more.to_send)), rest


def within(plan: Plan, other: Plan) -> Plan:
    """Return the requests to send that another plan sends, too."""
    return _with(plan, _some_of(plan.to_send, other.to_send.translate(_CHOSEN)))


def without(plan: Plan, other: Plan) -> Plan:
    """Return the requests to send that another plan does not send."""
    return _with(plan, _some_of(plan.to_send, other.to_send.translate(_NOT_CHOSEN)))


def _some_of(marks: bytearray, mask: bytearray) -> bytearray:
    """Return the marks where the mask is 255, and 0 where it is 0."""
    return _as_bytes(int.from_bytes(marks) & int.from_bytes(mask), len(marks))


def _all_of(marks: bytearray, others: bytearray) -> bytearray:
    """Return the marks of both; each item has a mark in one of them at most."""
    return _as_bytes(int.from_bytes(marks) | int.from_bytes(others), len(marks))


def _as_bytes(number: int, size: int) -> bytearray:
    return bytearray(number.to_bytes(size))


def _with(plan: Plan, to_send: bytearray) -> Plan:
    number = len(to_send) - to_send.count(0)
    return replace(plan, to_send=to_send, counts=replace(plan.counts, to_send=number))
