"""Finds what lies at an output's path that the job did not write, so that nothing else is replaced.

A Parquet output carries the name of its job in its metadata; the seal in the state folder knows the
files that the job's last run wrote.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batcher.outputs.parquet_output import decode_metadata
from batcher.outputs.seal import read_seal

_MAGIC = b"PAR1"


@dataclass(frozen=True, slots=True)
class Owner:
    """The job that an output belongs to, as the metadata of the output names it.

    ``job_file`` is a digest of the job file's path: jobs in different folders may have one name.
    """

    job: str
    job_file: str
    state: Path

    @classmethod
    def of(cls, job: str, job_file: Path, state: Path) -> "Owner":
        """Name a job with this name, job file and state folder."""
        path = os.fsencode(os.path.realpath(job_file))
        return cls(job, hashlib.sha256(path).hexdigest()[:32], state)

    def foreign(self, output: Path) -> str | None:
        """Say what is at an output's path that this job did not write; None when nothing is.

        An empty file and an empty folder hold nothing, so anybody may replace them.
        """
        if output.is_dir():
            files = sorted(output.iterdir())
            reasons = (_not_a_part(file) or self._foreign_file(file) for file in files)
            return next((reason for reason in reasons if reason), None)
        if not output.exists() or not output.stat().st_size:
            return None
        return self._foreign_file(output)

    def _foreign_file(self, file: Path) -> str | None:
        sealed_bytes = self._sealed_bytes(file)
        if sealed_bytes == file.stat().st_size:
            return None
        try:
            content = pq.read_metadata(file).metadata or {}
        except (OSError, ValueError, pa.ArrowException):
            is_damaged = sealed_bytes is not None and _is_parquet(file)
            return None if is_damaged else _not_ours(file)
        metadata = decode_metadata(content)
        if metadata is None:
            return _not_ours(file)
        if not metadata or self._is_own(metadata):  # parts but the last have empty metadata
            return None
        return f"{file} is an output of another job, {metadata.get('job')!r}"

    def _is_own(self, metadata: Mapping[str, Any]) -> bool:
        if self.has_run(metadata.get("run_id")):
            return True
        # Outputs of versions before 0.7 do not name the job file.
        is_same_file = metadata.get("job_file", self.job_file) == self.job_file
        return metadata.get("job") == self.job and is_same_file

    def has_run(self, run_id: object) -> bool:
        """Return whether a run with this id is one of the job's."""
        is_name = isinstance(run_id, str) and bool(run_id) and Path(run_id).name == run_id
        return is_name and (self.state / str(run_id)).is_dir()

    def _sealed_bytes(self, file: Path) -> int | None:
        """Return the size of a file as the job's last run wrote it; None when it did not."""
        seal = read_seal(self.state)
        files = () if seal is None else seal.files
        return next((own.bytes for own in files if Path(own.path).name == file.name), None)


def _not_a_part(file: Path) -> str | None:
    is_part = file.name.startswith("part-") and file.suffix == ".parquet" and not file.is_dir()
    return None if is_part else _not_ours(file)


def _not_ours(file: Path) -> str:
    return f"batcher did not write {file}"


def _is_parquet(file: Path) -> bool:
    """Return whether a file begins as Parquet does, though its end may be damaged."""
    with file.open("rb") as content:
        return content.read(len(_MAGIC)) == _MAGIC
