"""What the steps of one run share while it holds the job's lock."""

from dataclasses import dataclass
from datetime import datetime

from batcher.api.key import Secret
from batcher.core.delivery import Route
from batcher.core.estimate.estimate import Estimate
from batcher.core.money.budget import Budget
from batcher.runner.job_context import JobContext
from batcher.runner.options import RunOptions
from batcher.runner.planning.planner import Plan
from batcher.runner.record.status_file import RunRecord
from batcher.runner.signals import Interrupts
from batcher.runner.ui import Ui
from batcher.store.writer import Writer


@dataclass(frozen=True, slots=True)
class RunSession:
    """One run of a job; ``deadline`` is in seconds of ``time.monotonic``, None without one."""

    context: JobContext
    options: RunOptions
    ui: Ui
    interrupts: Interrupts
    writer: Writer
    record: RunRecord
    key: Secret | None
    deadline: float | None

    @property
    def run_id(self) -> str:
        """The id of the run; ids sort by time."""
        return self.record.identity.run_id

    def read(self, phase: str, rows: int) -> None:
        """Record and show how many rows a pass over the input has read."""
        self.record.rows_read(rows)
        self.ui.reading(phase, rows)

    @property
    def started(self) -> datetime:
        """When the run started."""
        return self.record.identity.started


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """What a run is going to do.

    ``sending`` is the job as its requests are made and priced: the job itself, or the variant of a
    retry. ``estimate`` is None when nothing is to be sent, and for a retry. ``route`` is how its
    requests travel.
    """

    sending: JobContext
    plan: Plan
    estimate: Estimate | None
    budget: Budget | None
    route: Route
