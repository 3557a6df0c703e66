"""The seal of an output: the checksums of its files, to detect a later change."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from batcher.outputs.atomic import write_json
from batcher.outputs.parquet_output import count_rows

FILE_NAME = "output.json"


@dataclass(frozen=True, slots=True)
class SealedFile:
    """One file of an output."""

    path: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Seal:
    """The files of an output as they were written; ``content`` is a hash of their source.

    ``job`` is a hash of what the job was then; empty in seals of versions before 0.7.
    """

    path: str
    content: str
    files: tuple[SealedFile, ...]
    job: str = ""

    @classmethod
    def of(cls, path: Path, made_from: Mapping[str, Any], job: str = "") -> "Seal":
        """Seal a finished output; this reads all of it, about 1 s for 500 MB."""
        return cls(str(path), _digest(made_from), tuple(map(_seal_file, _files(path))), job)

    def write(self, folder: Path) -> None:
        """Write the seal to a state folder."""
        write_json(folder / FILE_NAME, asdict(self))

    def is_of(self, made_from: Mapping[str, Any]) -> bool:
        """Return whether the output was made from the same source."""
        return self.content == _digest(made_from)

    def changed_files(self, path: Path) -> list[str]:
        """Return the names of missing, added and changed files; this reads all files."""
        sealed = {Path(file.path).name: file for file in self.files}
        current = {file.name: file for file in _files(path)}
        return sorted(
            name
            for name in sealed.keys() | current.keys()
            if name not in sealed
            or name not in current
            or not _is_same(current[name], sealed[name])
        )


def read_seal(folder: Path) -> Seal | None:
    """Read the seal of a state folder; None when it is missing or cannot be read."""
    try:
        content = json.loads((folder / FILE_NAME).read_bytes())
        files = tuple(SealedFile(**file) for file in content["files"])
        return Seal(content["path"], content["content"], files, content.get("job", ""))
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None


def _seal_file(path: Path) -> SealedFile:
    return SealedFile(str(path), count_rows(path), path.stat().st_size, _sha256(path))


def _is_same(path: Path, sealed: SealedFile) -> bool:
    return path.stat().st_size == sealed.bytes and _sha256(path) == sealed.sha256


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.iterdir())
    return [path] if path.exists() else []


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(made_from: Mapping[str, Any]) -> str:
    text = json.dumps(made_from, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
