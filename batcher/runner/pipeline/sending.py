"""Sends a plan in one event loop, live or in batches, and ends early when something says so."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

from batcher.api.client import MessagesClient
from batcher.core.job import ApiSection
from batcher.core.money.display import rounded_text
from batcher.core.pace.halt import Basis, Halt, Unsent, budget_reached
from batcher.core.plural import counted
from batcher.errors import BatcherError, CheckpointError, InputError
from batcher.exit_codes import ExitCode
from batcher.runner.batches.rounds import Rounds
from batcher.runner.days import budget_day
from batcher.runner.pipeline.batch import make_rounds
from batcher.runner.pipeline.send_context import new_context, new_progress
from batcher.runner.pipeline.session import PlannedRun, RunSession
from batcher.runner.sending.context import SendContext
from batcher.runner.sending.progress import Progress
from batcher.runner.sending.ticker import Ticker
from batcher.runner.sending.workers import send_live
from batcher.store.batches import has_open_batches
from batcher.store.disk_space import LOG_BYTES, disk_full, free_bytes

_SECOND_SIGNAL = "press Ctrl-C again to quit now; requests in flight may still be billed"


@dataclass(slots=True)
class SendResult:
    """How sending ended: its counts, and the number of the signal that stopped it, if one did.

    Any other reason to stop early is ``progress.halt``.
    """

    progress: Progress
    signal: int | None = None


def send_all(
    session: RunSession,
    planned: PlannedRun,
    api: ApiSection,
    first_attempt_id: int,
    connections: int,
) -> SendResult:
    """Send in an event loop of its own; see ``send``."""
    return asyncio.run(send(session, planned, api, first_attempt_id, connections))


async def send(
    session: RunSession,
    planned: PlannedRun,
    api: ApiSection,
    first_attempt_id: int,
    connections: int,
) -> SendResult:
    """Send what the plan says to ``api``; return when all that came back is on the disk.

    ``connections`` is how many requests may be in flight at once.

    An error on the way ends as a halt, not as an exception: a run that was paid for needs an end.
    """
    job, stopping = planned.sending.job, asyncio.Event()
    progress = new_progress(session, planned, stopping)
    client = MessagesClient(
        api,
        session.key,
        connections=connections,
        timeout_s=float(job.limits.timeout_s),
    )
    attempt_ids = count(first_attempt_id)
    ctx = new_context(session, planned, client, attempt_ids, progress, stopping)
    rounds = None
    if planned.route.takes_batches or session.writer.call(has_open_batches):
        rounds = make_rounds(session, planned, api, ctx, progress)
    return await _Sending(session, planned, ctx, client, SendResult(progress), rounds).run()


@dataclass(frozen=True, slots=True)
class _Sending:
    session: RunSession
    planned: PlannedRun
    ctx: SendContext
    client: MessagesClient
    result: SendResult
    rounds: Rounds | None

    @property
    def progress(self) -> Progress:
        return self.result.progress

    async def run(self) -> SendResult:
        session, ctx, progress = self.session, self.ctx, self.progress
        with self._stopped_by_signals(), self._stopped_at_deadline():
            ticker = Ticker(ctx, progress, session.ui, session.record.running, self._disk_problem)
            ticking = asyncio.create_task(ticker.run())
            try:
                await self._deliver()
            except (InputError, CheckpointError) as error:
                progress.halt = _halt(error)
            finally:
                ticking.cancel()
                await asyncio.gather(ticking, return_exceptions=True)
                await self.client.aclose()
                progress.limits = ctx.rate_gate.known_limits
                ticker.show_end()
                session.ui.end()
            progress.halt = (
                _halt(session.writer.failure)
                or progress.halt
                or self._deadline_halt()
                or self._budget_halt()
            )
            ticker.end()
        return self.result

    async def _deliver(self) -> None:
        if self.rounds is None:
            await send_live(self.planned.sending, self.planned.plan, self.ctx)
        else:
            await self.rounds.run(self.planned.plan)

    @contextmanager
    def _stopped_by_signals(self) -> Iterator[None]:
        """Drain on the first signal; quit at once on the second."""
        loop = asyncio.get_running_loop()

        def stop(number: int) -> None:
            self.result.signal = number
            self.progress.stopped_by = signal.Signals(number).name
            loop.call_soon_threadsafe(self._drain, "stopping", f"; {_SECOND_SIGNAL}")

        with self.session.interrupts.while_sending(stop, self._exit_message, self._on_exit):
            yield

    def _exit_message(self) -> str:
        in_flight = self.ctx.in_flight
        unrecorded = len(in_flight.unrecorded)
        also = f" and {counted(unrecorded, 'response')} not on the disk yet" if unrecorded else ""
        also += f"; {in_flight.batches}" if in_flight.batches else ""
        return (
            f"stopped at once with {counted(in_flight.attempts, 'request')} in flight{also}; "
            f"up to {rounded_text(in_flight.unknown_usd)} may be billed without a record"
        )

    def _on_exit(self, exit_code: int) -> None:
        """Leave files in order when the process ends in the middle of sending."""
        self.session.writer.ballast.drop()
        self.session.record.give_up(exit_code, self.ctx.in_flight.unknown_usd)

    @contextmanager
    def _stopped_at_deadline(self) -> Iterator[None]:
        """Drain at the deadline; send nothing when it has passed already."""
        loop, deadline = asyncio.get_running_loop(), self.session.deadline

        def stop() -> None:
            self.progress.stopped_by = self.progress.stopped_by or "deadline"
            self._drain("the time is up")

        if deadline is None:
            yield
            return
        if loop.time() >= deadline:
            stop()
            yield
            return
        timer = loop.call_at(deadline, stop)
        try:
            yield
        finally:
            timer.cancel()

    def _drain(self, reason: str, hint: str = "") -> None:
        self.ctx.stopping.set()
        in_flight = self.ctx.in_flight
        waiting = f": waiting for {counted(in_flight.attempts, 'request')} in flight"
        if in_flight.batches and not in_flight.attempts:
            waiting = ""
        self.session.ui.say(f"{reason}{waiting}{hint}")

    def _disk_problem(self) -> Halt | None:
        """Check that the checkpoint can take what is in flight; may wait for the disk."""
        folder, in_flight = self.session.context.workspace.state, self.ctx.in_flight
        incoming = in_flight.attempts + len(in_flight.unrecorded)
        needed = 2 * incoming * self.progress.longest_answer  # in the log and in the journal
        is_short = free_bytes(folder) < LOG_BYTES + needed
        return _halt(self.session.writer.failure or (disk_full(folder) if is_short else None))

    def _deadline_halt(self) -> Halt | None:
        left = self.progress.to_send - self.progress.done
        if self.progress.stopped_by != "deadline" or not left:
            return None
        return Halt(
            ExitCode.TIME_IS_UP,
            f"the time is up; {counted(left, 'row is', 'rows are')} left",
            "run the same command again to go on",
        )

    def _budget_halt(self) -> Halt | None:
        """Say what is left when the budget, and nothing else, kept rows from being sent."""
        progress, gate = self.progress, self.ctx.budget_gate
        left, state = progress.to_send - progress.done, gate.state
        if state is None or not gate.left_out or not left:
            return None
        if progress.stopped_by not in (None, "budget"):
            return None  # a signal is reported first
        day = budget_day(self.planned.sending.job.budget, self.session.started)
        usd, basis = self._cost_of(left)
        approval = self.session.options.approval
        return budget_reached(
            state,
            Unsent(left, usd, basis, gate.largest_left_out),
            next_day=None if day is None else day.end,
            plan_cap_usd=None if approval is None else approval.cap_usd,
        )

    def _cost_of(self, rows: int) -> tuple[Decimal, Basis]:
        """Estimate what the remaining rows cost, in USD, from the best evidence that there is."""
        progress, estimate = self.progress, self.planned.estimate
        if progress.mean_usd is not None:
            return progress.mean_usd * rows, Basis.RUN
        if estimate is not None:
            return estimate.usd.expected / progress.to_send * rows, Basis.ESTIMATE
        # A job with a budget has a bound for everything that is to be sent.
        return self.planned.plan.counts.worst_case_usd or Decimal(0), Basis.BOUND


def _halt(error: BatcherError | None) -> Halt | None:
    return None if error is None else Halt.of_error(error)
