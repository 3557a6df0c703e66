"""Says where a template went wrong, in its own words and never in the row's.

The engine's error text is not used, because it can hold values; what it marks in the source is.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import minijinja

from batcher.core.nearest import nearest
from batcher.core.template.tags import Tag
from batcher.core.template.values import Refusal, text_of
from batcher.errors import TemplateError

_WIDTH = 76
_ROW_KEY = re.compile(r"""row(?:\.(\w+)|\[\s*(?:"([^"]*)"|'([^']*)')\s*\])$""")

# What the engine says beside a kind, where it names types and never values.
_SAFE_DETAIL = re.compile(
    r"tried to use \S+ operator on unsupported types [a-z ]+"
    r"|(?:value of type )?[a-z ]{1,20} is not (?:iterable|callable)"
    r"|cannot calculate length of value of type [a-z ]+"
)


@dataclass(frozen=True, slots=True)
class Source:
    """A template's text, its name, and what is put around it to compile an expression."""

    text: str
    name: str
    before: str = ""
    after: str = ""

    @property
    def compiled(self) -> str:
        """What the engine reads; positions count its characters."""
        return self.before + self.text + self.after

    def error(
        self, what: str, start: int | None = None, end: int | None = None, hint: str | None = None
    ) -> TemplateError:
        """Make an error that shows the place between two positions, if they are known."""
        if start is None or end is None:
            return TemplateError(f"{self.name}: {what}", hint=hint)
        start = min(max(0, start - len(self.before)), len(self.text))
        end = min(max(start, end - len(self.before)), len(self.text))
        line = self.text.count("\n", 0, start) + 1
        return TemplateError(
            f"{self.name}, line {line}: {what}\n{_picture(self.text, start, end)}", hint=hint
        )

    def characters(self, range_: tuple[int, int]) -> tuple[int, int]:
        """Turn the engine's positions in UTF-8 into positions in characters."""
        text = self.compiled.encode()
        start, end = (len(text[:offset].decode(errors="ignore")) for offset in range_)
        return start, end


def explain(
    error: minijinja.TemplateError,
    source: Source,
    names: frozenset[str],
    columns: Collection[str],
) -> TemplateError:
    """Tell what the engine found wrong, with the columns there are."""
    if error.kind == "OutOfFuel":
        return source.error("it takes too many steps; a loop in it is too long")
    if error.range is None:
        return source.error(_KINDS.get(error.kind, "it cannot be rendered"))
    start, end = source.characters(error.range)
    what, hint = _describe(error, source.compiled[start:end], names, columns)
    return source.error(what, start, end, hint)


def explain_refusal(
    refusal: Refusal, source: Source, tags: Iterable[Tag], column: str | None
) -> TemplateError:
    """Tell which value cannot be written: its column, if that is known."""
    if column is None:
        return source.error(f"a value is {refusal.reason}", hint=refusal.hint)
    tag = _first_use(tags, column)
    what = f"column `{column}` is {refusal.reason}"
    if tag is None:
        return source.error(what, hint=refusal.hint)
    return source.error(what, tag.start, tag.end, refusal.hint)


def find_culprit(tags: Iterable[Tag], context: Mapping[str, object]) -> str | None:
    """Find the column that most likely was refused while it was being written.

    The engine does not say. A column written on its own is surely it; one written through a filter
    may have been given a default.
    """
    outputs = sorted((tag for tag in tags if tag.is_output), key=lambda tag: len(tag.tokens))
    first = [tag.keyword for tag in outputs]
    words = [word for tag in outputs for word in tag.tokens]
    refused = (name for name in (*first, *words) if name in context and _is_refused(context[name]))
    return next(refused, None)


def _is_refused(value: object) -> bool:
    try:
        text_of(value)
    except Refusal:
        return True
    return False


def _first_use(tags: Iterable[Tag], column: str) -> Tag | None:
    using = [tag for tag in tags if column in tag.words]
    return min(using, key=lambda tag: (not tag.is_output, len(tag.tokens)), default=None)


def _describe(
    error: minijinja.TemplateError, marked: str, names: frozenset[str], columns: Collection[str]
) -> tuple[str, str | None]:
    if error.kind == "SyntaxError":
        return error.detail or "this cannot be read", None
    if error.kind == "UndefinedError":
        return _undefined(marked, names, columns)
    if error.kind in _KINDS:
        return f"{_KINDS[error.kind]}: `{marked}`", None
    detail = error.detail or ""
    if _SAFE_DETAIL.fullmatch(detail):
        return f"{detail}: `{marked}`", None
    return f"this cannot be worked out with what the row holds: `{marked}`", None


def _undefined(
    marked: str, names: frozenset[str], columns: Collection[str]
) -> tuple[str, str | None]:
    in_row = _ROW_KEY.match(marked)
    if in_row:
        missing = [next(filter(None, in_row.groups()), "")]
    else:
        words = re.findall(r"[^\W\d]\w*", marked)
        missing = [word for word in words if word in names and word not in columns]
    for name in missing:
        return f"there is no column `{name}`", nearest(name, columns, list_first=8)
    return f"there is no `{marked}` in this row", None


def _picture(text: str, start: int, end: int) -> str:
    """Draw the source line and carets below it, cut to a readable width."""
    first = text.rfind("\n", 0, start) + 1
    last = text.find("\n", start)
    line = text[first : last if last >= 0 else len(text)]
    start, end = start - first, min(end - first, len(line))
    cut = max(0, start - _WIDTH // 2)
    shown = line[cut : cut + _WIDTH].replace("\t", " ")
    carets = "^" * max(1, min(end, cut + _WIDTH) - start)
    return f"    {shown.rstrip()}\n    {' ' * (start - cut)}{carets}"


_KINDS = {
    "UnknownFilter": "there is no such filter",
    "UnknownTest": "there is no such test",
    "UnknownFunction": "there is no such function",
    "UnknownMethod": "values have no methods here; use a filter",
    "UndefinedError": "something is not there",
    "TemplateNotFound": "other templates are not available",
}
