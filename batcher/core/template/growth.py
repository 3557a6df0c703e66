"""Keeps the values that a template assigns from growing without a bound.

The engine counts what its own operators and filters make, but not what becomes of a list when it is
passed to one of our filters: a list that is doubled in a loop, or that contains itself twice, is
short for the engine and takes gigabytes as a list of Python. So each value that a template assigns
is weighed before it can be used again, and the engine makes a repeated list before it is joined.
"""

import re
from collections.abc import Iterator, Mapping
from itertools import pairwise

from batcher.core.template.allowance import MAX_BYTES, TooLongError, count_made, size_of
from batcher.core.template.tags import Tag

WEIGH = "_weigh"
"""The function that a weighed template calls."""

KEPT_BYTES = MAX_BYTES
"""The most that one assigned value may take, with all its parts."""

_BYTES_OF_A_VALUE = 64
_BYTES_OF_A_LOOK = 8
_GROWING = frozenset("+*[{|(")
_JOIN = re.compile(r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|\|\s*join\b""", re.DOTALL)


def weighed(source: str, tags: tuple[Tag, ...]) -> str:
    """Return a template that makes the same text, and weighs each value that it assigns."""
    pieces, position = [], 0
    for tag in tags:
        pieces += [source[position : tag.start], _with_lists(source[tag.start : tag.end], tag)]
        position = tag.end
        is_trimming = source[: tag.end].endswith("-%}")
        pieces += (_call(name, is_trimming=is_trimming) for name in _assigned(tag))
    return "".join([*pieces, source[position:]])


def weigh(value: object) -> bool:
    """Count the bytes of a value and of all its parts; raise ``TooLongError`` when it is too much.

    Looking at many values again and again takes time, so that is limited, too. Return whether the
    value is a list.
    """
    left, waiting = KEPT_BYTES, [value]
    while waiting:
        part = waiting.pop()
        left -= _BYTES_OF_A_VALUE + (size_of(part) if isinstance(part, str) else 0)
        if left < 0:
            raise TooLongError
        count_made(_BYTES_OF_A_LOOK)
        if isinstance(part, Mapping):
            waiting += part.values()
        elif isinstance(part, list | tuple):
            waiting += part
    return isinstance(value, list)


def _call(name: str, *, is_trimming: bool) -> str:
    """Weigh a value; let the engine make a list of what may be the sum of many lists.

    The engine adds lists without making the sum: an empty list that is doubled 40 times is empty,
    and looking at it would take 2 to the power of 40 steps.
    """
    start, end = ("{%- ", " -%}") if is_trimming else ("{% ", " %}")
    tags = (f"if {WEIGH}({name})", f"set {name} = {name} | list", "endif")
    return "".join(f"{start}{tag}{end}" for tag in tags)


def _assigned(tag: Tag) -> Iterator[str]:
    """Yield the names to which a tag gives a value that may have grown."""
    if tag.is_output or _GROWING.isdisjoint(tag.tokens[1:]):
        return
    if tag.keyword == "set" and "=" in tag.tokens:
        targets = "".join(tag.tokens[1 : tag.tokens.index("=")])
        yield from targets.strip("()").split(",")
    elif tag.keyword in ("with", "macro"):
        depth = 0
        wanted = 0 if tag.keyword == "with" else 1
        for before, token in pairwise(tag.tokens):
            depth += (before in "([{") - (before in ")]}")
            is_first = before in (",", "with", "(")
            if depth == wanted and is_first and token.isidentifier():
                yield token


def _with_lists(text: str, tag: Tag) -> str:
    """Let the engine make each list that may be repeated before it is joined: it counts items."""
    if "*" not in tag.tokens or "join" not in tag.filters:
        return text
    return _JOIN.sub(lambda found: found["text"] or "| list | join", text)
