"""The folder of a job's state and the path of its output."""

import os
import secrets
import shlex
import stat
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from batcher.errors import CheckpointError, ConfigurationError
from batcher.inputs.files import covers
from batcher.inputs.job_file.load import LoadedJob
from batcher.outputs.atomic import check_replaceable, probe_mode, sync_folder
from batcher.outputs.ownership import Owner
from batcher.store.lock import check_lock

_SIMULATED = ".simulated"
_WRITABLE_BY_OTHERS = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Workspace:
    """The folder of a job's state and the path of its output.

    A simulated run has a folder and an output of its own: its answers never mix with real ones.
    """

    state: Path
    output: Path
    is_folder: bool
    is_simulated: bool
    owner: Owner

    @classmethod
    def of(cls, loaded: LoadedJob, *, is_simulated: bool) -> "Workspace":
        """Return the paths; touch nothing."""
        name = loaded.name
        state = _named(loaded.folder / (loaded.job.job.state or f"runs/{name}"))
        output = _named(loaded.folder / (loaded.job.output.path or f"{name}.out.parquet"))
        is_folder = output.suffix != ".parquet"
        if is_simulated:
            state = state.parent / f"{state.name}{_SIMULATED}"
            stem = output.name if is_folder else output.stem
            output = output.parent / f"{stem}{_SIMULATED}{'' if is_folder else '.parquet'}"
        owner = Owner.of(name, loaded.path, state)
        return cls(state, output, is_folder, is_simulated, owner)

    @property
    def states(self) -> tuple[Path, Path]:
        """The state folders of the job's real and simulated runs."""
        name = self.state.name.removesuffix(_SIMULATED) if self.is_simulated else self.state.name
        return self.state.with_name(name), self.state.with_name(f"{name}{_SIMULATED}")

    @property
    def status(self) -> Path:
        """The file that a run keeps up to date for ``batcher status``."""
        return self.state / "status.json"

    def check_apart(self, path: str, folder: Path) -> None:
        """Refuse an output that is, or would be, among the files of the input ``path``."""
        output = self.output / "part-00000.parquet" if self.is_folder else self.output
        if covers(path, folder, output) or covers(path, folder, self.output):
            raise ConfigurationError(
                f"the output {self.output} would be read as a part of the input",
                hint="set output.path to another folder, or narrow input.path",
            )

    def check(self, *, overwrites: bool = False) -> None:
        """Check that state and output can be written; leave nothing behind.

        ``overwrites``: what another program or job wrote may be replaced by the output.
        Raises ConfigurationError, or CheckpointError for a lock that cannot be opened.
        """
        _check_folder(self.state, "job.state")
        _check_private(self.state)
        _check_folder(self.output.parent, "output.path")
        output, state = (Path(os.path.realpath(path)) for path in (self.output, self.state))
        if output in (state, *state.parents):
            raise ConfigurationError(
                f"the output {self.output} would replace the folder of the job's state",
                hint="set output.path or job.state to another folder",
            )
        check_lock(self.state)
        if self.output.parent.is_dir():
            self.check_output(overwrites=overwrites)

    def create(self, *, overwrites: bool = False) -> None:
        """Make the state folder, for the owner only, and check that the output can be written.

        Everything in the state folder holds users' data. Raises CheckpointError, or
        ConfigurationError when it is the output that cannot be written.
        """
        new = [folder for folder in (self.state, *self.state.parents) if not folder.exists()]
        try:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in new:
                sync_folder(folder.parent)
            self.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CheckpointError(
                f"{self.state}: {error.strerror}", hint="make it writable, or set job.state"
            ) from None
        self.check_output(overwrites=overwrites)

    def check_output(self, *, overwrites: bool = False) -> None:
        """Check, before anything is paid for, that the output can be written.

        Raises ConfigurationError for an output that this job did not write, unless ``overwrites``.
        """
        folder = self.output.parent
        try:
            check_replaceable(self.output)
            probe_mode(folder / f".{self.output.name}.probe")
        except OSError as error:
            raise ConfigurationError(
                f"the output cannot be written: {folder}: {error.strerror}",
                hint="make the folder writable, or set output.path",
            ) from None
        if self.output.is_dir() is not self.is_folder and self.output.exists():
            kind = "a file" if self.is_folder else "a folder"
            raise ConfigurationError(
                f"output.path is {kind}, not what the job file says: {self.output}",
                hint="move it away, or set output.path (a name in .parquet is one file)",
            )
        if overwrites:
            _check_only_files(self.output)
        elif foreign := self.owner.foreign(self.output):
            raise ConfigurationError(
                f"the output would replace something else: {foreign}",
                hint="set output.path to a new file or folder, or add --overwrite to replace it",
            )


def _named(path: Path) -> Path:
    """Give the current folder its name, to which ``.simulated`` can be added."""
    return path if path.name else path.absolute()


def _check_folder(path: Path, key: str) -> None:
    """Refuse a folder that cannot be made or written to."""
    try:
        folder = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
        is_writable = folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}", hint=f"set {key}") from None
    if not is_writable:
        raise ConfigurationError(
            f"{path} cannot be written: {folder} is not a writable folder",
            hint=f"make it writable, or set {key}",
        )


def _check_private(state: Path) -> None:
    """Refuse a state folder that others can write to, and anything in it but files and folders.

    Others could replace what is recorded, or plant a link through which a run would write.
    """
    if not state.is_dir():
        return
    with os.scandir(state) as entries:
        for entry in entries:
            if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                raise ConfigurationError(
                    f"{entry.path} is a link or a device, and a run could write through it",
                    hint="remove it, or set job.state to another folder",
                )
    mode = state.stat().st_mode
    # Some file systems show every file as writable by all.
    if mode & _WRITABLE_BY_OTHERS and not probe_mode(state / ".probe") & _WRITABLE_BY_OTHERS:
        raise ConfigurationError(
            f"others can write to the state folder {state}",
            hint=f"run chmod go-w {shlex.quote(str(state))}, or set job.state to another folder",
        )


def new_run_id(now: datetime) -> str:
    """Return a name that sorts by time, also for runs that start in the same second."""
    return f"{now:%Y%m%dT%H%M%S.%fZ}-{secrets.token_hex(3)}"


def _check_only_files(output: Path) -> None:
    """Refuse to replace a folder that has folders in it, with --overwrite, too."""
    folders = [path for path in output.iterdir() if path.is_dir()] if output.is_dir() else []
    if folders:
        raise ConfigurationError(
            f"the output would replace a folder that has other folders in it: {folders[0]}",
            hint="set output.path to a new folder; a run replaces all of it",
        )
