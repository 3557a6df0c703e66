"""Examines a job's checkpoint and output, and writes a repaired copy of a damaged checkpoint."""

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from batcher.core.plural import counted
from batcher.errors import CheckpointError, ConfigurationError
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.atomic import sync_folder
from batcher.outputs.seal import read_seal
from batcher.runner.workspace import Workspace
from batcher.store.checkpoint import FILE_NAME
from batcher.store.lock import Holder, Lock
from batcher.store.repair.examination import Examination, examine
from batcher.store.repair.file_repair import Finding

_NOT_COPIED = (f"{FILE_NAME}*", "watermark", "lock", "spill")


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is wrong with a job's state; ``repaired`` is the folder of the repaired copy, if any."""

    workspace: Workspace
    checkpoint: Examination
    output: Finding
    repaired: Path | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """All findings; the output is the last one."""
        return (*self.checkpoint.findings, self.output)

    @property
    def is_sound(self) -> bool:
        """Whether no action is needed."""
        return all(finding.is_harmless for finding in self.findings)


def diagnose(loaded: LoadedJob, *, is_simulated: bool, out: Path | None = None) -> Diagnosis:
    """Examine a job's state without changing it; a repaired copy goes to ``out``, or beside it.

    With ``out`` the state may be on a read-only medium. Raises LockedError while a run or another
    command uses it, and ConfigurationError when the job has not run yet, or when there is a
    repaired copy already.
    """
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    state, now = workspace.state, datetime.now(UTC)
    if not state.is_dir():
        raise ConfigurationError(
            f"no run yet: there is no folder {state}",
            hint=f"batcher run {shlex.quote(str(loaded.path))}",
        )
    repaired = _repaired_path(state, out)
    # Nobody can run the job in a folder that cannot be written.
    is_shared = not os.access(state, os.W_OK)
    holder = Holder.this_process(now)
    with Lock(state, holder, is_shared=is_shared), _scratch(repaired) as scratch:
        copied, whole = scratch / "damaged", scratch / "whole"
        copied.mkdir()
        whole.mkdir()
        examination = examine(state, copied, whole, now)
        output = check_output(workspace)
        if examination.open_attempts is None:
            return Diagnosis(workspace, examination, output, None)
        ignored = shutil.ignore_patterns(*_NOT_COPIED)
        shutil.copytree(state, whole, ignore=ignored, dirs_exist_ok=True)
        whole.rename(repaired)
        sync_folder(repaired.parent)
    return Diagnosis(workspace, examination, output, repaired)


def check_output(workspace: Workspace) -> Finding:
    """Compare the output with its seal, which a run writes to the state folder."""
    seal, name = read_seal(workspace.state), workspace.output.name
    if not workspace.output.exists():
        return Finding("output_none", f"there is no output {name}; a run writes it", True)
    if seal is None:
        return Finding("output_unsealed", f"{name} has no seal to compare it with", True)
    changed = seal.changed_files(workspace.output)
    if changed:
        return Finding(
            "output_changed",
            f"changed since it was written: {', '.join(changed)}; a run writes the output again",
        )
    rows = sum(file.rows for file in seal.files)
    return Finding(
        "output_sound", f"{name} is unchanged since it was written: {counted(rows, 'row')}", True
    )


def _repaired_path(state: Path, out: Path | None) -> Path:
    """Return the folder for a repaired copy; it must be free."""
    path = out or state.with_name(f"{state.name}.repaired")
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ConfigurationError(
            f"{path} exists already and would be overwritten",
            hint=f"use it instead of {state}, or move it away, or name another folder with --out",
        )
    return path


@contextmanager
def _scratch(repaired: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the repaired copy, on the same disk."""
    scratch = repaired.with_name(f".{repaired.name}.new")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        yield scratch
    except (OSError, MemoryError) as error:
        reason = "not enough memory" if isinstance(error, MemoryError) else error.strerror
        raise CheckpointError(
            f"{getattr(error, 'filename', None) or repaired}: {reason}",
            hint="nothing was changed; doctor needs a writable folder (name it with --out), disk "
            "space for two copies, and up to 2 GiB of memory",
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
