"""Leaves the files that batcher writes, and the files of the job, out of a folder or glob."""

import json
import os
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from batcher.core.written_files import (
    METADATA_KEY,
    is_batch_result,
    is_plan,
    is_run_folder,
    is_state_file,
    is_state_folder,
    output_prefix,
)
from batcher.errors import InputError
from batcher.inputs.files import Selected
from batcher.inputs.formats.lines import lines

_PLAN_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class OwnFiles:
    """Recognizes batcher's own files.

    ``parts`` are the files that the job is made of, ``states`` the folders of its state, ``home``
    is the folder of the job file, which may be a state folder itself.
    """

    home: Path
    parts: frozenset[Path] = frozenset()
    states: tuple[Path, ...] = ()
    _folders: dict[Path, bool] = field(default_factory=dict, repr=False)

    def select(self, files: Iterable[Path]) -> Selected:
        """Leave out own files; the outputs of other jobs are kept when there is nothing else.

        A job whose input is nothing but outputs of another job continues its work.
        """
        mine = [file for file in files if not self._is_of_a_job(file)]
        outputs = {file: run_id for file in mine if (run_id := _run_of(file)) is not None}
        others = [file for file in mine if file not in outputs]
        if others:
            return Selected(others, list(outputs))
        foreign = [file for file, run_id in outputs.items() if not self._has_run(run_id)]
        return Selected(foreign, [file for file in outputs if file not in foreign])

    def _is_of_a_job(self, file: Path) -> bool:
        """Return whether a file is part of this job, of the state of a job, or a plan."""
        if Path(os.path.realpath(file)) in self.parts or _is_plan_file(file):
            return True
        if is_state_file(file.name) and self._holds_state(file.parent):
            return True
        return any(
            is_run_folder(folder.name) or self._holds_state(folder)
            for folder in file.parents
            if not self.home.is_relative_to(folder)
        )

    def _holds_state(self, folder: Path) -> bool:
        if folder not in self._folders:
            self._folders[folder] = is_state_folder(lambda name: (folder / name).exists())
        return self._folders[folder]

    def _has_run(self, run_id: str) -> bool:
        return bool(run_id) and any((state / run_id).is_dir() for state in self.states)


def _run_of(file: Path) -> str | None:
    """Return the run that wrote an output, empty when it names none; None for any other file."""
    if not file.is_file():
        return None  # opening a pipe waits for a writer
    if file.suffix.lower() == ".parquet":
        return _run_of_parquet(file)
    first = _first_row(file)
    if first is None or is_batch_result(first):
        return None if first is None else ""
    prefix = output_prefix(first)
    return None if prefix is None else str(first[f"{prefix}run_id"] or "")


def _run_of_parquet(file: Path) -> str | None:
    try:
        content = pq.read_metadata(file).metadata or {}
        metadata = json.loads(content[METADATA_KEY])
        return str(metadata.get("run_id", ""))
    except (OSError, KeyError, ValueError, AttributeError, pa.ArrowException):
        return None  # what is wrong with it is said when it is read


def _first_row(file: Path) -> dict[str, object] | None:
    """Return the object in the first line of a JSONL file; None when there is none."""
    try:
        with closing(lines(file, file.name)) as content:
            row = json.loads(next(content, None) or b"")
    except (InputError, OSError, ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _is_plan_file(file: Path) -> bool:
    if file.suffix.lower() != ".json" or not file.is_file():
        return False
    try:
        return file.stat().st_size <= _PLAN_BYTES and is_plan(json.loads(file.read_bytes()))
    except (OSError, ValueError, RecursionError):
        return False
