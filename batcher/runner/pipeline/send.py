"""The third step of a run: records its start, opens the server, and sends what the plan says."""

from typing import TYPE_CHECKING

from batcher.late import late
from batcher.runner.garbage import rare_collections
from batcher.runner.open_files import make_room_for
from batcher.runner.pipeline.session import PlannedRun, RunSession
from batcher.runner.planning.planner import comparison_of
from batcher.runner.record.accounting import record_start
from batcher.store.batches import has_open_batches
from batcher.store.checkpoint import Checkpoint
from batcher.store.plans import record_rows_seen
from batcher.store.retries import record_replacements

if TYPE_CHECKING:
    from batcher.runner.pipeline.sending import SendResult, send_all
    from batcher.runner.simulator_process import server_of
else:
    send_all = late("batcher.runner.pipeline.sending", "send_all")
    server_of = late("batcher.runner.simulator_process", "server_of")

_SIMULATED_LATENCY = 0.05
_SIMULATED_VARIETY = 0.25


def send_plan(session: RunSession, planned: PlannedRun) -> "SendResult | None":
    """Send what the plan says, and collect what waits in batches; None when there is neither."""
    _note_requests(session)
    if not planned.plan.counts.to_send and not session.writer.call(has_open_batches):
        return None
    files = make_room_for(planned.sending.job.limits.concurrency)
    if files.is_narrow:
        session.ui.say(f"warning  {files.message}")
    with session.writer.ballast:
        session.record.sending()
        record_start(
            session.context,
            planned.sending,
            session.run_id,
            session.started,
            session.writer.call,
        )
        first_attempt_id = session.writer.call(Checkpoint.next_attempt_id)
        variety = _SIMULATED_VARIETY if session.context.samples > 1 else 0.0
        simulated = server_of(session.context, _SIMULATED_LATENCY, variety)
        with simulated as api, rare_collections():
            return send_all(session, planned, api, first_attempt_id, files.connections)


def _note_requests(session: RunSession) -> None:
    """Remember what rows ask now: the next run tells new, changed and removed rows by it."""
    if session.options.retrying is None:
        session.writer.call(record_rows_seen, comparison_of(session.context))
    else:
        session.writer.call(record_replacements, session.run_id)
