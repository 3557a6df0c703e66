"""The exit codes of the command: one for each answer to "what do I do now?"."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command ends with; running it again is safe after each of them."""

    OK = 0
    """Every row is answered, or there is nothing to do."""
    ERROR = 1
    """An unexpected error, a full disk, a damaged checkpoint, or an answer without a price."""
    INVALID = 2
    """The command line, job file, template or input is wrong, or the prompt changed."""
    ROWS_FAILED = 3
    """The run finished; some rows failed for good."""
    REFUSED = 4
    """The API refused the key or the model, or a spend limit is reached."""
    UNREACHABLE = 5
    """The API was unreachable or overloaded for too long, or rows are left to send again."""
    BUDGET_REACHED = 6
    """The budget is reached and rows are left."""
    TIME_IS_UP = 7
    """``--max-time`` is over and rows are left."""
    LOCKED = 8
    """Another process holds this job."""
    PLAN_CHANGED = 9
    """The saved plan no longer fits."""
    CONSENT_NEEDED = 10
    """A question needs an answer and stdin is not a terminal."""
    INTERRUPTED = 130
    """Ctrl-C; what was in flight has been recorded."""
    TERMINATED = 143
    """SIGTERM or a closed terminal; what was in flight has been recorded."""
