"""Collects what keeps a job from running, so that one mistake does not hide another."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from batcher.errors import ConfigurationError, Problem, ProblemsError

T = TypeVar("T")


@dataclass(slots=True)
class Findings:
    """The errors of steps that do not depend on each other, in the order of the steps."""

    errors: list[ConfigurationError] = field(default_factory=list)

    def attempt(self, step: Callable[[], T]) -> T | None:
        """Return what a step returns; None when it raises ConfigurationError, which is kept."""
        try:
            return step()
        except ConfigurationError as error:
            self.errors.append(error)
            return None

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything that was found, each problem once."""
        found = [problem for error in self.errors for problem in _problems(error)]
        return tuple(dict.fromkeys(found))

    def stop(self) -> None:
        """Raise what was found, if anything: a single error as it is, several as one."""
        if len(self.errors) == 1:
            raise self.errors[0]
        if self.errors:
            raise ProblemsError(self.problems)


def _problems(error: ConfigurationError) -> tuple[Problem, ...]:
    if isinstance(error, ProblemsError):
        return error.problems
    return (Problem(error.message, hint=error.hint),)
