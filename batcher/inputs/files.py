"""Finds the files of an input, and notices when one of them changes."""

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
"""How a file's rows are read; of the others each is a row itself."""

JSONL_ENDINGS = tuple(
    name + packing for name in (".jsonl", ".ndjson") for packing in ("", ".gz", ".zst")
)
PARQUET_ENDINGS = (".parquet",)
PAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".pdf")
TEXT_ENDINGS = (".txt",)
_READABLE = (
    "Inputs end in .jsonl or .ndjson (also with .gz or .zst) or in .parquet; or each file is a "
    "row: .jpg, .png, .gif, .webp, .pdf, .txt."
)


@dataclass(frozen=True, slots=True)
class FileStamp:
    """One file of the input and what tells whether it is still the same.

    ``name`` is the path as the user would recognise it: relative to the job file's folder when
    inside it, else absolute. Weakness: a change that keeps size, modification time and inode
    goes unseen.
    """

    path: Path
    name: str
    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, path: Path, folder: Path) -> "FileStamp":
        """Stamp a file; raises ``InputError`` unless it is a regular file that can be read."""
        name = _name(path, folder)
        try:
            # Asked first: opening a pipe would wait for a writer.
            if not stat.S_ISREG(path.stat().st_mode):
                raise InputError(
                    f"{name} is not a regular file",
                    hint="The input is read several times, so write it to a file first.",
                )
            with path.open("rb") as file:
                status = os.fstat(file.fileno())
        except OSError as error:
            raise _unreadable(name, error) from error
        return cls(path, name, status.st_size, status.st_mtime_ns, status.st_ino)

    def check(self) -> None:
        """Raise ``InputError`` when the file is gone or no longer the one that was stamped."""
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
                f"{self.name} changed while it was in use",
                hint="Run the same command again when nothing writes to it any more.",
            )


def family(path: Path) -> Family | None:
    """Tell from a file's ending what it holds; None for an ending that is not supported."""
    name = path.name.lower()
    if name.endswith(JSONL_ENDINGS):
        return "JSONL"
    if name.endswith(PARQUET_ENDINGS):
        return "Parquet"
    return "plain files" if name.endswith(PAGE_ENDINGS + TEXT_ENDINGS) else None


def find_files(path: str, folder: Path) -> tuple[Family, tuple[FileStamp, ...]]:
    """Find the files that ``path``, relative to ``folder``, names: a file, a folder or a glob.

    They come sorted by path and are all of one family. A folder stands for the files directly in
    it whose ending is supported: for the JSONL and Parquet, else the images and PDFs, else the
    texts among them. Hidden ones (``.x``, ``_x``) are left out.
    Raises ``InputError`` when there are none or one of them cannot be read.
    """
    if "://" in path:
        raise InputError(
            f"the input {path} is not a local path, and others are not supported yet",
            hint="Copy it to a local file or folder and name that.",
        )
    root = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow symlinks)
    target = Path(os.path.abspath(root / path))  # noqa: PTH100
    paths = _matches(path, target, root)
    families: dict[Family, Path] = {}
    for file in paths:
        if found := family(file):
            families.setdefault(found, file)
    if len(families) > 1:
        first, second, *_ = (_name(file, root) for file in families.values())
        raise InputError(
            f"the input mixes {' and '.join(families)}: {first} and {second}",
            hint='Narrow it with a glob such as "data/*.jsonl".',
        )
    return next(iter(families)), tuple(FileStamp.of(file, root) for file in paths)


def root_of(path: str, folder: Path) -> Path:
    """The folder that paths of plain files are told from: the part of ``path`` that is no pattern.

    It does not depend on which files there are, so that what a row is called stays.
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
    shown = [file for file in sorted(target.iterdir()) if not file.name.startswith((".", "_"))]
    files = [file for file in shown if family(file) and not file.is_dir()]
    for endings in (JSONL_ENDINGS + PARQUET_ENDINGS, PAGE_ENDINGS, TEXT_ENDINGS):
        if alike := [file for file in files if file.name.lower().endswith(endings)]:
            return alike
    name = _name(target, root)
    if not shown:
        raise InputError(f"the input folder {name} is empty", hint=_READABLE)
    inner = next((file for file in shown if file.is_dir()), None)
    hint = _READABLE
    if inner is not None:
        hint = f'Files in folders below it are read with a glob such as "{name}/**/*.parquet".'
    raise InputError(f"the input folder {name} holds no file that can be read", hint=hint)


def _in_glob(path: str, root: Path) -> list[Path]:
    found = (
        Path(os.path.abspath(root / match))  # noqa: PTH100
        for match in glob.iglob(path, root_dir=root, recursive=True)  # noqa: PTH207 (absolute too)
    )
    files = sorted({file for file in found if not file.is_dir()})
    if not files:
        raise InputError(
            f'nothing matches the input "{path}"',
            hint=f"It is taken relative to the job file's folder. {_READABLE}",
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
        hint=f"Did you mean {names}?" if near else "It is relative to the job file's folder.",
    )


def _unreadable(name: str, error: Exception) -> InputError:
    if isinstance(error, FileNotFoundError):
        return InputError(f"{name} does not exist any more or is a broken link")
    if isinstance(error, PermissionError):
        return InputError(f"{name} may not be read", hint=f"Check its permissions: ls -l {name}")
    reason = getattr(error, "strerror", None) or "its path is not valid"
    return InputError(f"{name} cannot be read: {reason}")


def _name(path: Path, folder: Path) -> str:
    """A path as it is shown: what is no Unicode in it is replaced."""
    shown = path.relative_to(folder) if path.is_relative_to(folder) else path
    return os.fsencode(shown).decode("utf-8", "replace")
