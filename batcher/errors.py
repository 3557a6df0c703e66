"""All errors that a user can see, as one tree; the exit codes are its branches.

    BatcherError            1   unexpected error; running again is safe
    ├── ConfigurationError  2   the command line, job file, template, schema or input is wrong
    │   ├── ProblemsError       ... in several places, which are all listed
    │   │   └── JobFileError        ... in the job file, by line
    │   ├── TemplateError       ... in a prompt or an expression
    │   └── InputError          ... in the input
    ├── LockedError         8   another process holds this job
    ├── PlanChangedError    9   the approved plan no longer fits
    ├── ConfirmationError  10   confirmation is needed and stdin is not a terminal
    └── CheckpointError     1   the checkpoint cannot be read or written
        └── DamageError         ... because a part of it is wrong or missing

Codes 3 to 7, 130 and 143 are endings of a run, not errors: see ``core.pace.halt`` and the pipeline.
A message says what is wrong and where (file, row, key of the job file). It never contains an API
key, a prompt or a response.
``hint`` says what to do next, in lower case without a full stop; ``next_command`` is the batcher
command that the user should run next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from batcher.exit_codes import ExitCode


class BatcherError(Exception):
    """An unexpected error; paid responses are recorded and running again is safe."""

    exit_code = ExitCode.ERROR
    next_command = "run"

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigurationError(BatcherError):
    """The command line, job file, template, schema or input is wrong; nothing was sent."""

    exit_code = ExitCode.INVALID


@dataclass(frozen=True, slots=True)
class Problem:
    """A mistake: what is wrong, in which file, on which line (from 1), and what to do."""

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
    """A template cannot be read, or a row lacks a value that it needs."""


class InputError(ConfigurationError):
    """The input is missing, unreadable, or changed during reading."""


class LockedError(BatcherError):
    """Another process holds this job's checkpoint."""

    exit_code = ExitCode.LOCKED


class PlanChangedError(BatcherError):
    """A run would now differ from the approved plan; nothing was sent."""

    exit_code = ExitCode.PLAN_CHANGED
    next_command = "estimate"


class ConfirmationError(BatcherError):
    """Confirmation is needed and stdin is not a terminal."""

    exit_code = ExitCode.CONSENT_NEEDED


class CheckpointError(BatcherError):
    """The checkpoint cannot be opened, read or written; the run stops at once."""


class DamageError(CheckpointError):
    """A part of the checkpoint is wrong or missing.

    ``whole_command`` is ``next_command`` as it is typed for this job, once that is known.
    """

    next_command = "doctor"
    whole_command: str | None = None
