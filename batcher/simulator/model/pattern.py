"""Text that matches a simple regular expression.

Supports what structured output allows in ``pattern``: literals, dots, classes, groups,
alternatives, quantifiers, anchors and the escapes for digits, letters and spaces. Lookaround and
back-references are not supported. A quantifier without an upper end repeats at most three times
more than its minimum.
"""

import re
import string

from batcher.simulator.model.seeded_random import SeededRandom

DIGITS = string.digits
LETTERS = string.ascii_letters + string.digits + "_"
ANY = string.ascii_lowercase + string.digits
PRINTABLE = "".join(map(chr, range(32, 127)))
ESCAPES = {"d": DIGITS, "w": LETTERS, "s": " ", "t": "\t", "n": "\n", "r": "\r"}
NEGATED = {"D": DIGITS, "W": LETTERS, "S": string.whitespace}
_COUNT = re.compile(r"\{(\d*)(,?)(\d*)\}")


def text_matching(pattern: str, rng: SeededRandom) -> str:
    """Return a random text that matches; raise ValueError for an unsupported construct."""
    reader = _Reader(pattern, rng)
    text = reader.alternatives()
    if reader.position != len(pattern):
        raise ValueError("the pattern has an unbalanced parenthesis")
    return text


class _Reader:
    """A recursive descent parser: each method reads a part of the pattern and returns its text."""

    def __init__(self, pattern: str, rng: SeededRandom) -> None:
        self._pattern = pattern
        self._rng = rng
        self.position = 0

    def _next(self) -> str:
        return self._pattern[self.position : self.position + 1]

    def _take(self) -> str:
        char = self._next()
        if not char:
            raise ValueError("the pattern ends too early")
        self.position += 1
        return char

    def alternatives(self) -> str:
        options = [self._sequence()]
        while self._next() == "|":
            self._take()
            options.append(self._sequence())
        return self._rng.pick(options)

    def _sequence(self) -> str:
        text = ""
        while self._next() not in ("", "|", ")"):
            text += self._repeated()
        return text

    def _repeated(self) -> str:
        start = self.position
        text = self._atom()
        end = self.position
        low, high = self._quantifier()
        if (low, high) == (1, 1):
            return text
        after = self.position
        text = ""
        for _ in range(self._rng.between(low, high)):
            self.position = start
            text += self._atom()
        self.position = max(after, end)
        return text

    def _quantifier(self) -> tuple[int, int]:
        bounds = {"?": (0, 1), "*": (0, 3), "+": (1, 4)}.get(self._next())
        if bounds is not None:
            self._take()
        else:
            count = _COUNT.match(self._pattern, self.position)
            if count is None:
                return 1, 1
            self.position = count.end()
            low = int(count[1] or 0)
            bounds = low, int(count[3]) if count[3] else low + 3 * bool(count[2])
        if self._next() == "?":
            self._take()
        return bounds

    def _atom(self) -> str:
        char = self._take()
        match char:
            case "(":
                return self._group()
            case "[":
                return self._rng.pick(self._class())
            case ".":
                return self._rng.pick(ANY)
            case "^" | "$":
                return ""
            case "\\":
                return self._rng.pick(self._escape())
            case _:
                return char

    def _group(self) -> str:
        if self._next() == "?":
            self._take()
            if self._take() != ":":
                raise ValueError("the pattern has a lookaround or a named group")
        text = self.alternatives()
        if self._take() != ")":
            raise ValueError("the pattern has an unbalanced parenthesis")
        return text

    def _escape(self) -> str:
        char = self._take()
        if char in NEGATED:
            return "".join(c for c in PRINTABLE if c not in NEGATED[char])
        if char.isalnum() and char not in ESCAPES:
            raise ValueError("the pattern has an escape that is not supported")
        return ESCAPES.get(char, char)

    def _class(self) -> str:
        is_negated = self._next() == "^"
        if is_negated:
            self._take()
        members = ""
        is_first = True
        while is_first or self._next() != "]":
            is_first = False
            char = self._take()
            low = self._escape() if char == "\\" else char
            following = self._pattern[self.position + 1 : self.position + 2]
            if len(low) == 1 and self._next() == "-" and following not in ("", "]"):
                self._take()
                high = self._take()
                members += "".join(map(chr, range(ord(low), ord(high) + 1)))
            else:
                members += low
        self._take()
        if is_negated:
            members = "".join(c for c in PRINTABLE if c not in members)
        if not members:
            raise ValueError("the pattern has an empty class")
        return members
