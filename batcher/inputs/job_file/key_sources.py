"""Finds where each key of a job was set: in a line of the file, by --set, or by default."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from batcher.core.job import Job
from batcher.core.job.mistake import Key, Mistake, dotted
from batcher.core.job.reading import given_keys
from batcher.errors import Problem
from batcher.inputs.job_file.overrides import OVERRIDE
from batcher.inputs.job_file.toml_lines import line_of


@dataclass(frozen=True, slots=True)
class KeySources:
    """The lines of a job file's keys; the keys that ``--set`` gave, and those batcher filled in."""

    path: Path
    lines: Mapping[Key, int]
    overridden: frozenset[Key]
    filled: frozenset[Key] = frozenset()

    def with_filled(self, key: Key) -> "KeySources":
        """Return the sources with a key whose value batcher filled in."""
        return replace(self, filled=self.filled | {key})

    def problem(self, mistake: Mistake) -> Problem:
        """Return a mistake with its file and line, or with ``--set``."""
        if self._is_overridden(mistake.key):
            return Problem(mistake.message, OVERRIDE, hint=mistake.hint)
        line = line_of(mistake.key, self.lines)
        return Problem(mistake.message, str(self.path), line, mistake.hint)

    def values(self, job: Job) -> dict[str, str]:
        """Return the source of each key's value: ``default``, ``job.toml:12`` or ``--set``."""
        return {
            dotted(key): self._source(key, is_given=is_given)
            for key, is_given in given_keys(job).items()
        }

    def _source(self, key: Key, *, is_given: bool) -> str:
        if self._is_overridden(key):
            return OVERRIDE
        line = line_of(key, self.lines)
        if not is_given or key in self.filled or line is None:
            return "default"
        return f"{self.path.name}:{line}"

    def _is_overridden(self, key: Key) -> bool:
        return any(given == key[: len(given)] for given in self.overridden)


def sorted_problems(problems: Iterable[Problem]) -> list[Problem]:
    """Sort problems by line, those of ``--set`` last; drop duplicates."""
    return sorted(
        dict.fromkeys(problems), key=lambda problem: (problem.file == OVERRIDE, problem.line or 0)
    )
