"""Records a run in its files: status.json, run.json and events.jsonl."""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from batcher import __version__
from batcher.core.estimate.estimate import Dollars
from batcher.core.json_form import from_json
from batcher.core.money.budget import BudgetState
from batcher.core.money.exact import total
from batcher.core.pace.halt import Halt
from batcher.core.plan_counts import PlanCounts
from batcher.core.run_record.run_status import Moment, PreviousRun, RunProcess, RunStatus
from batcher.core.run_record.run_summary import OutputFile, PlannedMoney, RunFacts, RunSummary
from batcher.errors import BatcherError
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.atomic import write_json
from batcher.runner.job_context import JobContext
from batcher.runner.record.accounting import Accounting
from batcher.runner.record.events import Events
from batcher.runner.record.figures import figures_of, pace_of, summary_of
from batcher.runner.record.heartbeat import Heartbeat
from batcher.runner.record.milestones import Milestones
from batcher.runner.signals import Terminated
from batcher.runner.ui import Snapshot
from batcher.runner.writing.output import Exported
from batcher.store.lock import process_start

if TYPE_CHECKING:
    from batcher.runner.sending.progress import Progress

_REASONS = {4: "the API refused us", 5: "the API is unreachable or overloaded"}
"""Recorded instead of the API's own message, which may quote a prompt."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """The id of a run, and when and since which boot it runs."""

    run_id: str
    started: datetime
    boot_id: str


class RunRecord:
    """Writes status.json about once a second, run.json at the end of a run, and its events.

    It is a context, entered after the job's lock was taken. A thread of its own keeps the
    status up to date, so that a busy run still shows that it is alive. A run that leaves the
    context with an error leaves a status with the reason. A file that cannot be written neither
    stops a run nor changes its exit code. Methods publish a change by replacing a whole value, so
    that the thread never reads a half of it.
    """

    def __init__(
        self,
        context: JobContext,
        variant: LoadedJob,
        identity: RunIdentity,
        events: Events,
        *,
        is_pilot: bool = False,
    ) -> None:
        """Begin a record; ``variant`` is the job that makes the requests."""
        self._workspace = context.workspace
        self._job = context.job
        self.events = events
        self._milestones = Milestones(events)
        self.identity = identity
        self._run = RunFacts(
            run_id=identity.run_id,
            job=context.loaded.name,
            job_file=os.path.abspath(context.loaded.path),  # noqa: PTH100 (links stay)
            started=identity.started,
            is_simulated=context.asks_simulator,
            versions={"batcher": __version__},
            prices_date=context.prices.as_of,
            price_overrides=tuple(sorted(variant.job.prices.overrides)),
            price_overrides_date=variant.job.prices.as_of,
            overrides=tuple(sorted(key for key, at in variant.sources.items() if at == "--set")),
            scope=context.loaded.scope,
            is_pilot=is_pilot,
        )
        self._process = RunProcess(
            pid=os.getpid(),
            process_start=process_start(os.getpid()),
            host=socket.gethostname(),
            boot_id=identity.boot_id,
            heartbeat=identity.started,
        )
        self._moment = Moment(phase="planning", rows_read=0)
        self._last_moment = Moment()
        self._committed: Callable[[], int | None] = _no_commits
        self._heartbeat = Heartbeat(self._write_status)

    def __enter__(self) -> "RunRecord":
        self._process = replace(self._process, previous=_previous_run(self._workspace.status))
        self._heartbeat.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._heartbeat.stop()
        if error is not None and self._run.state == "running":
            self._end_early(code_of(error), reason=_reason(error), next=next_of(error))

    def give_up(self, exit_code: int, unknown_usd: Decimal = Decimal(0)) -> None:
        """Record that the process ends now, in the middle of its work.

        ``unknown_usd`` is what may be billed in addition to what the last status counted. Call it
        in a thread that is waited for only for a limited time.
        """
        self._heartbeat.stop()
        if self._run.state == "ended":
            return
        figures = self._moment.figures
        if figures is not None:
            usd = replace(figures.usd, unknown=total([figures.usd.unknown, unknown_usd]))
            self._last_moment = Moment(figures=replace(figures, usd=usd))
        self._end_early(exit_code, reason="stopped at once by a second signal")

    def _end_early(self, exit_code: int, **facts: Any) -> None:
        """Record that the run has ended without a summary."""
        self._run = replace(self._run, state="ended", exit_code=exit_code, ended=_now(), **facts)
        with contextlib.suppress(OSError):
            self._write_status()
        self.events.write("run_ended", exit_code=exit_code)

    def count_commits(self, committed: Callable[[], int | None]) -> None:
        """Take ``commit_seq`` from ``committed``, the number of records in the checkpoint.

        It is called in the status's thread, so it must not wait.
        """
        self._committed = committed

    def rows_read(self, rows: int) -> None:
        """Record how many rows of the input this pass over it has read."""
        self._moment = replace(self._moment, rows_read=rows)

    def planned(
        self, counts: PlanCounts, estimate: Dollars | None, budget: BudgetState | None
    ) -> None:
        """Record what the run is going to do, what that is estimated to cost, and the budget."""
        money = PlannedMoney.of(estimate, budget, self._job.budget.per)
        self._run = replace(self._run, plan=counts, usd=money)

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Record that the run waits for the user's answer."""
        before, self._moment = self._moment, Moment(phase="waiting")
        yield
        self._moment = before

    def sending(self) -> None:
        """Record that sending begins: the run gets a folder and events."""
        self._moment = Moment(phase="sending")
        plan = None if self._run.plan is None else self._run.plan.to_json()
        self.events.begin(run_id=self.identity.run_id, plan=plan)
        limits = self._job.limits.model_dump(exclude_none=True)
        self.events.write("sending_started", limits=limits)

    def running(self, snapshot: Snapshot, progress: "Progress") -> None:
        """Record the progress of sending; called about once a second, not on the event loop."""
        plan, money = self._run.plan, self._run.usd
        assert plan is not None  # noqa: S101 - a run sends what was planned
        assert money is not None  # noqa: S101
        self._moment = Moment(
            phase="sending",
            figures=figures_of(plan, money, snapshot, progress),
            pace=pace_of(snapshot, progress),
        )
        self._milestones.update(snapshot, progress)

    def writing(self) -> None:
        """Record that the output is being written."""
        self._moment = replace(self._moment, phase="writing", rows_read=0)

    def ended(
        self,
        exit_code: int,
        halt: Halt | None,
        accounting: Accounting,
        exported: Exported | None,
        progress: "Progress | None",
    ) -> RunSummary:
        """Record how the run ended, and return its summary.

        run.json is written if the run has sent something, or if it reports on its labels.
        """
        self._heartbeat.stop()
        facts = replace(
            self._run,
            state="ended",
            exit_code=exit_code,
            reason=None if halt is None else _REASONS.get(halt.exit_code, halt.message),
            ended=_now(),
            next=None if halt is None or halt.next_command == "run" else halt.next_command,
        )
        output = () if exported is None else self._output(exported)
        summary = summary_of(facts, accounting, progress, exported, output)
        if progress is not None or summary.quality is not None:
            self._write_summary(summary)
        self._run = summary
        with contextlib.suppress(OSError):
            self._write_status()
        self._write_end(summary, is_unchanged=exported is not None and exported.is_unchanged)
        return summary

    def _output(self, exported: Exported) -> list[OutputFile]:
        """Return the files of the output with absolute paths.

        The paths in a seal are of the time when it was written; the folder may have been moved.
        """
        path = exported.path.absolute()
        folder = path if self._workspace.is_folder else path.parent
        return [
            OutputFile(
                path=str(folder / Path(file.path).name),
                rows=file.rows,
                bytes=file.bytes,
                sha256=file.sha256,
            )
            for file in exported.files
        ]

    def _write_summary(self, summary: RunSummary) -> None:
        """Write run.json; a full disk does not change how the run ended."""
        path = self._workspace.state / self.identity.run_id / "run.json"
        try:
            path.parent.mkdir(exist_ok=True)
            write_json(path, summary.to_json())
        except OSError as error:
            self.events.say(f"warning  {path} cannot be written: {error.strerror}")

    def _write_end(self, summary: RunSummary, *, is_unchanged: bool) -> None:
        for file in summary.output:
            self.events.write("output_written", **file.to_json(), is_unchanged=is_unchanged)
        content = summary.to_json()
        totals = {key: content[key] for key in ("rows", "usd", "attempts", "tokens")}
        self.events.write("run_ended", exit_code=summary.exit_code, **totals)

    def _write_status(self) -> None:
        run = self._run
        moment = self._moment if run.state == "running" else self._last_moment
        process = replace(self._process, heartbeat=_now(), commit_seq=self._committed())
        status = RunStatus(run=run, process=process, moment=moment)
        write_json(self._workspace.status, status.to_json(), is_durable=False)


def code_of(error: BaseException) -> int:
    """Return the exit code of a command that this error ends."""
    if isinstance(error, BatcherError | Terminated):
        return error.exit_code
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def next_of(error: BaseException) -> str:
    """Return the batcher command to run after an error."""
    return error.next_command if isinstance(error, BatcherError) else BatcherError.next_command


def _reason(error: BaseException) -> str:
    """Return why a run could not go on; only messages of our own errors quote no rows.

    Those about rows list them from the second line on.
    """
    if isinstance(error, BatcherError):
        return error.message.partition("\n")[0]
    if isinstance(error, KeyboardInterrupt | Terminated):
        return "stopped by a signal"
    return f"unexpected {type(error).__name__}"


def _previous_run(status: Path) -> PreviousRun | None:
    """Return how the previous run ended, by its status; None when that cannot be read."""
    try:
        return from_json(PreviousRun, json.loads(status.read_bytes()))
    except (OSError, ValueError):
        return None


def _no_commits() -> None:
    """Return None: the checkpoint is not open yet."""


def _now() -> datetime:
    return datetime.now(UTC)
