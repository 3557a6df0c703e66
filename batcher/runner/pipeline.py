"""One run from the job file to the output: the only place where everything is put together."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batcher import __version__
from batcher.api.key import Secret, read_key
from batcher.core.job import API
from batcher.core.pace.halt import Halt
from batcher.inputs.job_file.jobfile import LoadedJob
from batcher.outputs.atomic import write_json
from batcher.runner.planning.preflight import ask, check_plan, money_question, planning_line
from batcher.runner.planning.prepare import Prepared, prepare
from batcher.runner.planning.survey import Plan, make_plan
from batcher.runner.planning.workspace import new_run_id
from batcher.runner.reading.export import Exported, export_parquet, layout_of
from batcher.runner.record import RunIdentity, StatusFile, plan_json, totals_json
from batcher.runner.sending.run import Ended, LiveRun, send_all
from batcher.runner.sending.simulated import SIMULATOR, running_simulator
from batcher.runner.ui import Ui
from batcher.store.checkpoint import Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.plans import latencies, totals
from batcher.store.records import RunRecord
from batcher.store.writer import Writer

_SIMULATED_LATENCY = 0.05


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to a job."""

    is_simulated: bool = False
    says_yes: bool = False
    command: str = "batcher run"


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended."""

    exit_code: int
    run_id: str
    record: Mapping[str, object]
    exported: Exported | None
    halt: Halt | None


def run_job(
    loaded: LoadedJob, options: RunOptions, ui: Ui, environ: Mapping[str, str]
) -> RunResult:
    """Start, resume or complete a job; see DESIGN "the same command resumes".

    Raises BatcherError before anything is sent; afterwards the result says how it ended.
    """
    now = datetime.now(UTC)
    is_simulator = options.is_simulated or loaded.job.api.base_url == SIMULATOR
    prepared = prepare(loaded, is_simulated=options.is_simulated, today=now.date())
    key = Secret("simulator") if is_simulator else read_key(loaded.job.api, environ)
    workspace = prepared.workspace
    workspace.create()
    workspace.check_output()
    holder = Holder.this_process(now)
    with Lock(workspace.state, holder):
        Checkpoint.create(workspace.state, version=__version__, now=now)
        writer = Writer(workspace.state)
        try:
            identity = RunIdentity(new_run_id(now), now, holder.boot_id)
            run = _Run(prepared, options, ui, writer, identity, key)
            return run.go()
        finally:
            writer.close()


@dataclass(slots=True)
class _Run:
    """The steps of one run, while it holds the lock."""

    prepared: Prepared
    options: RunOptions
    ui: Ui
    writer: Writer
    identity: RunIdentity
    key: Secret | None

    def go(self) -> RunResult:
        plan = make_plan(self.prepared, self.writer.call)
        self.ui.say(planning_line(plan, self.prepared))
        for warning in plan.warnings:
            self.ui.say(f"warning  {warning}")
        layout_of(self.prepared, plan)
        check_plan(plan, self.prepared)
        if plan.counts.to_send and not self.options.says_yes:
            questions = [*self._origin_question(), *money_question(plan, self._is_simulator)]
            ask(questions, self.ui, self.options.command)
        ended = self._send(plan) if plan.counts.to_send else None
        return self._finish(plan, ended)

    def _origin_question(self) -> list[str]:
        """Ask before answers of another server are mixed in."""
        others = set(self.writer.call(Checkpoint.origins)) - {self._origin}
        if not others:
            return []
        named = ", ".join(sorted(others))
        return [f"The answers so far came from {named}; go on with {self._origin}?"]

    @property
    def _is_simulator(self) -> bool:
        return self.options.is_simulated or self.prepared.loaded.job.api.base_url == SIMULATOR

    @property
    def _origin(self) -> str:
        return (
            SIMULATOR if self._is_simulator else self.prepared.loaded.job.api.base_url.rstrip("/")
        )

    @contextmanager
    def _server(self) -> Iterator[API]:
        """The API to talk to; the embedded simulator runs only while it is needed."""
        api = self.prepared.loaded.job.api
        if not self._is_simulator:
            yield api
            return
        with running_simulator(_SIMULATED_LATENCY) as url:
            yield api.model_copy(update={"base_url": url, "auth": "x-api-key"})

    def _send(self, plan: Plan) -> Ended:
        prepared, identity = self.prepared, self.identity
        status = StatusFile(prepared, identity, plan.counts)
        record = RunRecord(
            identity.run_id,
            identity.started,
            Holder.this_process(identity.started).pid,
            socket.gethostname(),
            identity.boot_id,
            __version__,
            self._origin,
            prepared.loaded.digest,
            prepared.prices.as_of.isoformat(),
        )
        self.writer.call(lambda checkpoint: checkpoint.commit({"runs": [record]}))
        with self._server() as api:
            live = LiveRun(
                prepared=prepared,
                plan=plan,
                api=api,
                key=self.key,
                writer=self.writer,
                run_id=identity.run_id,
                first_attempt_id=self.writer.call(Checkpoint.next_attempt_id),
                ui=self.ui,
                publish=status.running,
            )
            return asyncio.run(send_all(live))

    def _finish(self, plan: Plan, ended: Ended | None) -> RunResult:
        halt = None if ended is None else ended.progress.halt
        signal = None if ended is None else ended.signal
        exported = None
        if halt is None and signal is None:
            path = self.prepared.workspace.output
            exported = export_parquet(
                self.prepared, plan, self.writer.call, path, self.identity.run_id
            )
        code = self._exit_code(plan, halt, signal, exported)
        return RunResult(
            code, self.identity.run_id, self._record(plan, ended, exported, code), exported, halt
        )

    def _exit_code(
        self, plan: Plan, halt: Halt | None, signal: int | None, exported: Exported | None
    ) -> int:
        if halt is not None:
            return halt.exit_code
        if signal is not None or exported is None:
            return 128 + (signal or 0)
        answered = exported.by_status.get("succeeded", 0) + exported.by_status.get("skipped", 0)
        failed = plan.counts.items - answered
        if failed <= self.prepared.loaded.job.limits.max_failed * plan.counts.items:
            return 0
        return 5 if exported.open_rows else 3

    def _record(
        self, plan: Plan, ended: Ended | None, exported: Exported | None, code: int
    ) -> dict[str, object]:
        """Write run.json of a run that sent something, and return what it holds."""
        now = datetime.now(UTC)
        run_id = self.identity.run_id
        sums = self.writer.call(lambda checkpoint: totals(checkpoint, run_id))
        everything = self.writer.call(totals)
        record: dict[str, object] = {
            "schema_version": 1,
            "run_id": run_id,
            "job": self.prepared.loaded.job.job.name,
            "state": str(self.prepared.workspace.state),
            "exit_code": code,
            "started": self.identity.started.isoformat(timespec="seconds"),
            "ended": now.isoformat(timespec="seconds"),
            "is_simulated": self._is_simulator,
            "plan": plan_json(plan.counts),
            **totals_json(sums),
            "checkpoint": totals_json(everything),
            "output": None if exported is None else _output_json(exported),
            "errors": {} if ended is None else dict(ended.progress.errors),
            "models": dict(plan.models),
            "versions": {"batcher": __version__},
            "prices_date": self.prepared.prices.as_of.isoformat(),
            "overrides": sorted(self.prepared.loaded.job.prices.overrides),
        }
        if ended is None:
            return record
        record["latency_s"] = self.writer.call(lambda checkpoint: latencies(checkpoint, run_id))
        self.writer.call(lambda checkpoint: checkpoint.end_run(run_id, now, code))
        folder = self.prepared.workspace.state / run_id
        folder.mkdir(exist_ok=True)
        write_json(folder / "run.json", record)
        StatusFile(self.prepared, self.identity, plan.counts).ended(
            {**record, "state": "ended", "exit_code": code}
        )
        return record


def _output_json(exported: Exported) -> dict[str, object]:
    return {
        "path": str(exported.path),
        "rows": exported.rows,
        "bytes": _size(exported.path),
        "by_status": exported.by_status,
        "is_unchanged": exported.is_unchanged,
    }


def _size(path: Path) -> int:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files)
