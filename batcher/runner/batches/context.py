"""What the parts of the batch delivery share."""

import asyncio
import secrets
import string
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from batcher.api.batches_client import BatchesClient
from batcher.core.batches.custom_id import MARKER_CHARACTERS
from batcher.core.batches.durations import Durations
from batcher.core.job.run_sections import DeliverySection
from batcher.core.pace.halt import Halt
from batcher.errors import BatcherError
from batcher.exit_codes import ExitCode
from batcher.runner.batches.calls import CallRefusedError, Calls
from batcher.runner.job_context import JobContext
from batcher.runner.sending.context import SendContext
from batcher.store.checkpoint import Checkpoint
from batcher.store.writer import CheckpointCall

P = ParamSpec("P")
T = TypeVar("T")

_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True, slots=True)
class BatchContext:
    """What the parts of the batch delivery share; made once for each run.

    ``sending`` is the job whose requests are sent. ``folder`` takes the bodies on their way.
    ``durations`` are those of batches, as far as they are known. ``key_digest`` returns
    a hash of the key for the marker of a batch, which tells another key; empty without a key.
    ``failure`` is the first write to the checkpoint that failed, or None. ``say`` shows a message,
    ``event`` writes an event with its facts.
    """

    ctx: SendContext
    sending: JobContext
    client: BatchesClient
    calls: Calls
    durations: Durations
    checkpoint: CheckpointCall
    folder: Path
    key_digest: Callable[[str], str]
    failure: Callable[[], BatcherError | None]
    say: Callable[[str], None]
    event: Callable[..., None]

    @property
    def section(self) -> DeliverySection:
        """The job's section [delivery]."""
        return self.sending.job.delivery

    def check_key(self, name: str, marker: str, digest: str) -> None:
        """Raise CallRefusedError for a batch that another key submitted, and that is not shown.

        ``digest`` is the hash of the key that submitted the batch ``name`` with this marker.
        """
        if digest != self.key_digest(marker):
            raise CallRefusedError(
                Halt(
                    ExitCode.REFUSED,
                    f"the API does not show {name} to this key: another key submitted it",
                    "run the same command with a key of the workspace that submitted the batch",
                )
            )

    async def db(
        self,
        function: Callable[Concatenate[Checkpoint, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a function with the checkpoint, without blocking the event loop."""
        return await asyncio.to_thread(self.checkpoint, function, *args, **kwargs)


def new_marker() -> str:
    """Return the marker of a new batch; no two batches have the same."""
    return "".join(secrets.choice(_LETTERS) for _ in range(MARKER_CHARACTERS))


async def first_of(
    *events: asyncio.Event,
    work: "asyncio.Task[None] | None" = None,
    wait_s: float | None = None,
) -> None:
    """Wait until one of some events is set, other work has ended, or a time is over."""
    tasks = [asyncio.create_task(event.wait()) for event in events]
    waited = [*tasks, *([work] if work is not None else [])]
    try:
        await asyncio.wait(waited, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)
