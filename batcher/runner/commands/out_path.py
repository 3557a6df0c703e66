"""Checks the path of a file that a command is to write beside the job's own."""

import os
import shlex
from pathlib import Path

from batcher.errors import ConfigurationError
from batcher.outputs.atomic import check_replaceable
from batcher.runner.job_context import JobContext


def check_out(context: JobContext, path: Path, *, may_be_output: bool = False) -> None:
    """Refuse a path that cannot be written, and one whose file or folder the job needs.

    ``may_be_output`` allows the job's output, and a folder.
    """
    check_replaceable(path)
    loaded = context.loaded
    request, resolved = loaded.job.request, path.resolve()
    texts = [loaded.folder / name for name in (request.system_file, request.prompt_file) if name]
    job_files = [stamp.path for stamp in context.source.files] + [loaded.path, *texts]
    if not may_be_output:
        job_files.append(context.workspace.output)
    is_state = resolved.is_relative_to(context.workspace.state.resolve())
    if is_state or any(resolved == file.resolve() for file in job_files):
        raise ConfigurationError(
            f"{path} is part of the job and must not be overwritten", hint="choose another --out"
        )
    if not path.parent.is_dir():
        raise ConfigurationError(
            f"the folder {path.parent} does not exist",
            hint=f"create it: mkdir -p {shlex.quote(str(path.parent))}",
        )
    if not may_be_output and path.is_dir():
        raise ConfigurationError(f"{path} is a folder", hint="name a file in --out")
    if not os.access(path.parent, os.W_OK):
        raise ConfigurationError(
            f"the folder {path.parent} is not writable", hint="choose another place with --out"
        )
