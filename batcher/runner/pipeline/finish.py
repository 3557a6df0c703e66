"""The last step of a run: writes the output, decides the exit code, and records how it ended."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from signal import SIGINT, SIGTERM
from typing import TYPE_CHECKING

from batcher.core.pace.halt import Halt
from batcher.errors import CheckpointError, ConfigurationError
from batcher.exit_codes import ExitCode
from batcher.runner.options import RunResult
from batcher.runner.pipeline.session import PlannedRun, RunSession
from batcher.runner.planning.planner import Plan, comparison_of
from batcher.runner.record.accounting import summarize
from batcher.runner.signals import Terminated, exit_code_of
from batcher.runner.writing.output import Exported, Target, export_parquet
from batcher.runner.writing.quality import Quality
from batcher.store.checkpoint import Checkpoint
from batcher.store.records import RunEnd, Settled
from batcher.store.results import begin_results

if TYPE_CHECKING:
    from batcher.runner.pipeline.sending import SendResult


def finish_run(session: RunSession, planned: PlannedRun, sent: "SendResult | None") -> RunResult:
    """End a run in order; ``sent`` is None when there was nothing to send."""
    db, plan = session.writer.call, planned.plan
    progress = None if sent is None else sent.progress
    halt = None if progress is None else progress.halt
    signal = None if sent is None else sent.signal
    exported = None
    has_results = session.writer.failure is None
    if has_results:
        if sent is not None:
            db(Checkpoint.commit, {"settled": _settled(sent, session.run_id)})
        db(begin_results)
    if halt is None and signal is None and session.options.pilot is None:
        try:
            exported, halt = _export(session, plan, has_sent=sent is not None)
        except (KeyboardInterrupt, Terminated) as error:
            if sent is None:
                raise
            # What was paid for is recorded; the output is written by the next run.
            signal = SIGTERM if isinstance(error, Terminated) else SIGINT
    code = _exit_code(session, plan, halt, signal, exported)
    if sent is not None:
        db(Checkpoint.commit, {"run_ends": [RunEnd(session.run_id, datetime.now(UTC), code)]})
    allowance = session.context.job.retry.unknown_attempts
    accounting = db(summarize, session.run_id, allowance, has_results=has_results)
    summary = session.record.ended(code, halt, accounting, exported, progress)
    result = RunResult(code, session.run_id, summary, exported, halt)
    if exported is None:
        return result
    source = session.context.source
    return replace(result, grown=source.grown, added=tuple(source.added()))


def _settled(sent: "SendResult", run_id: str) -> list[Settled]:
    """Return the failures that are final now that the run is over."""
    progress = sent.progress
    is_complete = sent.signal is None and progress.stopped_by is None and progress.halt is None
    suspects = progress.watch.suspects
    return [Settled(attempt_id, run_id) for attempt_id in suspects.rest(is_complete=is_complete)]


def _export(
    session: RunSession, plan: Plan, *, has_sent: bool
) -> tuple[Exported | None, Halt | None]:
    """Write the output; when a run that has sent cannot write it, that ends the run in order."""
    session.record.writing()
    context, path = session.context, session.context.workspace.output
    is_whole = session.options.retrying is None and not comparison_of(context).is_part
    quality = Quality.of(context, session.run_id, is_whole=is_whole)
    try:
        # Another program may have written there since the run began.
        context.workspace.check_output(overwrites=session.options.overwrites)
        exported = export_parquet(
            context,
            plan,
            session.writer.call,
            Target(path, session.run_id),
            partial(session.read, "writing"),
            quality,
        )
    except (ConfigurationError, CheckpointError) as error:
        if not has_sent:
            raise
        return None, Halt.of_error(error)
    except OSError as error:
        hint = "make room, then run the same command again: every answer is recorded"
        return None, Halt(
            ExitCode.ERROR, f"the output cannot be written: {path}: {error.strerror}", hint
        )
    return exported, None


def _exit_code(
    session: RunSession,
    plan: Plan,
    halt: Halt | None,
    signal: int | None,
    exported: Exported | None,
) -> ExitCode:
    if halt is not None:
        return halt.exit_code
    if signal is not None:
        return exit_code_of(signal)
    if exported is None:
        return ExitCode.OK  # a pilot has no output
    job, items = session.context.job, plan.counts.items
    fine = ["succeeded", "skipped"]
    if job.labels.on_invalid == "keep":
        fine.append("invalid")
    failed = items - sum(exported.by_status.get(status, 0) for status in fine)
    if failed <= job.limits.max_failed * items:
        return ExitCode.OK
    return ExitCode.UNREACHABLE if exported.open_rows else ExitCode.ROWS_FAILED
