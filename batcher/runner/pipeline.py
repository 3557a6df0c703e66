"""One run from the job file to the output: the only place where everything is put together."""

import asyncio
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from batcher import __version__
from batcher.api.key import Secret, read_key
from batcher.core.job import API, SIMULATOR
from batcher.core.pace.halt import Halt
from batcher.errors import BatcherError, InputError
from batcher.inputs.job_file.jobfile import LoadedJob
from batcher.runner.planning.preflight import (
    ask,
    check_change,
    check_plan,
    money_question,
    planning_line,
    smaller_question,
)
from batcher.runner.planning.prepare import Prepared, prepare
from batcher.runner.planning.survey import Plan, comparison_of, make_plan
from batcher.runner.planning.workspace import new_run_id
from batcher.runner.reading.export import Exported, export_parquet, layout_of
from batcher.runner.record import RunIdentity, RunRecord
from batcher.runner.sending.run import Ended, LiveRun, send_all
from batcher.runner.sending.simulated import running_simulator
from batcher.runner.ui import Ui
from batcher.store.checkpoint import Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.plans import note_seen, sum_up
from batcher.store.records import RunEnd, RunStart
from batcher.store.writer import Writer

_SIMULATED_LATENCY = 0.05


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What the command line adds to a job."""

    is_simulated: bool = False
    says_yes: bool = False
    is_limited: bool = False
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
    prepared = prepare(loaded, is_simulated=options.is_simulated, today=now.date())
    key = Secret("simulator") if prepared.asks_simulator else read_key(loaded.job.api, environ)
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
        check_change(plan, self.prepared, self.ui)
        if not self.options.says_yes:
            ask(self._questions(plan), self.ui, self.options.command)
        comparison = comparison_of(self.prepared)
        self.writer.call(lambda checkpoint: note_seen(checkpoint, comparison))
        record = RunRecord(self.prepared, self.identity, plan.counts)
        try:
            ended = self._send(plan, record) if plan.counts.to_send else None
            return self._finish(plan, ended, record)
        except BatcherError as error:
            record.failed(error.exit_code)
            raise

    def _questions(self, plan: Plan) -> list[str]:
        """What somebody has to agree to first."""
        asked = smaller_question(plan, self.prepared) if self.options.is_limited else []
        if plan.counts.to_send:
            asked += [*self._origin_question(), *money_question(plan, self.prepared)]
        return asked

    def _origin_question(self) -> list[str]:
        """Ask before answers of another server are mixed in."""
        others = set(self.writer.call(Checkpoint.origins)) - {self._origin}
        if not others:
            return []
        named = ", ".join(sorted(others))
        return [f"The answers so far came from {named}; go on with {self._origin}?"]

    @property
    def _origin(self) -> str:
        prepared = self.prepared
        return (
            SIMULATOR if prepared.asks_simulator else prepared.loaded.job.api.base_url.rstrip("/")
        )

    @contextmanager
    def _server(self) -> Iterator[API]:
        """The API to talk to; the embedded simulator runs only while it is needed."""
        api = self.prepared.loaded.job.api
        if not self.prepared.asks_simulator:
            yield api
            return
        with running_simulator(_SIMULATED_LATENCY) as url:
            yield api.model_copy(update={"base_url": url, "auth": "x-api-key"})

    def _send(self, plan: Plan, record: RunRecord) -> Ended:
        prepared, identity = self.prepared, self.identity
        started = RunStart(
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
        self.writer.call(lambda checkpoint: checkpoint.commit({"runs": [started]}))
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
                publish=record.running,
            )
            return asyncio.run(send_all(live))

    def _finish(self, plan: Plan, ended: Ended | None, record: RunRecord) -> RunResult:
        halt = None if ended is None else ended.progress.halt
        signal = None if ended is None else ended.signal
        exported = None
        if halt is None and signal is None:
            path = self.prepared.workspace.output
            try:
                exported = export_parquet(
                    self.prepared, plan, self.writer.call, path, self.identity.run_id
                )
            except InputError as error:
                if ended is None:
                    raise
                halt = Halt(1, error.message, error.hint)
        code = self._exit_code(plan, halt, signal, exported)
        run_id = self.identity.run_id
        if ended is not None:
            end = RunEnd(run_id, datetime.now(UTC), code)
            self.writer.call(lambda checkpoint: checkpoint.commit({"run_ends": [end]}))
        sums = self.writer.call(lambda checkpoint: sum_up(checkpoint, run_id))
        content = record.ended(code, sums, exported, None if ended is None else ended.progress)
        return RunResult(code, run_id, content, exported, halt)

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
