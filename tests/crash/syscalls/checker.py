"""Checks a folder after a crash, in a running process; see reopen.py for the verdicts."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import IO, TypeVar

from traced import ENVIRONMENT, HERE

Item = TypeVar("Item")
Result = TypeVar("Result")

PARALLEL = 2
AHEAD = 32


@dataclass(frozen=True, slots=True)
class Verdict:
    """The state of a folder: one of the words in reopen.py, and details."""

    ending: str
    detail: str


class Checker:
    """A process that opens folders, one after the other, and imports batcher only once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "reopen.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def __enter__(self) -> "Checker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._process:
            self._stdin.close()

    def check(self, folder: Path, acked: int, *, is_complete: bool, further: int) -> Verdict:
        """Open a folder, check that the acknowledged commits are there, and make further ones."""
        order = {
            "folder": str(folder),
            "acked": acked,
            "is_complete": is_complete,
            "further": further,
        }
        print(json.dumps(order), file=self._stdin, flush=True)
        assert self._process.stdout is not None
        return Verdict(**json.loads(self._process.stdout.readline()))

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin


def with_checkers(
    work: Callable[[Checker, Item], Result], items: Iterable[Item]
) -> Iterator[Result]:
    """Call ``work`` for each item, in order, a few at a time, each with its own checker."""
    free: SimpleQueue[Checker] = SimpleQueue()

    def work_on(item: Item) -> Result:
        checker = free.get()
        try:
            return work(checker, item)
        finally:
            free.put(checker)

    remaining = iter(items)
    with ExitStack() as stack:
        for _ in range(PARALLEL):
            free.put(stack.enter_context(Checker()))
        pool = stack.enter_context(ThreadPoolExecutor(PARALLEL))
        while ahead := list(islice(remaining, AHEAD)):
            yield from pool.map(work_on, ahead)
