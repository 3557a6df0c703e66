"""Explains template errors: quotes the template, and never a value of the row.

The engine's error text can contain values, so only the place that it marks is used.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import minijinja

from batcher.core.nearest import nearest
from batcher.core.template.tags import Tag
from batcher.core.template.values import UnusableValueError, text_of
from batcher.errors import TemplateError

_WIDTH = 76
_ROW_KEY = re.compile(r"""row(?:\.(\w+)|\[\s*(?:"([^"]*)"|'([^']*)')\s*\])$""")

# Details of the engine's errors that name types and never values.
_SAFE_DETAIL = re.compile(
    r"tried to use \S+ operator on unsupported types [a-z ]+"
    r"|(?:value of type )?[a-z ]{1,20} is not (?:iterable|callable)"
    r"|cannot calculate length of value of type [a-z ]+"
)


@dataclass(frozen=True, slots=True)
class Source:
    """The text and the name of a template; an expression is compiled between two more texts."""

    text: str
    name: str
    before: str = ""
    after: str = ""

    @property
    def compiled(self) -> str:
        """The text that the engine compiles; positions count its characters."""
        return self.before + self.text + self.after

    def error(
        self,
        problem: str,
        start: int | None = None,
        end: int | None = None,
        hint: str | None = None,
    ) -> TemplateError:
        """Return an error that shows the place between two positions, if they are known."""
        if start is None or end is None:
            return TemplateError(f"{self.name}: {problem}", hint=hint)
        start = min(max(0, start - len(self.before)), len(self.text))
        end = min(max(start, end - len(self.before)), len(self.text))
        line = self.text.count("\n", 0, start) + 1
        return TemplateError(
            f"{self.name}, line {line}: {problem}\n{_picture(self.text, start, end)}", hint=hint
        )

    def characters(self, range_: tuple[int, int]) -> tuple[int, int]:
        """Convert the engine's byte positions in UTF-8 to positions in characters."""
        text = self.compiled.encode()
        start, end = (len(text[:offset].decode(errors="ignore")) for offset in range_)
        return start, end


def explain(
    error: minijinja.TemplateError,
    source: Source,
    names: frozenset[str],
    columns: Collection[str],
) -> TemplateError:
    """Return the error of the engine in our words; ``columns`` are the columns of the row."""
    if error.kind == "OutOfFuel":
        return source.error("it takes too many steps, probably in a long loop")
    if error.range is None:
        return source.error(_KINDS.get(error.kind, "it cannot be rendered"))
    start, end = source.characters(error.range)
    problem, hint = _describe(error, source.compiled[start:end], names, columns)
    return source.error(problem, start, end, hint)


def explain_unusable(
    error: UnusableValueError, source: Source, tags: Iterable[Tag], column: str | None
) -> TemplateError:
    """Return the error for a value that cannot be used, with its column if it is known."""
    if column is None:
        return source.error(f"a value is {error.reason}", hint=error.hint)
    tag = _first_use(tags, column)
    problem = f"column `{column}` is {error.reason}"
    if tag is None:
        return source.error(problem, hint=error.hint)
    return source.error(problem, tag.start, tag.end, error.hint)


def find_unusable_column(tags: Iterable[Tag], context: Mapping[str, object]) -> str | None:
    """Return the column whose value most likely could not be written; None when there is none.

    The engine does not report it. Columns that are written without a filter come first, because a
    filter may have replaced the value by a default.
    """
    outputs = sorted((tag for tag in tags if tag.is_output), key=lambda tag: len(tag.tokens))
    first_words = [tag.keyword for tag in outputs]
    words = (*first_words, *(word for tag in outputs for word in tag.tokens))
    unusable = (name for name in words if name in context and _is_unusable(context[name]))
    return next(unusable, None)


def _is_unusable(value: object) -> bool:
    try:
        text_of(value)
    except UnusableValueError:
        return True
    return False


def _first_use(tags: Iterable[Tag], column: str) -> Tag | None:
    using = [tag for tag in tags if column in tag.words]
    return min(using, key=lambda tag: (not tag.is_output, len(tag.tokens)), default=None)


def _describe(
    error: minijinja.TemplateError, marked: str, names: frozenset[str], columns: Collection[str]
) -> tuple[str, str | None]:
    if error.kind == "SyntaxError":
        return error.detail or "this is not valid", None
    if error.kind == "UndefinedError":
        return _undefined(marked, names, columns)
    if error.kind in _KINDS:
        return f"{_KINDS[error.kind]}: `{marked}`", None
    detail = error.detail or ""
    if _SAFE_DETAIL.fullmatch(detail):
        return f"{detail}: `{marked}`", None
    return f"this cannot be computed with the values of the row: `{marked}`", None


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
    """Return the source line with carets below it, cut to a readable width."""
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
    "UndefinedError": "something is undefined",
    "TemplateNotFound": "a template cannot use other templates",
}
