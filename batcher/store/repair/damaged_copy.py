"""A copy of a checkpoint that may be damaged, read through a process that may die of it."""

import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path
from types import TracebackType
from typing import Concatenate, ParamSpec, TypeVar

from batcher.errors import CheckpointError
from batcher.store.checkpoint import FILE_NAME
from batcher.store.repair.damaged_reader import prepare
from batcher.store.repair.file_repair import Finding, log_of, mend, take_as_it_is

P = ParamSpec("P")
T = TypeVar("T")


class DamagedCopy:
    """Copies a checkpoint and its log into a folder of ours, and mends the copy where it can.

    The original is only read. ``findings`` tells what was mended so far.
    """

    def __init__(self, original: Path, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.findings: list[Finding] = []
        for source in (original / FILE_NAME, log_of(original / FILE_NAME)):
            if source.exists():
                shutil.copyfile(source, folder / source.name)
        self._process = _start()

    def ask(
        self, work: Callable[Concatenate[Path, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        """Have some work done with the copy, mending it as often as that helps.

        Raises CheckpointError when it does not.
        """
        while True:
            try:
                return self._ask(work, *arguments, **named)
            except CheckpointError as error:
                finding = mend(self.path, error.message)
                if finding is None:
                    raise
                self.findings.append(finding)
                self._restart()

    def ask_whole(self, work: Callable[[Path], T]) -> T:
        """Have some work done that needs all of the catalogue, if need be without its checksums.

        Raises CheckpointError when even that does not help.
        """
        while True:
            try:
                return self.ask(work)
            except CheckpointError as error:
                finding = take_as_it_is(self.path, error.message)
                if finding is None:
                    raise
                self.findings.append(finding)
                self._restart()

    def close(self) -> None:
        """End the process."""
        self._process.shutdown()

    def __enter__(self) -> "DamagedCopy":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(
        self, work: Callable[Concatenate[Path, P], T], *arguments: P.args, **named: P.kwargs
    ) -> T:
        try:
            return self._process.submit(work, self.path, *arguments, **named).result()
        except BrokenProcessPool:
            self._restart()
            raise CheckpointError(f"{self.path}: DuckDB crashed when it read this") from None

    def _restart(self) -> None:
        self._process.shutdown()
        self._process = _start()


def _start() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=prepare)
