"""Finds the line of each key in a TOML file; the standard library's reader has no lines."""

import re
from collections.abc import Iterator, Mapping

Key = tuple[str, ...]

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_PART = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:\\.|[^"\\\n])*)"|'([^'\n]*)')[ \t]*""")
_HEADER = re.compile(r"\[\[?")
_VALUE_PIECE = re.compile(
    r'''
    (?P<text>"""(?:\\.|[^\\])*?"{3,5}|\'\'\'.*?\'{3,5}|"(?:\\.|[^"\\\n])*"|'[^'\n]*')
    |(?P<comment>\#[^\n]*)
    |(?P<open>[\[{])
    |(?P<close>[\]}])
    |(?P<end>\n)
    |(?P<other>[^\n"'\#\[\]{}]+|.)
    ''',
    re.VERBOSE | re.DOTALL,
)
_REST_OF_LINE = re.compile(r"[^\n]*")


def key_lines(text: str) -> Mapping[Key, int]:
    """Return the 1-based line where each section header and key appears first.

    Keys inside an inline table have the line of the table's key. Any text is accepted; in text
    that is not TOML, everything that looks like a key is found.
    """
    lines: dict[Key, int] = {}
    line, counted = 1, 0
    for key, position in _keys(text):
        line += text.count("\n", counted, position)
        counted = position
        for length in range(1, len(key) + 1):
            lines.setdefault(key[:length], line)
    return lines


def line_of(key: Key, lines: Mapping[Key, int]) -> int | None:
    """Return the line of a key, or else of the nearest table around it; None without any."""
    return next((lines[key[:n]] for n in range(len(key), 0, -1) if key[:n] in lines), None)


def _keys(text: str) -> Iterator[tuple[Key, int]]:
    section: Key = ()
    position = 0
    while position < len(text):
        position = _end(_SPACE, text, position)
        header = _HEADER.match(text, position)
        key, end = _read_key(text, header.end() if header else position)
        if header:
            section = key
        if key:
            yield (section if header else (*section, *key)), position
        if header or text[end : end + 1] != "=":
            position = _end(_REST_OF_LINE, text, end)
        else:
            position = _after_value(text, end + 1)


def _read_key(text: str, position: int) -> tuple[Key, int]:
    parts: list[str] = []
    while part := _PART.match(text, position):
        parts.append(next(group for group in part.groups() if group is not None))
        position = part.end()
        if text[position : position + 1] != ".":
            break
        position += 1
    return tuple(parts), position


def _after_value(text: str, position: int) -> int:
    depth = 0
    while piece := _VALUE_PIECE.match(text, position):
        position = piece.end()
        if piece.lastgroup == "open":
            depth += 1
        elif piece.lastgroup == "close":
            depth -= 1
        elif piece.lastgroup == "end" and depth <= 0:
            break
    return position


def _end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return match.end() if match else position
