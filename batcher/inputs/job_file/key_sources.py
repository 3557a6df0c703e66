"""Where the keys of a job came from: a line of the file, the command line, or a default."""

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
class Places:
    """The lines of a job file's keys, the keys that ``--set`` gave, and those nobody gave."""

    path: Path
    lines: Mapping[Key, int]
    overridden: frozenset[Key]
    implied: frozenset[Key] = frozenset()

    def implying(self, key: Key) -> "Places":
        """Return places that know a key was worked out by us."""
        return replace(self, implied=self.implied | {key})

    def problem(self, mistake: Mistake) -> Problem:
        """Say where a mistake was made."""
        if self._is_overridden(mistake.key):
            return Problem(mistake.message, OVERRIDE, hint=mistake.hint)
        line = line_of(mistake.key, self.lines)
        return Problem(mistake.message, str(self.path), line, mistake.hint)

    def sources(self, job: Job) -> dict[str, str]:
        """Say of every key of a job where its value came from."""
        return {
            dotted(key): self._source(key, is_given=is_given)
            for key, is_given in given_keys(job).items()
        }

    def _source(self, key: Key, *, is_given: bool) -> str:
        if self._is_overridden(key):
            return OVERRIDE
        line = line_of(key, self.lines)
        if not is_given or key in self.implied or line is None:
            return "default"
        return f"{self.path.name}:{line}"

    def _is_overridden(self, key: Key) -> bool:
        return any(given == key[: len(given)] for given in self.overridden)


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Sort by line, what the command line gave last; each problem once."""
    return sorted(dict.fromkeys(problems), key=lambda one: (one.file == OVERRIDE, one.line or 0))
