"""What a caller asks of a run, and what it gets back."""

from dataclasses import dataclass

from batcher.core.pace.halt import Halt
from batcher.core.run_record.run_summary import RunSummary
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.planning.saved_plan import Approval
from batcher.runner.writing.output import Exported


@dataclass(frozen=True, slots=True)
class Retrying:
    """Send failed rows only: all of them, or those with some error types or statuses.

    ``variant`` is the job whose requests are sent; rows and output stay the job's own.
    """

    variant: LoadedJob
    only: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a caller adds to a job.

    ``waits``: wait for another run to end; ``max_time_s`` counts from then. ``approval`` is a saved
    plan that the run must fit. ``pilot``: send only this many rows and write no output.
    ``overwrites``: replace an output that the job did not write.
    ``releases_unknown``: release the money reserved for attempts of unknown billing status.
    ``detaches``: send the batches and leave them to the next run, instead of waiting for them.
    How requests travel is the job's ``delivery``, which the command line may have changed.
    ``command`` is what a user types to run the same again.
    """

    is_simulated: bool = False
    says_yes: bool = False
    is_limited: bool = False
    waits: bool = False
    max_time_s: float | None = None
    retrying: Retrying | None = None
    approval: Approval | None = None
    pilot: int | None = None
    overwrites: bool = False
    releases_unknown: bool = False
    detaches: bool = False
    command: str = "batcher run"


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended; ``grown`` and ``added`` name files of the input that are larger or new."""

    exit_code: int
    run_id: str
    summary: RunSummary
    exported: Exported | None
    halt: Halt | None
    grown: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
