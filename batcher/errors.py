"""Every error a user can meet, as one tree whose branches are the exit codes.

    BatcherError            1   something unexpected; running again is safe
    ├── ConfigurationError  2   the command line, job file, template, schema or input is wrong
    │   ├── ProblemsError       ... in several places, which are all listed
    │   │   └── JobFileError        ... in the job file, by line
    │   ├── TemplateError       ... in a prompt or an expression
    │   └── InputError          ... in the input
    ├── LockedError         8   another process holds this job
    ├── PlanChangedError    9   the plan that was agreed to no longer fits
    ├── ConfirmationError  10   a yes was needed and nobody was there to say it
    └── CheckpointError     1   the checkpoint cannot be read or written
        └── DamageError         ... because something of it is wrong or missing

Codes 3 to 7, 130 and 143 are endings of a run, not errors: ``core.pace.halt`` and the pipeline.
A message says what and where (file, row, key), never a key, a prompt or a response.
``hint`` says what to do next, as a whole sentence or the command to type; ``next_command`` is the
batcher command for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass


class BatcherError(Exception):
    """Something unexpected happened; what was paid for is recorded and running again is safe."""

    exit_code = 1
    next_command = "run"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(BatcherError):
    """The command line, job file, template, schema or input is wrong; nothing was sent."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: what is wrong, in which file, on which 1-based line, and what to do."""

    message: str
    file: str | None = None
    line: int | None = None
    hint: str | None = None

    def __str__(self) -> str:
        where = "" if self.file is None else self.file
        if self.line is not None:
            where += f":{self.line}"
        return f"{where}: {self.message}" if where else self.message


class ProblemsError(ConfigurationError):
    """Several things are wrong; ``problems`` lists all of them."""

    def __init__(self, problems: Sequence[Problem], message: str | None = None) -> None:
        super().__init__(message or f"{len(problems)} problems; nothing was sent")
        self.problems = tuple(problems)


class JobFileError(ProblemsError):
    """A job file has mistakes; ``problems`` lists all of them."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        number = len(problems)
        super().__init__(problems, f"{number} mistake{'s'[: number != 1]} in the job file")


class TemplateError(ConfigurationError):
    """A template cannot be read, or a row does not give it what it asks for."""


class InputError(ConfigurationError):
    """The input is missing, unreadable or changed while it was being read."""


class LockedError(BatcherError):
    """Another process holds this job's checkpoint."""

    exit_code = 8


class PlanChangedError(BatcherError):
    """The plan that somebody agreed to is not what a run would do now; nothing was sent."""

    exit_code = 9
    next_command = "estimate"


class ConfirmationError(BatcherError):
    """A yes was needed and there was no terminal to ask on."""

    exit_code = 10


class CheckpointError(BatcherError):
    """The checkpoint cannot be opened, read or written; the run stops at once."""


class DamageError(CheckpointError):
    """Something of the checkpoint is wrong or missing."""

    next_command = "doctor"
