"""What a run tells of itself: status.json and run.json, in one shape, and events.jsonl."""

import contextlib
import json
import os
import socket
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any

from batcher import __version__
from batcher.core.estimate.estimate import Dollars
from batcher.core.money.budget import BudgetState
from batcher.core.money.display import exact_text
from batcher.core.pace.halt import Halt
from batcher.core.plan_counts import PlanCounts
from batcher.errors import BatcherError
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.atomic import write_json
from batcher.runner.job_context import JobContext
from batcher.runner.record.accounting import Accounting
from batcher.runner.record.events import Events
from batcher.runner.record.heartbeat import Heartbeat
from batcher.runner.record.milestones import Milestones
from batcher.runner.record.run_json import dollars_json, ending_json, plan_json, progress_json
from batcher.runner.sending.progress import Progress
from batcher.runner.signals import Terminated
from batcher.runner.ui import Snapshot
from batcher.runner.writing.output import Exported
from batcher.store.lock import process_start

SCHEMA_VERSION = 1
_STOPS = {4: "the API refused us", 5: "the API is unreachable or overloaded"}
"""Said instead of what the API said, which may quote a prompt."""


@dataclass(frozen=True, slots=True)
class RunIdentity:
    """Which run this is, and since when."""

    run_id: str
    started: datetime
    boot_id: str


class RunRecord:
    """What is written about one run: status.json about once a second, run.json at its end, events.

    A context, entered when the lock is held: inside of it the status is kept up to date by a thread
    of its own, whatever the run is busy with, and whoever leaves it with an error leaves a status
    that says so and why. None of it that cannot be written stops a run or changes how it ends.
    Methods publish by replacing whole values, so that the thread never sees half of one.
    """

    def __init__(
        self, context: JobContext, asked: LoadedJob, identity: RunIdentity, events: Events
    ) -> None:
        """Begin the record of a run whose requests are made as ``asked`` says."""
        self._workspace = context.workspace
        self._limits = context.job.limits
        self._events = events
        self._milestones = Milestones(events)
        self.identity = identity
        day = asked.job.prices.as_of
        self._content: dict[str, Any] = {
            "schema_version": SCHEMA_VERSION,
            "run_id": identity.run_id,
            "job": context.job.job.name,
            "state": "running",
            "exit_code": None,
            "reason": None,
            "started": _time(identity.started),
            "ended": None,
            "is_simulated": context.asks_simulator,
            "plan": None,
            "versions": {"batcher": __version__},
            "prices_date": context.prices.as_of.isoformat(),
            "price_overrides": sorted(asked.job.prices.overrides),
            "price_overrides_date": day and day.isoformat(),
            "overrides": sorted(key for key, at in asked.sources.items() if at == "--set"),
        }
        self._process: dict[str, Any] = {
            "pid": os.getpid(),
            "process_start": process_start(os.getpid()),
            "host": socket.gethostname(),
            "boot_id": identity.boot_id,
        }
        self._moment: dict[str, Any] = {"phase": "planning", "rows_read": 0}
        self._committed: Callable[[], int | None] = _not_known
        self._pulse = Heartbeat(self._write_status)

    def __enter__(self) -> "RunRecord":
        self._process["previous"] = _ending_in(self._workspace.status)
        self._pulse.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pulse.stop()
        if error is None or self._content["state"] == "ended":
            return
        self._end_early(code_of(error), reason=_reason(error), next=next_of(error))

    def give_up(self, exit_code: int, unknown_usd: Decimal = Decimal(0)) -> None:
        """Say that the process ends now, in the middle of whatever it does.

        ``unknown_usd`` is what may be billed besides what the last status knew of. To be called in
        a thread of its own, which nobody waits for without end.
        """
        self._pulse.stop()
        if self._content["state"] == "ended":
            return
        told = {key: self._moment[key] for key in ("rows", "usd", "tokens") if key in self._moment}
        if "usd" in told:
            unknown = Decimal(told["usd"]["unknown"]) + unknown_usd
            told["usd"] = {**told["usd"], "unknown": exact_text(unknown)}
        self._end_early(exit_code, reason="stopped at once by a second signal", **told)

    def _end_early(self, exit_code: int, **facts: Any) -> None:
        """Say that the run has ended before it came to its record."""
        over = {"state": "ended", "exit_code": exit_code, "ended": _time(_now())}
        self._content = {**self._content, **over, **facts}
        with contextlib.suppress(OSError):
            self._write_status()
        self._events.tell("run_ended", exit_code=exit_code)

    def count_commits(self, committed: Callable[[], int | None]) -> None:
        """Take ``commit_seq`` from here on; called from the status's thread, so it must not wait.

        It gives the number of records in the checkpoint.
        """
        self._committed = committed

    def rows_read(self, rows: int) -> None:
        """Say how many rows of the input this pass over it has read."""
        self._moment = {**self._moment, "rows_read": rows}

    def planned(
        self, counts: PlanCounts, estimate: Dollars | None, budget: BudgetState | None
    ) -> None:
        """Say what the run is going to do, what that is estimated to cost, and what it may."""
        money = {
            "estimate": None if estimate is None else dollars_json(estimate),
            "cap": None if budget is None else exact_text(budget.cap),
        }
        self._content = {**self._content, "plan": plan_json(counts), "usd": money}

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """Say that somebody is being asked, for as long as it takes."""
        before, self._moment = self._moment, {"phase": "waiting"}
        yield
        self._moment = before

    def sending(self) -> None:
        """Say that sending begins: from here on the run has a folder and events."""
        self._moment = {"phase": "sending"}
        self._events.begin(run_id=self.identity.run_id, plan=self._content["plan"])
        limits = self._limits.model_dump(exclude_none=True)
        self._events.tell("sending_started", limits=limits)

    def running(self, snapshot: Snapshot, progress: Progress) -> None:
        """Say how far sending is; called about once a second, off the event loop."""
        plan = self._content["plan"]
        figures = progress_json(plan, snapshot, progress)
        money = {**self._content["usd"], **figures["usd"]}
        self._moment = {"phase": "sending", **figures, "usd": money}
        self._milestones.running(snapshot, progress)

    def writing(self) -> None:
        """Say that the output is being written."""
        self._moment = {**self._moment, "phase": "writing", "rows_read": 0}

    def ended(
        self,
        exit_code: int,
        halt: Halt | None,
        accounting: Accounting,
        exported: Exported | None,
        progress: Progress | None,
    ) -> dict[str, Any]:
        """Return how the run ended.

        Of one that sent something, or that tells of its labels, run.json is written, too.
        """
        self._pulse.stop()
        figures = ending_json(self._content["plan"], accounting, progress)
        content = {
            **self._content,
            "state": "ended",
            "exit_code": exit_code,
            "reason": None if halt is None else _STOPS.get(halt.exit_code, halt.message),
            "ended": _time(_now()),
            **figures,
            "usd": {**self._content["usd"], **figures["usd"]},
            "quality": None
            if exported is None or exported.quality is None
            else exported.quality.as_json(),
            "output": [] if exported is None else self._output(exported),
        }
        if progress is not None or content["quality"] is not None:
            self._write_record(content)
        self._content = content
        with contextlib.suppress(OSError):
            self._write_status()
        self._tell_end(exported)
        return self._content

    def _output(self, exported: Exported) -> list[dict[str, Any]]:
        """The files of the output, by names that hold wherever they are read.

        A seal says where they were when it was made; the folder may have been moved since.
        """
        path = exported.path.absolute()
        folder = path if self._workspace.is_folder else path.parent
        return [
            {**asdict(file), "path": str(folder / Path(file.path).name)} for file in exported.files
        ]

    def _write_record(self, content: dict[str, Any]) -> None:
        """Write run.json; the run has ended as it has, whether there is room for this or not."""
        path = self._workspace.state / self.identity.run_id / "run.json"
        try:
            path.parent.mkdir(exist_ok=True)
            write_json(path, content)
        except OSError as error:
            self._events.say(f"warning  {path} cannot be written: {error.strerror}")

    def _tell_end(self, exported: Exported | None) -> None:
        for file in self._content["output"]:
            self._events.tell(
                "output_written",
                **file,
                is_unchanged=exported is not None and exported.is_unchanged,
            )
        totals = {key: self._content[key] for key in ("rows", "usd", "attempts", "tokens")}
        self._events.tell("run_ended", exit_code=self._content["exit_code"], **totals)

    def _write_status(self) -> None:
        moment = self._moment if self._content["state"] == "running" else {}
        now = {
            "heartbeat": _now().isoformat(timespec="milliseconds"),
            "commit_seq": self._committed(),
        }
        live = {**self._content, **moment, **self._process, **now}
        write_json(self._workspace.status, live, is_durable=False)


def code_of(error: BaseException) -> int:
    """Return the code the command exits with when this error ends it."""
    if isinstance(error, BatcherError | Terminated):
        return error.exit_code
    return 130 if isinstance(error, KeyboardInterrupt) else 1


def next_of(error: BaseException) -> str:
    """Return the batcher command that goes on from an error."""
    return error.next_command if isinstance(error, BatcherError) else BatcherError.next_command


def _reason(error: BaseException) -> str:
    """Say why a run could not go on; only our own errors are known to quote nobody.

    Those about rows list them from the second line on.
    """
    if isinstance(error, BatcherError):
        return error.message.partition("\n")[0]
    if isinstance(error, KeyboardInterrupt | Terminated):
        return "stopped by a signal"
    return f"unexpected {type(error).__name__}"


def _ending_in(status: Path) -> dict[str, Any] | None:
    """How the run before ended, as its status says, for whoever waited for that one."""
    try:
        content = json.loads(status.read_bytes())
        return {key: content[key] for key in ("run_id", "exit_code", "ended")}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _not_known() -> None:
    """Stand in for the count of commits until the checkpoint is open."""


def _now() -> datetime:
    return datetime.now(UTC)


def _time(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
