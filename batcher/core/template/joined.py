"""Renders the simplest templates without the engine: text, and columns as they are.

Most prompts are such. The engine needs several microseconds for a row, because it calls Python for
each value; joining the pieces makes the same text in a tenth of that. What is not plain text or a
small whole number is left to the engine, and so are all errors.
"""

from collections.abc import Callable, Mapping, Sequence

from batcher.core.template.tags import Tag

_MAX_PIECES = 1_000
_MAX_CHARACTERS = 1_000_000
_LARGEST = 2**63
_SAMPLES = ("", "a", " b\n", "\n", "c{{ d }}")


class Joined:
    """A template whose tags only insert columns; ``texts`` has one piece more than ``names``."""

    def __init__(self, texts: Sequence[str], names: Sequence[str]) -> None:
        self.names = tuple(names)
        self._last = texts[-1]
        self._pairs = tuple(zip(texts[:-1], names, strict=True))

    @classmethod
    def of(
        cls,
        source: str,
        tags: Sequence[Tag],
        columns: frozenset[str],
        render: Callable[[dict[str, str]], str],
    ) -> "Joined | None":
        """Return a template that renders as the engine's ``render`` does; None for any other."""
        names = [tag.keyword for tag in tags]
        if len(names) > _MAX_PIECES or "{#" in source:
            return None
        if not all(tag.is_output and len(tag.tokens) == 1 for tag in tags):
            return None
        if not columns.issuperset(names):
            return None
        ends = [0, *(tag.end for tag in tags)]
        starts = [*(tag.start for tag in tags), len(source)]
        joined = cls([source[a:b] for a, b in zip(ends, starts, strict=True)], names)
        # The engine removes white space around {{- and -}}: then the texts differ.
        for sample in _SAMPLES:
            values = {name: f"{sample}{number}" for number, name in enumerate(sorted(columns))}
            if joined.render(values) != render(values):
                return None
        return joined

    def render(self, values: Mapping[str, object]) -> str | None:
        """Return the text for one row; None when the engine must decide."""
        joined = ""
        for text, name in self._pairs:
            value = values.get(name)
            if type(value) is str:
                joined += text + value
            elif type(value) is int and -_LARGEST <= value < _LARGEST:
                joined += text + str(value)
            else:
                return None
        joined += self._last
        if len(joined) > _MAX_CHARACTERS or not (joined.isascii() or _is_unicode(joined)):
            return None
        return joined


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
