"""Lists the Message Batches of a job, cancels them, and deletes them at the API."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from batcher.api.batches_client import BatchesClient
from batcher.api.client import open_access
from batcher.api.key import Secret
from batcher.core.answers.outcome import Verdict, classify
from batcher.core.answers.response import NoResponse, Response
from batcher.core.batches.actions import Action, is_chosen, obstacle
from batcher.core.batches.wire import BatchObject, UnreadableBatch, is_deleted, parse_batch
from batcher.core.pace.halt import halt_of
from batcher.errors import ConfigurationError
from batcher.exit_codes import ExitCode
from batcher.inputs.job_file.load import LoadedJob
from batcher.runner.commands.results import check_has_run, open_checkpoint
from batcher.runner.job_context import asks_simulator
from batcher.runner.workspace import Workspace
from batcher.store.batches import StoredBatch, add_event, stored_batches
from batcher.store.lock import Holder, Lock
from batcher.store.records import BatchEvent, BatchEventName
from batcher.store.writer import CheckpointCall, Writer

_AGAIN = "run the same command again"
_OTHER_KEY = (
    "the API does not show it to this key, and another key submitted it; "
    "use a key of the workspace that submitted it"
)


@dataclass(frozen=True, slots=True)
class ActedOn:
    """A batch that was to be canceled or deleted, and what came of it.

    ``exit_code`` is OK when it was canceled or deleted, or had been; ``message`` says which.
    """

    batch: StoredBatch
    message: str
    exit_code: ExitCode = ExitCode.OK


def read_batches(
    loaded: LoadedJob, names: Sequence[str] = (), *, is_simulated: bool
) -> list[StoredBatch]:
    """Return the named batches of a job, or every one, oldest first; sends nothing.

    Raises ConfigurationError when the job has not run yet or has no such batch, and LockedError
    while a run is going on.
    """
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    check_has_run(workspace, loaded)
    with open_checkpoint(workspace) as checkpoint:
        batches = stored_batches(checkpoint)
    return _named(batches, names) if names else batches


def act_on_batches(
    loaded: LoadedJob,
    action: Action,
    names: Sequence[str],
    environ: Mapping[str, str],
    *,
    is_simulated: bool,
) -> list[ActedOn]:
    """Cancel or delete batches, and record for each that it was done.

    ``names`` are the API's ids or batcher's numbers; without any, all batches are meant for which
    it makes sense: those at the API that are not canceled yet, or those that are fetched.
    A refusal that concerns all of them, such as one of the key, ends it.
    Raises ConfigurationError for a name that no batch has and for a batch in a wrong state, before
    anything is sent, and LockedError while a run is going on.
    """
    if asks_simulator(loaded, is_simulated=is_simulated):
        raise ConfigurationError(
            f"nothing to {action}: the batches of the embedded simulator end with its run",
            hint="leave out --simulate, or set api.base_url",
        )
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    check_has_run(workspace, loaded)
    key = open_access(loaded.job.api, environ)
    holder = Holder.this_process(datetime.now(UTC))
    with Lock(workspace.state, holder), closing(Writer(workspace.state)) as writer:
        chosen = _chosen(writer.call(stored_batches), action, names)
        timeout_s = float(loaded.job.limits.timeout_s)
        client = BatchesClient(loaded.job.api, key, timeout_s=timeout_s)
        return asyncio.run(_Actions(client, writer.call, key, action).all(chosen))


def _chosen(
    batches: Sequence[StoredBatch], action: Action, names: Sequence[str]
) -> list[StoredBatch]:
    """Return the batches that are meant; raises ConfigurationError for one in a wrong state."""
    if not names:
        return [batch for batch in batches if is_chosen(action, batch.state)]
    chosen = _named(batches, names)
    for batch in chosen:
        reason = obstacle(action, batch.state)
        if reason is not None:
            raise ConfigurationError(
                f"batch {batch.record.batch} is {batch.state}: {reason}; nothing was sent",
                hint="leave this batch out",
            )
    return chosen


def _named(batches: Sequence[StoredBatch], names: Sequence[str]) -> list[StoredBatch]:
    """Return the batches with these numbers or ids; raises ConfigurationError without one."""
    by_name = {str(batch.record.batch): batch for batch in batches}
    by_name |= {batch.id: batch for batch in batches if batch.id is not None}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise ConfigurationError(
            f"this job has no batch {unknown[0]}; nothing was sent",
            hint="name a batch by its number or its id, as batcher batches lists them",
        )
    numbers = {by_name[name].record.batch for name in names}
    return [batch for batch in batches if batch.record.batch in numbers]


@dataclass(frozen=True, slots=True)
class _Actions:
    """One action on several batches, one after the other."""

    client: BatchesClient
    db: CheckpointCall
    key: Secret | None
    action: Action

    async def all(self, batches: Sequence[StoredBatch]) -> list[ActedOn]:
        """Act on each batch until the API refuses them all."""
        acted: list[ActedOn] = []
        for batch in batches:
            done, is_refusing_all = await self._one(batch)
            acted.append(done)
            if is_refusing_all:
                break
        return acted

    async def _one(self, batch: StoredBatch) -> tuple[ActedOn, bool]:
        """Return what came of one batch, and whether every other one would be refused, too."""
        batch_id = batch.id or ""
        is_cancel = self.action == "cancel"
        response = await (self.client.cancel if is_cancel else self.client.delete)(batch_id)
        if isinstance(response, NoResponse) or response.fault is not None:
            return _failed(batch, response)
        if response.status == 404:
            return self._on_unknown(batch), False
        if response.status == 400 and is_cancel and await self._has_ended(batch_id):
            return ActedOn(batch, "has ended already; a run collects its results"), False
        if response.status != 200:
            return _failed(batch, response)
        if is_cancel and _batch_in(response) is not None:
            return self._recorded(batch, "cancel", "canceled"), False
        if not is_cancel and is_deleted(response.body, batch_id):
            return self._recorded(batch, "deleted", "deleted"), False
        unclear = f"the response cannot be read; {_AGAIN}"
        return ActedOn(batch, unclear, ExitCode.UNREACHABLE), False

    def _recorded(self, batch: StoredBatch, event: BatchEventName, message: str) -> ActedOn:
        self.db(add_event, BatchEvent(batch.record.batch, event, batch.id, datetime.now(UTC)))
        return ActedOn(batch, message)

    def _on_unknown(self, batch: StoredBatch) -> ActedOn:
        """Decide about a batch that the API does not show: to this key, or to nobody any more."""
        digest = "" if self.key is None else self.key.digest(batch.record.marker)
        if digest != batch.record.key_digest:
            return ActedOn(batch, _OTHER_KEY, ExitCode.REFUSED)
        if self.action == "delete":
            return self._recorded(batch, "deleted", "had been deleted already")
        return ActedOn(batch, "the API does not know it any more", ExitCode.REFUSED)

    async def _has_ended(self, batch_id: str) -> bool:
        response = await self.client.retrieve(batch_id)
        found = _batch_in(response) if isinstance(response, Response) else None
        return found is not None and found.has_ended


def _batch_in(response: Response) -> BatchObject | None:
    """Return the batch in a response; None when there is none."""
    if (response.status, response.fault) != (200, None):
        return None
    try:
        return parse_batch(response.body)
    except UnreadableBatch:
        return None


def _failed(batch: StoredBatch, response: Response | NoResponse) -> tuple[ActedOn, bool]:
    """Return what a failed call means, and whether every other one would end in the same way."""
    outcome = classify(response)
    halt = halt_of(outcome)
    if outcome.verdict is Verdict.RETRY:
        return ActedOn(batch, f"{halt.message}; {_AGAIN}", ExitCode.UNREACHABLE), False
    hint = f"; {outcome.hint}" if outcome.hint else ""
    acted = ActedOn(batch, f"{halt.message}{hint}", halt.exit_code)
    return acted, outcome.verdict is Verdict.HALT
