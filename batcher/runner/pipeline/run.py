"""Runs a job from its file to its output: opens what the steps need, then takes them in order."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial

from batcher import __version__
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.address_space import check_address_space
from batcher.runner.job_context import open_job
from batcher.runner.options import RunOptions, RunResult
from batcher.runner.pipeline.consent import ask_consent
from batcher.runner.pipeline.finish import finish_run
from batcher.runner.pipeline.plan import plan_run
from batcher.runner.pipeline.send import send_plan
from batcher.runner.pipeline.session import RunSession
from batcher.runner.planning.preflight import open_run
from batcher.runner.record.events import Events
from batcher.runner.record.notify import Notifier
from batcher.runner.record.status_file import RunIdentity, RunRecord
from batcher.runner.routing import check_detaching
from batcher.runner.signals import Interrupts, NoInterrupts
from batcher.runner.ui import Ui
from batcher.runner.workspace import Workspace, new_run_id
from batcher.store.checkpoint import Checkpoint
from batcher.store.lock import Holder, Lock
from batcher.store.writer import Writer

_NO_INTERRUPTS = NoInterrupts()


def run_job(
    loaded: LoadedJob,
    options: RunOptions,
    ui: Ui,
    environ: Mapping[str, str],
    interrupts: Interrupts = _NO_INTERRUPTS,
) -> RunResult:
    """Start, resume or complete a job, or retry its failed rows; the same call resumes.

    It works in any thread without a running event loop, and takes no signals unless ``interrupts``
    does. Raises BatcherError before anything is sent; afterwards the result says how it ended.
    """
    now = datetime.now(UTC)
    identity = RunIdentity(new_run_id(now), now, Holder.this_process(now).boot_id)
    workspace = Workspace.of(loaded, is_simulated=options.is_simulated)
    variant = loaded if options.retrying is None else options.retrying.variant
    if options.detaches:
        check_detaching(variant)
    on_exits: list[Callable[[int], None]] = []

    def on_exit(exit_code: int) -> None:
        for call in on_exits:
            call(exit_code)

    with (
        interrupts.outside_sending(on_exit),
        closing(Events(workspace.state / identity.run_id, ui.say)) as events,
        Notifier(loaded, workspace, identity, environ, events, ui.say) as notifier,
    ):
        is_simulated, today = options.is_simulated, now.date()
        opening = open_run(
            loaded,
            environ,
            is_simulated=is_simulated,
            today=today,
            overwrites=options.overwrites,
        )
        context, key = opening.ready()
        check_address_space()
        workspace.create(overwrites=options.overwrites)
        is_pilot = options.pilot is not None
        record = RunRecord(context, variant, identity, events, is_pilot=is_pilot)
        holder, waiting = Holder.this_process(now), ui.say if options.waits else None
        with Lock(workspace.state, holder, for_run=True, waiting=waiting), record:
            on_exits.append(record.give_up)
            if options.waits:  # the input may have grown meanwhile
                context = open_job(loaded, is_simulated=is_simulated, today=today)
            deadline = None
            if options.max_time_s is not None:
                deadline = time.monotonic() + options.max_time_s
            create = partial(Checkpoint.create, version=__version__, now=now)
            with closing(Writer(workspace.state, create)) as writer:
                record.count_commits(lambda: writer.records)
                session = RunSession(
                    context, options, ui, interrupts, writer, record, key, deadline
                )
                result = _run_steps(session)
        notifier.summary = result.summary
        return result


def _run_steps(session: RunSession) -> RunResult:
    planned = plan_run(session)
    planned = ask_consent(session, planned)
    sent = send_plan(session, planned)
    return finish_run(session, planned, sent)
