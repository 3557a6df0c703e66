"""One run from the job file to the output: the only place where everything is put together."""

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from signal import SIGINT, SIGTERM

from batcher import __version__
from batcher.api.key import Secret
from batcher.core.estimate.estimate import Estimate
from batcher.core.job import ApiSection
from batcher.core.money.budget import Budget, BudgetState
from batcher.core.money.display import rounded_text
from batcher.core.pace.halt import Halt
from batcher.errors import CheckpointError, InputError
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.options import RunOptions, RunResult
from batcher.runner.planning.budget import open_budget
from batcher.runner.planning.estimate import estimate_plan
from batcher.runner.planning.pilot import draw, only
from batcher.runner.planning.planner import Plan, comparison_of, make_plan
from batcher.runner.planning.preflight import (
    ask,
    check_change,
    check_plan,
    money_question,
    open_run,
    origin_question,
    planning_line,
    smaller_question,
)
from batcher.runner.planning.retry import plan_retry, retry_line
from batcher.runner.record.accounting import record_start, summarize
from batcher.runner.record.events import Events
from batcher.runner.record.notify import Notifier
from batcher.runner.record.status_file import RunIdentity, RunRecord
from batcher.runner.sending.run import Ended, LiveRun, send_all
from batcher.runner.signals import Terminated, exit_code_of, raising
from batcher.runner.simulator_process import running_simulator
from batcher.runner.ui import Ui
from batcher.runner.workspace import Workspace, new_run_id
from batcher.runner.writing.output import Exported, Target, export_parquet
from batcher.runner.writing.quality import Quality
from batcher.store.budget import release_unknown
from batcher.store.checkpoint import Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.plans import begin_results, note_seen
from batcher.store.records import RunEnd
from batcher.store.retries import note_replacements
from batcher.store.writer import Writer

_SIMULATED_LATENCY = 0.05
_SIMULATED_VARIETY = 0.25


def run_job(
    loaded: LoadedJob, options: RunOptions, ui: Ui, environ: Mapping[str, str]
) -> RunResult:
    """Start, resume or complete a job, or retry its failed rows; the same command resumes.

    Raises BatcherError before anything is sent; afterwards the result says how it ended.
    """
    now = datetime.now(UTC)
    identity = RunIdentity(new_run_id(now), now, Holder.this_process(now).boot_id)
    workspace = Workspace.of(loaded, is_simulated=options.is_simulated)
    farewells: list[Callable[[int], None]] = []

    def farewell(exit_code: int) -> None:
        for tell in farewells:
            tell(exit_code)

    with (
        raising(farewell),
        closing(Events(workspace.state / identity.run_id, ui.say)) as events,
        Notifier(loaded, workspace, identity, environ, events, ui.say) as notifier,
    ):
        is_simulated, today = options.is_simulated, now.date()
        opening = open_run(loaded, environ, is_simulated=is_simulated, today=today)
        context, key = opening.ready()
        workspace.create()
        waiting = ui.say if options.waits else None
        asked = loaded if options.retrying is None else options.retrying.form
        record = RunRecord(context, asked, identity, events)
        holder = Holder.this_process(now)
        with Lock(workspace.state, holder, for_run=True, waiting=waiting), record:
            farewells.append(record.give_up)
            if options.waits:  # the input may have grown meanwhile
                context = open_job(loaded, is_simulated=is_simulated, today=today)
            max_time_s = options.max_time_s
            deadline = None if max_time_s is None else time.monotonic() + max_time_s
            create = partial(Checkpoint.create, version=__version__, now=now)
            with closing(Writer(workspace.state, create)) as writer:
                record.count_commits(lambda: writer.records)
                result = _Run(context, options, ui, writer, record, key, deadline).go()
        notifier.record = result.record
        return result


@dataclass(slots=True)
class _Run:
    """The steps of one run, while it holds the lock."""

    context: JobContext
    options: RunOptions
    ui: Ui
    writer: Writer
    record: RunRecord
    key: Secret | None
    deadline: float | None

    def go(self) -> RunResult:
        sending, plan, estimate = self._plan()
        for warning in plan.warnings:
            self.ui.say(f"warning  {warning}")
        check_plan(plan, self.context)
        if self.options.approval is not None:
            self.options.approval.check(self.context, plan, self.record.identity.started)
        budget = self._budget(plan)
        budget_state = None if budget is None else budget.state
        self.record.planned(plan.counts, None if estimate is None else estimate.usd, budget_state)
        with self.record.waiting():
            check_change(plan, self.context, self.ui)
            if not self.options.says_yes:
                ask(self._questions(plan, estimate, budget_state), self.ui, self.options.command)
        self._note()
        ended = self._send(sending, plan, budget, estimate) if plan.counts.to_send else None
        return self._finish(plan, ended)

    @property
    def _run_id(self) -> str:
        return self.record.identity.run_id

    def _plan(self) -> tuple[JobContext, Plan, Estimate | None]:
        """Plan the run; return also the job as its requests are made, and what they may cost."""
        context, retrying = self.context, self.options.retrying
        if retrying is None:
            plan = make_plan(context, self.writer.call, self.record.rows_read)
            if self.options.pilot is not None:
                drawn = draw(plan, self.writer.call, self.options.pilot)
                plan = only(plan, context, self.writer.call, drawn)
            estimate = None
            if plan.counts.to_send:
                estimate = estimate_plan(context, plan, self.writer.call)
            self.ui.say(planning_line(plan, context, estimate))
            return context, plan, estimate
        simulated = context.workspace.is_simulated
        form = open_job(retrying.form, is_simulated=simulated, today=context.policy.today)
        rows_read = self.record.rows_read
        plan, retries = plan_retry(context, form, self.writer.call, rows_read, retrying.only)
        self.ui.say(retry_line(retries, plan.counts.bad))
        return form, plan, None

    def _budget(self, plan: Plan) -> Budget | None:
        """Open the budget, if there is one, after releasing what it holds where that is wanted."""
        started = self.record.identity.started
        if self.options.releases_unknown:
            number, usd = self.writer.call(release_unknown, started)
            self.ui.say(f"released {rounded_text(usd)} held for {number:,} attempts")
        approval = self.options.approval
        cap_usd = None if approval is None else approval.cap_usd
        return open_budget(self.context, plan, self.writer.call, started, cap_usd)

    def _questions(
        self, plan: Plan, estimate: Estimate | None, budget: BudgetState | None
    ) -> list[str]:
        """What somebody has to agree to first."""
        asked = smaller_question(plan, self.context) if self.options.is_limited else []
        if plan.counts.to_send:
            origins = self.writer.call(Checkpoint.origins)
            asked += [
                *origin_question(origins, self.context.origin),
                *self._money_question(plan, estimate, budget),
            ]
        return asked

    def _money_question(
        self, plan: Plan, estimate: Estimate | None, budget: BudgetState | None
    ) -> list[str]:
        if self.options.approval is not None:
            return []  # the plan was agreed to, and has not changed
        asked = money_question(plan, self.context, estimate)
        # Where nobody can be asked a budget is the answer.
        return asked if budget is None or self.ui.can_ask else []

    def _note(self) -> None:
        """Remember what the next run has to know, before anything is sent."""
        if self.options.retrying is None:
            comparison = comparison_of(self.context)
            self.writer.call(note_seen, comparison)
        else:
            self.writer.call(note_replacements, self._run_id)

    @contextmanager
    def _server(self) -> Iterator[ApiSection]:
        """The API to talk to; the embedded simulator runs only while it is needed."""
        api = self.context.job.api
        if not self.context.asks_simulator:
            yield api
            return
        variety = _SIMULATED_VARIETY if self.context.samples > 1 else 0.0
        with running_simulator(_SIMULATED_LATENCY, variety) as url:
            yield api.model_copy(update={"base_url": url, "auth": "x-api-key"})

    def _send(
        self, sending: JobContext, plan: Plan, budget: Budget | None, estimate: Estimate | None
    ) -> Ended:
        identity, approval = self.record.identity, self.options.approval
        with self.writer.ballast:
            self.record.sending()
            run_id, started = identity.run_id, identity.started
            record_start(self.context, sending, run_id, started, self.writer.call)
            with self._server() as api:
                live = LiveRun(
                    context=sending,
                    plan=plan,
                    api=api,
                    key=self.key,
                    writer=self.writer,
                    run_id=identity.run_id,
                    first_attempt_id=self.writer.call(Checkpoint.next_attempt_id),
                    budget=budget,
                    ui=self.ui,
                    publish=self.record.running,
                    give_up=self._give_up,
                    deadline=self.deadline,
                    estimated_usd=None if estimate is None else estimate.usd.expected,
                    plan_cap_usd=None if approval is None else approval.cap_usd,
                )
                return asyncio.run(send_all(live))

    def _give_up(self, exit_code: int, unknown_usd: Decimal) -> None:
        """Leave files in order when the process ends in the middle of sending."""
        self.writer.ballast.drop()
        self.record.give_up(exit_code, unknown_usd)

    def _finish(self, plan: Plan, ended: Ended | None) -> RunResult:
        progress = None if ended is None else ended.progress
        halt = None if progress is None else progress.halt
        signal = None if ended is None else ended.signal
        exported = None
        has_results = self.writer.failure is None
        if has_results:
            self.writer.call(begin_results)
        if halt is None and signal is None and self.options.pilot is None:
            try:
                exported, halt = self._export(plan, has_sent=ended is not None)
            except (KeyboardInterrupt, Terminated) as error:
                if ended is None:
                    raise
                # What was paid for has its record, though the output has to wait for another run.
                signal = SIGTERM if isinstance(error, Terminated) else SIGINT
        code = self._exit_code(plan, halt, signal, exported)
        if ended is not None:
            end = RunEnd(self._run_id, datetime.now(UTC), code)
            self.writer.call(Checkpoint.commit, {"run_ends": [end]})
        accounting = self.writer.call(summarize, self._run_id, has_results=has_results)
        content = self.record.ended(code, halt, accounting, exported, progress)
        return RunResult(code, self._run_id, content, exported, halt)

    def _export(self, plan: Plan, *, has_sent: bool) -> tuple[Exported | None, Halt | None]:
        """Write the output; after a run that has sent, failing to is an ending like others."""
        self.record.writing()
        path, call = self.context.workspace.output, self.writer.call
        rows_read, target = self.record.rows_read, Target(path, self._run_id)
        is_whole = self.options.retrying is None and not comparison_of(self.context).is_part
        quality = Quality.of(self.context, self._run_id, is_whole=is_whole)
        try:
            return export_parquet(self.context, plan, call, target, rows_read, quality), None
        except (InputError, CheckpointError) as error:
            if not has_sent:
                raise
            return None, Halt(1, error.message, error.hint)
        except OSError as error:
            hint = "make room, then run the same command again: every answer is recorded"
            return None, Halt(1, f"the output cannot be written: {path}: {error.strerror}", hint)

    def _exit_code(
        self, plan: Plan, halt: Halt | None, signal: int | None, exported: Exported | None
    ) -> int:
        if halt is not None:
            return halt.exit_code
        if signal is not None:
            return exit_code_of(signal)
        if exported is None:
            return 0  # a pilot, which has no output
        fine = ["succeeded", "skipped"]
        if self.context.job.labels.on_invalid == "keep":
            fine.append("invalid")
        failed = plan.counts.items - sum(exported.by_status.get(status, 0) for status in fine)
        if failed <= self.context.job.limits.max_failed * plan.counts.items:
            return 0
        return 5 if exported.open_rows else 3
