"""Templates over the columns of a row: prompts, system prompts and expressions.

The language is minijinja's (nearly Jinja2's). It is reduced so that a prompt depends only on its
row, and the values of a row are only text, never code: no includes, no escaping, no useful Python
methods of values, no filter that guesses. A missing column is an error, and so is null.

Columns are variables. The variable ``row`` has every column by its full name, for names that are
not identifiers or are reserved (``row``, ``self``, ``range``): ``{{ row["my col"] }}``.
``values.py`` says how values are written.

In an expression, text never equals a number and null sorts before everything, as in the engine:
``score > 5`` is not useful for a column of text.
"""

from collections.abc import Callable, Mapping

import minijinja

from batcher.core.template.allowance import (
    MAX_BYTES,
    TooLongError,
    begin_rendering,
    count_output,
    size_of,
)
from batcher.core.template.errors import (
    Source,
    explain,
    explain_unusable,
    find_unusable_column,
)
from batcher.core.template.filters import OWN_FILTERS, REMOVED_FILTERS
from batcher.core.template.growth import WEIGH, weigh, weighed
from batcher.core.template.joined import Joined
from batcher.core.template.tags import (
    FUNCTIONS,
    calculated_names,
    columns_of_row,
    find_misuse,
    find_tags,
    multiplied,
)
from batcher.core.template.values import Numbers, RowView, UnusableValueError, for_engine, text_of
from batcher.errors import TemplateError

FUEL = 1_000_000
"""The engine steps of one rendering: enough for a loop over some 100,000 items."""

_TOO_LONG = f"the text, or what its filters make, is longer than {MAX_BYTES // 2**20} MB"
_REMOVED_GLOBALS = ("cycler", "debug", "dict", "joiner")
_KEY = "template"
_WEIGHED = "weighed"


class Template:
    """A template that is compiled once and rendered for every row.

    Raises ``TemplateError`` when it is not valid. Errors show ``name``: a file or a key.
    """

    def __init__(self, source: str, name: str) -> None:
        self._program = _Program(Source(source, name))

    @property
    def uses_row(self) -> bool:
        """Whether ``row`` is used, so that every column may be needed, not only ``names()``."""
        return self._program.uses_row

    def names(self) -> frozenset[str]:
        """Return the columns that are used by name."""
        return self._program.names

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that are used by name or as ``row["name"]``; None when any may be."""
        return self._program.columns

    def render(self, values: Mapping[str, object]) -> str:
        """Return the text for one row; equal values always give the same text.

        Raises ``TemplateError`` when the row lacks a column or has a value that cannot be written.
        """
        return self._program.run(values)

    @property
    def joined(self) -> Callable[[Mapping[str, object]], str | None]:
        """A function that returns the same text without the engine, or None if it cannot."""
        return self._program.joined


class Expression:
    """A condition on a row, such as ``section == 'games' and score > 0.5``.

    Raises ``TemplateError`` when it is not valid. Numbers are compared as doubles.
    """

    def __init__(self, source: str, name: str = "expression") -> None:
        opening = "{% if "
        self._program = _Program(
            Source(source, name, before=opening, after=" %}true{% endif %}"), Numbers.ROUNDED
        )
        tags = self._program.tags
        if len(tags) != 2 or tags[0].end != len(opening) + len(source) + len(" %}"):
            raise TemplateError(f"{name}: this is not a single expression")

    @property
    def uses_row(self) -> bool:
        """Whether ``row`` is used, so that every column may be needed, not only ``names()``."""
        return self._program.uses_row

    def names(self) -> frozenset[str]:
        """Return the columns that are used by name."""
        return self._program.names

    @property
    def columns(self) -> frozenset[str] | None:
        """The columns that are used by name or as ``row["name"]``; None when any may be."""
        return self._program.columns

    def is_true(self, values: Mapping[str, object]) -> bool:
        """Return whether it is true for one row; raises ``TemplateError`` as a template does."""
        return self._program.run(values) == "true"


class _Program:
    """A source that is compiled in its own environment."""

    def __init__(self, source: Source, numbers: Numbers = Numbers.NATIVE) -> None:
        self._source = source
        self._environment = _environment()
        try:
            self._environment.add_template(_KEY, source.compiled)
        except minijinja.TemplateError as error:
            raise explain(error, source, frozenset(), ()) from None
        self.tags = find_tags(source.compiled)
        if misuse := find_misuse(self.tags):
            raise source.error(misuse.message, misuse.start, misuse.end, misuse.hint)
        variables = self._environment.undeclared_variables_in_template(_KEY)
        self.uses_row = "row" in variables
        self.names = frozenset(variables) - FUNCTIONS - {"row"}
        self._row_numbers = self._numbers("row", numbers)
        # The source itself is rendered only to explain an error: its offsets are those of the user.
        self._weighed = weighed(source.compiled, self.tags)
        if self._weighed != source.compiled:
            self._environment.add_template(_WEIGHED, self._weighed)
        self._multiplied = [words for tag in self.tags if (words := multiplied(tag))]
        self._columns = tuple((name, self._numbers(name, numbers)) for name in sorted(self.names))
        joined = Joined.of(source.compiled, self.tags, self.names, self._rendered)
        self.joined = _never_joined if joined is None else joined.render

    @property
    def columns(self) -> frozenset[str] | None:
        of_row = columns_of_row(self.tags) if self.uses_row else frozenset[str]()
        return None if of_row is None else self.names | of_row

    def run(self, values: Mapping[str, object]) -> str:
        if (text := self.joined(values)) is not None:
            return text
        context = self._context(values)
        self._check_repeats(values)
        try:
            text = self._rendered(context)
        except minijinja.TemplateError as error:
            raise explain(error, self._source, self.names, values) from None
        except UnusableValueError as error:
            column = find_unusable_column(self.tags, context)
            raise explain_unusable(error, self._source, self.tags, column) from None
        except TooLongError:
            raise self._source.error(_TOO_LONG) from None
        except Exception as error:  # noqa: BLE001 - its text may contain a value of the row
            raise self._source.error(f"it cannot be rendered ({type(error).__name__})") from None
        if size_of(text) > MAX_BYTES:
            raise self._source.error(_TOO_LONG)
        return text

    def _rendered(self, context: Mapping[str, object]) -> str:
        begin_rendering()
        if self._weighed != self._source.compiled:
            try:
                return self._environment.render_template(_WEIGHED, **context)
            except minijinja.TemplateError as error:
                if error.kind == "OutOfFuel":
                    raise
            begin_rendering()
        return self._environment.render_template(_KEY, **context)

    def _context(self, values: Mapping[str, object]) -> dict[str, object]:
        context: dict[str, object] = {}
        for name, numbers in self._columns:
            if name in values:
                try:
                    context[name] = for_engine(values[name], numbers)
                except UnusableValueError as error:
                    raise explain_unusable(error, self._source, self.tags, name) from None
        if self.uses_row:
            context["row"] = RowView(values, self._row_numbers)
        return context

    def _check_repeats(self, values: Mapping[str, object]) -> None:
        """Refuse a list times a number that is too long; the engine makes such a list uncounted."""
        for words in self._multiplied:
            used = [values.get(word) for word in words]
            lists = [len(value) for value in used if isinstance(value, list)] + [1] * ("[" in words)
            times = [abs(value) for value in used if isinstance(value, int)]
            if max(lists, default=0) * max(times, default=1) > FUEL:
                raise self._source.error("a list is repeated too often")

    def _numbers(self, name: str, when_calculated: Numbers) -> Numbers:
        calculated = calculated_names(self.tags)
        return when_calculated if calculated is None or name in calculated else Numbers.EXACT_TEXT


def _never_joined(_values: Mapping[str, object]) -> str | None:
    return None


def _environment() -> minijinja.Environment:
    environment = minijinja.Environment(
        # With debug on, the engine's errors contain the row.
        debug=False,
        fuel=FUEL,
        undefined_behavior="strict",
        auto_escape_callback=lambda _: False,
        keep_trailing_newline=True,
        finalizer=_finalize,
        pycompat=False,
    )
    for name in _REMOVED_GLOBALS:
        environment.remove_global(name)
    for name in REMOVED_FILTERS:
        environment.remove_filter(name)
    environment.add_global(WEIGH, weigh)
    for name, function in OWN_FILTERS.items():
        environment.add_filter(name, function)
    return environment


def _finalize(value: object) -> str:
    text = text_of(value)
    count_output(text)
    return text
