"""Writes files that appear whole or not at all."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batcher.errors import ConfigurationError


def write_json(path: Path, content: Mapping[str, Any], *, is_durable: bool = True) -> None:
    """Replace a JSON file; with ``is_durable`` wait until it is on the disk."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    write_text(path, text + "\n", is_durable=is_durable)


def write_text(path: Path, text: str, *, is_durable: bool = True) -> None:
    """Replace a text file; with ``is_durable`` wait until it is on the disk."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with temporary.open("x", encoding="utf-8") as file:  # never through a link
        file.write(text)
        if is_durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    if is_durable:
        sync_folder(path.parent)


def probe_mode(path: Path) -> int:
    """Make a file that only its owner may read, and remove it; return the mode that it got."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        return os.fstat(descriptor).st_mode
    finally:
        os.close(descriptor)
        path.unlink(missing_ok=True)


def check_replaceable(path: Path) -> None:
    """Raise ConfigurationError unless the path is a file, a folder or free; change nothing.

    A rename would replace a device, a pipe, a socket or a link (such as ``/dev/stdout``) instead
    of writing into it.
    """
    if path.is_symlink():
        raise ConfigurationError(
            f"{path} is a link, and the output would replace the link",
            hint="name the file that the link points to, or another path",
        )
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigurationError(
            f"{path} is neither a file nor a folder, and the output would replace it",
            hint="name a file",
        )


def put_in_place(temporary: Path, path: Path) -> None:
    """Move a finished file or folder to its path; replace a file or folder that is there."""
    if temporary.is_dir() and path.exists():
        # A folder cannot be replaced in one step: for a moment there is no folder at this path.
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        temporary.rename(path)
        shutil.rmtree(old)
    else:
        temporary.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Wait until a file's content is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the file names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
