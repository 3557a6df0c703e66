"""Finds the tags of a template and what they do, before anything is rendered.

The engine's parser checks the syntax. This second, simpler parser finds what the engine does not
report: which filters are used, and which columns are compared or used in calculations.
"""

import itertools
import re
from dataclasses import dataclass

from batcher.core.nearest import nearest
from batcher.core.template.filters import FILTERS, NOT_CALCULATING

STATEMENTS = frozenset(
    (
        *("if", "elif", "else", "endif", "for", "endfor", "break", "continue", "set", "endset"),
        *("with", "endwith", "macro", "endmacro", "call", "endcall", "do"),
        *("filter", "endfilter", "raw", "endraw"),
    )
)
FUNCTIONS = frozenset({"range", "namespace"})
"""The functions that a template may call."""

RESERVED = FUNCTIONS | {"self"}
"""Names with a meaning in the engine; a column with such a name needs ``row``."""

_BINDING = frozenset({"for", "set", "with", "macro", "call"})
_NOT_COMPARING_TESTS = frozenset(
    (
        *("defined", "undefined", "none", "string", "mapping", "sequence", "iterable"),
        *("boolean", "true", "false"),
    )
)
_OPERATORS = frozenset(("<", ">", "<=", ">=", "==", "!=", "+", "-", "*", "/", "//", "%", "**"))

_OPENING = re.compile(r"\{\{|\{%|\{#")
_ENDRAW = re.compile(r"\{%[-+]?\s*endraw\s*[-+]?%\}")
_PLAIN_TEXT = re.compile(r"""(["'])[^"'\\]*\1""")
_TOKEN = re.compile(
    r"""
    (?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')
    |(?P<close>[-+]?(?:%\}|\}\}))
    |(?P<word>[^\W\d]\w*)
    |(?P<number>\d[\w.]*)
    |(?P<sign>[<>=!]=|\*\*|//|\S)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Tag:
    """One ``{{ output }}`` or ``{% statement %}``; offsets count characters from 0."""

    is_output: bool
    start: int
    end: int
    tokens: tuple[str, ...]

    @property
    def keyword(self) -> str:
        """The first word; in a statement, its kind."""
        return self.tokens[0] if self.tokens else ""

    @property
    def words(self) -> frozenset[str]:
        """All identifiers: columns, but also filters, keywords and attributes."""
        return frozenset(token for token in self.tokens if token.isidentifier())

    @property
    def filters(self) -> tuple[str, ...]:
        """The names that follow a ``|``."""
        return tuple(name for bar, name in itertools.pairwise(self.tokens) if bar == "|")

    @property
    def is_calculating(self) -> bool:
        """Whether a value may be compared, calculated with or sorted; True when in doubt."""
        tokens = list(self.tokens)
        if self.keyword == "for" and "in" in tokens:
            tokens.remove("in")
        if not _OPERATORS.isdisjoint(tokens) or "in" in tokens:
            return True
        return not NOT_CALCULATING.issuperset(self.filters) or any(
            test not in _NOT_COMPARING_TESTS for test in _tests(tokens)
        )


@dataclass(frozen=True, slots=True)
class Misuse:
    """Something that a template may not do, where it does it, and what to do instead."""

    message: str
    start: int
    end: int
    hint: str | None = None


def find_tags(source: str) -> tuple[Tag, ...]:
    """Return all outputs and statements of a template, in order; the engine must accept it."""
    tags: list[Tag] = []
    position = 0
    while opening := _OPENING.search(source, position):
        if opening.group() == "{#":
            position = _after(source, "#}", opening.end())
            continue
        tag = _read_tag(source, opening.start(), is_output=opening.group() == "{{")
        tags.append(tag)
        position = tag.end
        if not tag.is_output and tag.keyword == "raw":
            end = _ENDRAW.search(source, position)
            position = end.end() if end else len(source)
    return tuple(tags)


def find_misuse(tags: tuple[Tag, ...]) -> Misuse | None:
    """Return the first use of something that a template may not use; None without any."""
    for tag in tags:
        misuse = _misuse(tag)
        if misuse:
            message, hint = misuse
            return Misuse(message, tag.start, tag.end, hint)
    return None


def calculated_names(tags: tuple[Tag, ...]) -> frozenset[str] | None:
    """Return the names that are compared or calculated with; None when it may be any of them.

    Names that a template defines itself (``for``, ``set``) are not followed: with them, a single
    calculation may use any column.
    """
    calculating = [tag for tag in tags if tag.is_calculating]
    if calculating and any(not tag.is_output and tag.keyword in _BINDING for tag in tags):
        return None
    return frozenset[str]().union(*(tag.words for tag in calculating))


def columns_of_row(tags: tuple[Tag, ...]) -> frozenset[str] | None:
    """Return the columns that are used as ``row["name"]``; None when ``row`` is used otherwise."""
    names = set[str]()
    for tag in tags:
        tokens = ("", *tag.tokens, "", "", "")
        for before, name, *after in zip(*(tokens[start:] for start in range(5)), strict=False):
            if name != "row" or before == ".":
                continue
            opening, column, closing = after
            if opening == "." and column.isidentifier():
                names.add(column)
            elif opening == "[" and closing == "]" and _PLAIN_TEXT.fullmatch(column):
                names.add(column[1:-1])
            else:
                return None
    return frozenset(names)


def multiplied(tag: Tag) -> frozenset[str]:
    """Return the words of what a tag multiplies; ``[`` stands for a list that it writes itself.

    What a filter has made is left out: the engine limits texts, and other filters make numbers.
    """
    found: set[str] = set()
    for place, sign in enumerate(tag.tokens):
        if sign == "*":
            found.update(_operand(tag.tokens[place - 1 :: -1], ")]", "(["))
            found.update(_operand(tag.tokens[place + 1 :], "([", ")]"))
    return frozenset(found)


def _operand(tokens: tuple[str, ...], opening: str, closing: str) -> frozenset[str]:
    """Return the words of the operand that begins a sequence of tokens, read away from the sign."""
    depths = itertools.accumulate((word in opening) - (word in closing) for word in tokens)
    end = next((place for place, depth in enumerate(depths, 1) if depth <= 0), len(tokens))
    group, after = tokens[:end], tokens[end : end + 1]
    is_item = group[:1] == ("]",) and bool(after) and after[0][-1:].isalnum()
    if is_item or "|" in (*group, *after):
        return frozenset()
    return frozenset(word for word in group if word == "[" or word.isidentifier())


def _read_tag(source: str, start: int, *, is_output: bool) -> Tag:
    closing = "}}" if is_output else "%}"
    tokens: list[str] = []
    depth = 0
    position = start + 2 + (source[start + 2 : start + 3] in {"-", "+"})
    while match := _TOKEN.search(source, position):
        word = match.group()
        position = match.end()
        if match.lastgroup == "close":
            if word.endswith(closing) and depth == 0:
                break
            # Two braces of nested dicts, or an operator before a brace: read one character only.
            word = word[0]
            position = match.start() + 1
        depth += (word == "{") - (word == "}")
        tokens.append(word)
    return Tag(is_output, start, position, tuple(tokens))


def _misuse(tag: Tag) -> tuple[str, str | None] | None:
    if not tag.is_output and tag.keyword not in STATEMENTS:
        message = f"{{% {tag.keyword} %}} is not available"
        return message, "put everything into one template"
    if "~" in tag.tokens:
        message = "the operator ~ is not available, because it writes null as None"
        return message, "write {{ a }}{{ b }}, or [a, b] | join"
    for before, name, after in zip(
        ("", *tag.tokens), tag.tokens, (*tag.tokens[1:], ""), strict=False
    ):
        if name in RESERVED and before != "." and (after != "(" or name not in FUNCTIONS):
            return f"`{name}` is not a column here", f'write row["{name}"] for the column'
    for name in tag.filters:
        if name not in FILTERS:
            return f"there is no filter `{name}`", nearest(name, FILTERS)
    return None


def _tests(tokens: list[str]) -> list[str]:
    names = [word for word in tokens if word != "not"]
    return [name for word, name in itertools.pairwise(names) if word == "is"]


def _after(source: str, mark: str, start: int) -> int:
    position = source.find(mark, start)
    return len(source) if position < 0 else position + len(mark)
