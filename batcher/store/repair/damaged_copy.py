"""A copy of a possibly damaged checkpoint, read in a separate process, because DuckDB may crash."""

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
from batcher.store.repair.damaged_reader import prepare_process
from batcher.store.repair.file_repair import Finding, accept_block, fix_copy, log_of

P = ParamSpec("P")
T = TypeVar("T")


class DamagedCopy:
    """Copies a checkpoint and its log into a folder, and fixes the copy where possible.

    The original is only read. ``findings`` has the problems fixed so far.
    """

    def __init__(self, original: Path, folder: Path) -> None:
        self.path = folder / FILE_NAME
        self.findings: list[Finding] = []
        for source in (original / FILE_NAME, log_of(original / FILE_NAME)):
            if source.exists():
                shutil.copyfile(source, folder / source.name)
        self._process = _start()

    def call(
        self, function: Callable[Concatenate[Path, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Call a function with the path of the copy; fix the copy and try again after an error.

        Raises CheckpointError when the error cannot be fixed.
        """
        while True:
            try:
                return self._call(function, *args, **kwargs)
            except CheckpointError as error:
                finding = fix_copy(self.path, error.message)
                if finding is None:
                    raise
                self.findings.append(finding)
                self._restart()

    def call_or_accept(self, function: Callable[[Path], T]) -> T:
        """Like ``call``, but also accept blocks whose checksum is wrong.

        For functions that read the whole catalogue. Raises CheckpointError when that fails, too.
        """
        while True:
            try:
                return self.call(function)
            except CheckpointError as error:
                finding = accept_block(self.path, error.message)
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

    def _call(
        self, function: Callable[Concatenate[Path, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        try:
            return self._process.submit(function, self.path, *args, **kwargs).result()
        except BrokenProcessPool:
            self._restart()
            raise CheckpointError(f"{self.path}: DuckDB crashed while reading it") from None

    def _restart(self) -> None:
        self._process.shutdown()
        self._process = _start()


def _start() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=prepare_process)
