"""The thread that owns the checkpoint and commits records in groups.

Records that arrive together share a commit (``gathering``). Each added record has a future that is
done when the record is on the disk. The records of one turn of the event loop reach the thread
together, so that it wakes up once for them. DuckDB does not run on the main thread, because Ctrl-C
would abort it there.
"""

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

from batcher.errors import CheckpointError
from batcher.late import late_module
from batcher.store import CHECKPOINT_THREAD
from batcher.store.checkpoint import Checkpoint
from batcher.store.committer import Committer
from batcher.store.disk_space import Ballast
from batcher.store.gathering import Addition, Gathering
from batcher.store.records import Record

if TYPE_CHECKING:
    import asyncio
else:
    asyncio = late_module("asyncio")

P = ParamSpec("P")
T = TypeVar("T")


class CheckpointCall(Protocol):
    """Calls a function with the checkpoint in the thread that owns it, as ``Writer.call`` does.

    Parameters of this type are named ``db``.
    """

    def __call__(
        self,
        function: Callable[Concatenate[Checkpoint, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Return ``function(checkpoint, *args, **kwargs)``; raise what the function raises."""


@dataclass(frozen=True, slots=True)
class _Call:
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    done: Future[Any]


class Writer:
    """Opens a folder's checkpoint in its own thread; ``close`` closes it.

    The thread calls ``create`` with the folder first.

    After a failed write no attempt is recorded any more, because a run must not pay for responses
    that it cannot record. Outcomes are still written, one record at a time, into the disk space of
    the ``ballast``, which a run enters before it sends. The future of a record that could not be
    written raises the first failure.

    ``gathering`` decides when a commit is due.
    """

    def __init__(self, folder: Path, create: Callable[[Path], None] = lambda _: None) -> None:
        self.ballast = Ballast(folder)
        self._queue: SimpleQueue[list[Addition] | _Call | None] = SimpleQueue()
        self.gathering = Gathering()
        self._added: list[Addition] = []
        self._lock = threading.Lock()
        opened: Future[Committer] = Future()
        self._thread = threading.Thread(
            target=self._serve, args=(folder, create, opened), name=CHECKPOINT_THREAD, daemon=True
        )
        try:
            self._thread.start()
            self._committer = opened.result()
        except BaseException:
            self.close()
            raise

    @property
    def failure(self) -> CheckpointError | None:
        """The first write that failed, or None."""
        return self._committer.failure

    @property
    def records(self) -> int | None:
        """The number of records in the checkpoint, for any thread; None while it is closed."""
        return self._committer.records

    def add(self, table: str, record: Record) -> "asyncio.Future[None]":
        """Add one record from the event loop; the future is done when it is on the disk."""
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        with self._lock:
            self._added.append(Addition(table, record, done))
            is_first = len(self._added) == 1
        if is_first:
            loop.call_soon(self._hand_over)
        return done

    def call(
        self,
        function: Callable[Concatenate[Checkpoint, P], T],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Call a function with the checkpoint in its thread, after all records added before.

        Returns ``function(checkpoint, *args, **kwargs)``; raises what the function raises.
        """
        done: Future[T] = Future()
        self._hand_over()
        self._queue.put(_Call(function, args, kwargs, done))
        return done.result()

    def close(self) -> None:
        """Write the remaining records and close the file."""
        self._hand_over()
        self._queue.put(None)
        try:
            self._thread.join()
        finally:
            # Wait even after a signal: the process aborts if Python exits while DuckDB is running.
            self._thread.join()

    def _serve(
        self, folder: Path, create: Callable[[Path], None], opened: "Future[Committer]"
    ) -> None:
        try:
            create(folder)
            committer = Committer(folder, self.ballast)
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            opened.set_exception(error)
            return
        opened.set_result(committer)
        gathering = self.gathering
        try:
            while True:
                item = self._next_item(gathering, committer)
                if isinstance(item, list):
                    gathering.add(item)
                    continue
                while not gathering.is_empty:
                    _commit(committer, gathering)
                if item is None:
                    return
                _run_call(item, committer)
        finally:
            committer.close()

    def _next_item(
        self, gathering: Gathering, committer: Committer
    ) -> "list[Addition] | _Call | None":
        """Return the next item of the queue; until it comes, commit what is due."""
        while True:
            try:
                return self._queue.get(timeout=gathering.wait_s())
            except Empty:
                _commit(committer, gathering)

    def _hand_over(self) -> None:
        """Pass the records that were added to the thread."""
        with self._lock:
            added, self._added = self._added, []
            if added:
                self._queue.put(added)


def _commit(committer: Committer, gathering: Gathering) -> None:
    group = gathering.take()
    written = committer.write([(addition.table, addition.record) for addition in group])
    # After a second Ctrl-C the event loop is closed; the written records stay on the disk.
    with contextlib.suppress(RuntimeError):
        loop = group[0].done.get_loop()
        loop.call_soon_threadsafe(_resolve, group, written, committer.failure)
    committer.fold()
    gathering.committed()


def _resolve(group: list[Addition], written: list[bool], failure: CheckpointError | None) -> None:
    for addition, is_written in zip(group, written, strict=True):
        if addition.done.done():
            continue
        if is_written or failure is None:
            addition.done.set_result(None)
        else:
            addition.done.set_exception(failure)


def _run_call(call: _Call, committer: Committer) -> None:
    try:
        call.done.set_result(call.function(committer.checkpoint, *call.args, **call.kwargs))
    except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
        call.done.set_exception(error)
