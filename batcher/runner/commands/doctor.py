"""Examines a job's checkpoint and output, and puts a repaired checkpoint beside a damaged one."""

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
    """What is wrong with a job's state; ``repaired`` is the folder of a repaired copy, if any."""

    workspace: Workspace
    checkpoint: Examination
    output: Finding
    repaired: Path | None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Everything that was found, the output last."""
        return (*self.checkpoint.findings, self.output)

    @property
    def is_sound(self) -> bool:
        """Whether nothing has to be done."""
        return all(finding.is_harmless for finding in self.findings)


def diagnose(loaded: LoadedJob, *, is_simulated: bool) -> Diagnosis:
    """Examine a job's state; changes nothing in it.

    Raises LockedError while a run or another command has it, ConfigurationError when there was no
    run yet or an earlier repaired copy is in the way.
    """
    workspace = Workspace.of(loaded, is_simulated=is_simulated)
    state, now = workspace.state, datetime.now(UTC)
    if not state.is_dir():
        raise ConfigurationError(f"no run yet: there is no folder {state}")
    with Lock(state, Holder.this_process(now)), _scratch(state) as scratch:
        repaired = _place_of_copy(state)
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
    """Hold the output against its seal, which a run leaves in the state folder."""
    seal, name = read_seal(workspace.state), workspace.output.name
    if not workspace.output.exists():
        return Finding("output_none", f"there is no output {name}; a run writes it", True)
    if seal is None:
        return Finding("output_unsealed", f"{name} has no seal to hold it against", True)
    broken = seal.changed_files(workspace.output)
    if broken:
        return Finding(
            "output_changed",
            f"the output is not as it was written: {', '.join(broken)}; a run writes it again",
        )
    rows = sum(file.rows for file in seal.files)
    return Finding("output_sound", f"{name} is as it was written: {rows:,} rows", True)


def _place_of_copy(state: Path) -> Path:
    """Where a repaired copy goes."""
    place = state.with_name(f"{state.name}.repaired")
    if place.exists() and any(place.iterdir()):
        raise ConfigurationError(
            f"{place} is there already, and would be overwritten",
            hint="put it in the place of the damaged one, or move it away",
        )
    return place


@contextmanager
def _scratch(state: Path) -> Iterator[Path]:
    """A folder beside the state, on the same disk, that is gone afterwards."""
    scratch = state.with_name(f".{state.name}.repaired.new")
    try:
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir()
        yield scratch
    except (OSError, MemoryError) as error:
        what = "not enough memory" if isinstance(error, MemoryError) else error.strerror
        raise CheckpointError(
            f"{getattr(error, 'filename', None) or state}: {what}",
            hint="nothing was changed; doctor needs a folder to write to beside it, room for two "
            "copies and up to 2 GiB of memory",
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
