"""A request that is checked against the rules, and what the rules find."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from batcher.core.request.models import ModelFacts


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something that the API refuses (error), or that deserves a second look (warning).

    ``key`` is the path of the parameter with dots and list indexes, such as
    ``output_config.format.schema`` or ``tools.0.name``. The message names parameters and their
    settings, and never quotes a prompt.
    """

    severity: Literal["error", "warning"]
    key: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request and how it is sent; ``body`` may lack the fields that come from a row."""

    body: Mapping[str, Any]
    model: ModelFacts | None
    version: str
    today: date
    betas: frozenset[str]
    is_batch: bool

    def part(self, key: str) -> Mapping[str, Any]:
        """Return a nested object of the body; an empty one when it is absent or not an object."""
        value = self.body.get(key)
        return value if isinstance(value, Mapping) else {}

    def items(self, key: str) -> list[Any]:
        """Return a list of the body; an empty one when it is absent or not a list."""
        value = self.body.get(key)
        return list(value) if isinstance(value, list | tuple) else []

    @property
    def effort(self) -> object:
        """The effort of the request, or else the default of the model."""
        default = None if self.model is None else self.model.effort_default
        return self.part("output_config").get("effort") or default


def error(key: str, message: str, hint: str | None = None) -> Refusal:
    """Return a certain refusal."""
    return Refusal("error", key, message, hint)


def warning(key: str, message: str, hint: str | None = None) -> Refusal:
    """Return a possible problem."""
    return Refusal("warning", key, message, hint)


def is_whole(value: object) -> bool:
    """Return whether a value is a whole number; booleans are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def content_blocks(request: CheckedRequest) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield role, path and block for each content block, nested blocks after their parents."""
    for number, message in enumerate(request.items("messages")):
        if isinstance(message, Mapping):
            role = str(message.get("role"))
            for path, block in nested_blocks(f"messages.{number}.content", message.get("content")):
                yield role, path, block


def nested_blocks(path: str, content: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each block of a content list with its path, in the order in which the model reads."""
    pending: list[tuple[str, object]] = [(path, content)]
    while pending:
        path, value = pending.pop()
        if isinstance(value, Mapping):
            yield path, value
            pending.append((f"{path}.content", value.get("content")))
        elif isinstance(value, list | tuple):
            pending.extend(
                (f"{path}.{index}", value[index]) for index in reversed(range(len(value)))
            )
