"""Finds the files of an input, and detects when one of them changes."""

import difflib
import glob
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from batcher.errors import InputError

Family = Literal["JSONL", "Parquet", "plain files"]
"""How rows are read from a file: JSONL and Parquet hold rows, each plain file is one row."""

JSONL_ENDINGS = tuple(
    name + packing for name in (".jsonl", ".ndjson") for packing in ("", ".gz", ".zst")
)
PARQUET_ENDINGS = (".parquet",)
PAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".pdf")
TEXT_ENDINGS = (".txt",)
_READABLE = (
    "supported endings: .jsonl and .ndjson (also with .gz or .zst), .parquet; or one file per row: "
    ".jpg, .png, .gif, .webp, .pdf, .txt"
)
_RELATIVE = "a relative [input] path starts in the folder of the job file"


@dataclass(frozen=True, slots=True)
class FileStamp:
    """One file of the input, with the size, time and inode that show whether it changed.

    ``name`` is the path for messages: relative to the job file's folder when the file is inside
    it, else absolute. Weakness: a change that keeps size, modification time and inode is not
    detected.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path, folder: Path) -> "FileStamp":
        """Stamp a file; raises ``InputError`` unless it is a readable regular file."""
        name = _name(path, folder)
        try:
            # This check comes before open(): opening a pipe waits for a writer.
            if not stat.S_ISREG(path.stat().st_mode):
                raise InputError(
                    f"{name} is not a regular file",
                    hint="write it to a file first: the input is read several times",
                )
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
        except OSError as error:
            raise _unreadable(name, error) from error
        return cls(path, name, status.st_size, status.st_mtime_ns, status.st_ino)

    def check(self) -> None:
        """Raise ``InputError`` when the file does not exist any more or has changed."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise _unreadable(self.name, error) from error
        if (status.st_size, status.st_mtime_ns, status.st_ino) != (
            self.size,
            self.mtime_ns,
            self.inode,
        ):
            raise InputError(
                f"{self.name} changed while it was being read",
                hint="run the same command again when no program writes to the file any more",
            )


def family(path: Path) -> Family | None:
    """Return the family of a file by its ending; None for an unsupported ending."""
    name = path.name.lower()
    if name.endswith(JSONL_ENDINGS):
        return "JSONL"
    if name.endswith(PARQUET_ENDINGS):
        return "Parquet"
    return "plain files" if name.endswith(PAGE_ENDINGS + TEXT_ENDINGS) else None


def find_files(path: str, folder: Path) -> tuple[Family, tuple[FileStamp, ...]]:
    """Return the files of ``path``: a file, a folder or a glob, relative to ``folder``.

    The files are sorted by path and all belong to one family. From a folder come the supported
    files directly in it: the JSONL and Parquet files; without any, the images and PDFs; without
    any, the texts. Hidden files (``.x``, ``_x``) are skipped.
    Raises ``InputError`` when there is no file or a file cannot be read.
    """
    if "://" in path:
        raise InputError(
            f"the input {path} is not a local path; other paths are not supported yet",
            hint="copy the data to a local file or folder, and set [input] path to it",
        )
    root = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow symlinks)
    target = Path(os.path.abspath(root / path))  # noqa: PTH100
    paths = _matches(path, target, root)
    families: dict[Family, Path] = {}
    for file in paths:
        if kind := family(file):
            families.setdefault(kind, file)
    if len(families) > 1:
        first, second, *_ = (_name(file, root) for file in families.values())
        raise InputError(
            f"the input mixes {' and '.join(families)}: {first} and {second}",
            hint='set [input] path to a glob for one kind of file, such as "data/*.jsonl"',
        )
    return next(iter(families)), tuple(FileStamp.of(file, root) for file in paths)


def root_of(path: str, folder: Path) -> Path:
    """Return the folder that names of plain files are relative to.

    It is ``path`` up to its first pattern. It does not depend on the files that exist now, so that
    a row keeps its name when files are added.
    """
    target = Path(os.path.abspath(folder / path))  # noqa: PTH100
    if target.is_dir():
        return target
    fixed = target.parent
    if not os.path.lexists(target):
        while glob.has_magic(str(fixed)):
            fixed = fixed.parent
    return fixed


def _matches(path: str, target: Path, root: Path) -> list[Path]:
    try:
        if target.is_dir():
            return _in_folder(target, root)
        if not os.path.lexists(target) and glob.has_magic(path):
            return _in_glob(path, root)
        target.lstat()
    except FileNotFoundError as error:
        raise _missing(target, root) from error
    except (OSError, ValueError) as error:
        raise _unreadable(_name(target, root), error) from error
    _refuse_unsupported([target], root)
    return [target]


def _in_folder(target: Path, root: Path) -> list[Path]:
    visible = [file for file in sorted(target.iterdir()) if not file.name.startswith((".", "_"))]
    files = [file for file in visible if family(file) and not file.is_dir()]
    for endings in (JSONL_ENDINGS + PARQUET_ENDINGS, PAGE_ENDINGS, TEXT_ENDINGS):
        if matches := [file for file in files if file.name.lower().endswith(endings)]:
            return matches
    name = _name(target, root)
    if not visible:
        raise InputError(f"the input folder {name} is empty", hint=_READABLE)
    has_folders = any(file.is_dir() for file in visible)
    glob_hint = f'read files in its subfolders with a glob, such as "{name}/**/*.parquet"'
    raise InputError(
        f"the input folder {name} has no file with a supported ending",
        hint=glob_hint if has_folders else _READABLE,
    )


def _in_glob(path: str, root: Path) -> list[Path]:
    matches = (
        Path(os.path.abspath(root / match))  # noqa: PTH100
        for match in glob.iglob(path, root_dir=root, recursive=True)  # noqa: PTH207 (absolute too)
    )
    files = sorted({file for file in matches if not file.is_dir()})
    if not files:
        raise InputError(
            f'no file matches the input "{path}"',
            hint=f"{_RELATIVE}; {_READABLE}",
        )
    _refuse_unsupported(files, root)
    return files


def _refuse_unsupported(files: Iterable[Path], root: Path) -> None:
    for file in files:
        if family(file) is None:
            raise InputError(f"{_name(file, root)} has an unsupported ending", hint=_READABLE)


def _missing(target: Path, root: Path) -> InputError:
    parent = target.parent
    while not parent.is_dir():
        target, parent = parent, parent.parent
    try:
        near = difflib.get_close_matches(target.name, os.listdir(parent), n=3)  # noqa: PTH208
    except OSError:
        near = []
    names = ", ".join(_name(parent / file, root) for file in near)
    return InputError(
        f"the input {_name(target, root)} does not exist",
        hint=f"did you mean {names}?" if near else _RELATIVE,
    )


def _unreadable(name: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name} does not exist any more, or is a broken link")
    if isinstance(error, PermissionError):
        return InputError(f"no permission to read {name}", hint=f"check with: ls -l {name}")
    reason = getattr(error, "strerror", None) or "its path is not valid"
    return InputError(f"{name} cannot be read: {reason}")


def _name(path: Path, folder: Path) -> str:
    """Return a path for messages; bytes in it that are not UTF-8 are replaced."""
    short = path.relative_to(folder) if path.is_relative_to(folder) else path
    return os.fsencode(short).decode("utf-8", "replace")
