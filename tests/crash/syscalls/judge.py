"""Asks a warm process what a crash left behind; see reopen.py for its answers."""

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
    """What became of a folder, in one word of reopen.py, and the particulars."""

    ending: str
    detail: str


class Judge:
    """One process that opens folders, one after the other; imports are paid for once."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "reopen.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def __enter__(self) -> "Judge":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._process:
            self._stdin.close()

    def judge(self, folder: Path, acked: int, *, is_whole: bool, further: int) -> Verdict:
        """Open a folder, see whether the first commits are there, and make some further ones."""
        asked = {"folder": str(folder), "acked": acked, "is_whole": is_whole, "further": further}
        print(json.dumps(asked), file=self._stdin, flush=True)
        assert self._process.stdout is not None
        return Verdict(**json.loads(self._process.stdout.readline()))

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin


def with_judges(work: Callable[[Judge, Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Do some work for each item in order, a few at a time, each with a judge to itself."""
    free: SimpleQueue[Judge] = SimpleQueue()

    def one(item: Item) -> Result:
        judge = free.get()
        try:
            return work(judge, item)
        finally:
            free.put(judge)

    remaining = iter(items)
    with ExitStack() as stack:
        for _ in range(PARALLEL):
            free.put(stack.enter_context(Judge()))
        pool = stack.enter_context(ThreadPoolExecutor(PARALLEL))
        while ahead := list(islice(remaining, AHEAD)):
            yield from pool.map(one, ahead)
