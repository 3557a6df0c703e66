"""A job's checkpoint for whoever only looks; an empty one where none is, or a run holds it."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batcher import __version__
from batcher.errors import LockedError
from batcher.runner.commands.results import has_state, opened_checkpoint
from batcher.runner.workspace import Workspace
from batcher.store.checkpoint import Checkpoint


@dataclass(frozen=True, slots=True)
class Found:
    """A checkpoint to plan with; ``held_by`` says which run holds the job's own."""

    checkpoint: Checkpoint
    held_by: str | None = None


@contextmanager
def found_or_empty(workspace: Workspace) -> Iterator[Found]:
    """Open what was recorded, or an empty checkpoint in a temporary folder; leaves no trace."""
    held_by = None
    if has_state(workspace):
        try:
            with opened_checkpoint(workspace) as checkpoint:
                yield Found(checkpoint)
                return
        except LockedError as error:
            held_by = error.message
    with tempfile.TemporaryDirectory(prefix="batcher-") as folder:
        Checkpoint.create(Path(folder), version=__version__, now=datetime.now(UTC))
        checkpoint = Checkpoint(Path(folder))
        try:
            yield Found(checkpoint, held_by)
        finally:
            checkpoint.close()
