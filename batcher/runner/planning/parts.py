"""Parts of a plan: some of its requests to send, and the rest."""

from collections.abc import Iterable
from dataclasses import replace

from batcher.runner.planning.planner import Plan


def split(plan: Plan, number: int) -> tuple[Plan, Plan]:
    """Return the first requests to send, and the rest."""
    position, left = 0, number
    while left and position < len(plan.to_send):
        left -= bool(plan.to_send[position])
        position += 1
    first, rest = bytearray(len(plan.to_send)), bytearray(plan.to_send)
    first[:position] = plan.to_send[:position]
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
    return _with(plan, bytearray(map(max, only_live.to_send, more.to_send))), rest


def within(plan: Plan, other: Plan) -> Plan:
    """Return the requests to send that another plan sends, too."""
    pairs = zip(plan.to_send, other.to_send, strict=True)
    return _with(plan, bytearray(mine if theirs else 0 for mine, theirs in pairs))


def without(plan: Plan, other: Plan) -> Plan:
    """Return the requests to send that another plan does not send."""
    pairs = zip(plan.to_send, other.to_send, strict=True)
    return _with(plan, bytearray(0 if theirs else mine for mine, theirs in pairs))


def _with(plan: Plan, to_send: bytearray) -> Plan:
    number = len(to_send) - to_send.count(0)
    return replace(plan, to_send=to_send, counts=replace(plan.counts, to_send=number))
