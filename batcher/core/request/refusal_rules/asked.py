"""What is about to be asked of the API, and what it is known to refuse of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from batcher.core.request.models import ModelFacts


@dataclass(frozen=True, slots=True)
class Refusal:
    """One thing that the API refuses (error), or that deserves a second look (warning).

    ``key`` is the path of the parameter, its parts joined by dots, list items by their index:
    ``output_config.format.schema``, ``tools.0.name``. The message names parameters and their
    settings, never the text of a prompt.
    """

    severity: Literal["error", "warning"]
    key: str
    message: str
    hint: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and its circumstances; ``body`` may still lack what a row brings."""

    body: Mapping[str, Any]
    model: ModelFacts | None
    version: str
    today: date
    betas: frozenset[str]
    is_batch: bool

    def part(self, key: str) -> Mapping[str, Any]:
        """Give a nested object of the body, an empty one when it is absent or something else."""
        value = self.body.get(key)
        return value if isinstance(value, Mapping) else {}

    def items(self, key: str) -> list[Any]:
        """Give a list of the body, an empty one when it is absent or something else."""
        value = self.body.get(key)
        return list(value) if isinstance(value, list | tuple) else []

    @property
    def effort(self) -> object:
        """The effort that applies, the model's default when none is asked for."""
        default = None if self.model is None else self.model.effort_default
        return self.part("output_config").get("effort") or default


def error(key: str, message: str, hint: str | None = None) -> Refusal:
    """Name a refusal that is certain."""
    return Refusal("error", key, message, hint)


def warning(key: str, message: str, hint: str | None = None) -> Refusal:
    """Name a doubt."""
    return Refusal("warning", key, message, hint)


def is_whole(value: object) -> bool:
    """Tell a whole number from everything else, booleans included."""
    return isinstance(value, int) and not isinstance(value, bool)


def content_blocks(asked: Asked) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Give the role, the path and each content block of the messages, nested ones after theirs."""
    for number, message in enumerate(asked.items("messages")):
        if isinstance(message, Mapping):
            role = str(message.get("role"))
            for path, block in nested_blocks(f"messages.{number}.content", message.get("content")):
                yield role, path, block


def nested_blocks(path: str, content: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Give each block of a content list with its path, in the order the model reads them."""
    pending: list[tuple[str, object]] = [(path, content)]
    while pending:
        here, value = pending.pop()
        if isinstance(value, Mapping):
            yield here, value
            pending.append((f"{here}.content", value.get("content")))
        elif isinstance(value, list | tuple):
            pending.extend(
                (f"{here}.{index}", value[index]) for index in reversed(range(len(value)))
            )
