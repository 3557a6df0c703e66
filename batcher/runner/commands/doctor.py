"""Examines a job's checkpoint and output, and writes a repaired copy of a damaged checkpoint."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

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


def diagnose(loaded: LoadedJob, *, is_simulated: bool) -> Diagnosis:
    """Examine a job's state without changing it.

    Raises LockedError while a run or another command uses it, and ConfigurationError when the job
    has not run yet, or when there is a repaired copy already.
    """
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    state, now = workspace.state, datetime.now(UTC)
    if not state.is_dir():
        raise ConfigurationError(f"no run yet: there is no folder {state}")
    with Lock(state, Holder.this_process(now)), _scratch(state) as scratch:
        repaired = _repaired_path(state)
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
    return Finding("output_sound", f"{name} is unchanged since it was written: {rows:,} rows", True)


def _repaired_path(state: Path) -> Path:
    """Return the folder for a repaired copy; it must be free."""
    path = state.with_name(f"{state.name}.repaired")
    if path.exists() and any(path.iterdir()):
        raise ConfigurationError(
            f"{path} exists already and would be overwritten",
            hint=f"use it instead of {state}, or move it away",
        )
    return path


@contextmanager
def _scratch(state: Path) -> Iterator[Path]:
    """Yield a temporary folder beside the state, on the same disk."""
    scratch = state.with_name(f".{state.name}.repaired.new")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        yield scratch
    except (OSError, MemoryError) as error:
        reason = "not enough memory" if isinstance(error, MemoryError) else error.strerror
        raise CheckpointError(
            f"{getattr(error, 'filename', None) or state}: {reason}",
            hint="nothing was changed; doctor needs a writable folder beside the state, disk space "
            "for two copies, and up to 2 GiB of memory",
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
