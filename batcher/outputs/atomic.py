"""Files that appear whole or not at all."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from batcher.errors import ConfigurationError


def write_json(path: Path, content: Mapping[str, Any], *, is_durable: bool = True) -> None:
    """Replace a JSON file; ``is_durable`` also waits for the disk."""
    text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
    write_text(path, text + "\n", is_durable=is_durable)


def write_text(path: Path, text: str, *, is_durable: bool = True) -> None:
    """Replace a text file; ``is_durable`` also waits for the disk."""
    temporary = path.with_name(f".{path.name}.new")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        if is_durable:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
    if is_durable:
        sync_folder(path.parent)


def check_replaceable(path: Path) -> None:
    """Refuse a name that something else than a file or a folder bears; touches nothing.

    A rename would put the output in the place of a device, a pipe, a socket or a link (such as
    ``/dev/stdout``), not into it. Raises ConfigurationError.
    """
    if path.is_symlink():
        raise ConfigurationError(
            f"{path} is a link, and an output replaces whole files",
            hint="name the file itself, or another path",
        )
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise ConfigurationError(
            f"{path} is neither a file nor a folder, and an output replaces whole files",
            hint="name a file",
        )


def put_in_place(temporary: Path, path: Path) -> None:
    """Move a finished file or folder to its name, replacing what is there."""
    if temporary.is_dir() and path.exists():
        # A folder cannot be replaced in one step: for an instant neither stands there.
        old = path.with_name(f".{path.name}.old")
        shutil.rmtree(old, ignore_errors=True)
        path.rename(old)
        temporary.rename(path)
        shutil.rmtree(old)
    else:
        temporary.replace(path)
    sync_folder(path.parent)


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
