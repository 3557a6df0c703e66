"""Finds the files of an input."""

import difflib
import glob
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, Protocol

from batcher.errors import InputError
from batcher.inputs.file_stamp import FileStamp, shown_name, unreadable

Family = Literal["JSONL", "Parquet", "plain files"]
"""How rows are read from a file: JSONL and Parquet hold rows, each plain file is one row."""

_PACKINGS = ("", ".gz", ".gzip", ".zst", ".zstd")
JSONL_ENDINGS = tuple(name + packing for name in (".jsonl", ".ndjson") for packing in _PACKINGS)
JSON_ENDINGS = tuple(".json" + packing for packing in _PACKINGS)
"""Spark's part files have lines of JSON. In a folder they count last: others may be settings."""
PARQUET_ENDINGS = (".parquet",)
PAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".gif", ".webp", ".pdf")
TEXT_ENDINGS = (".txt",)
_READABLE = (
    "supported endings: .jsonl, .ndjson and .json with one object per line (also with .gz or "
    ".zst), .parquet; or one file per row: .jpg, .png, .gif, .webp, .pdf, .txt"
)
_IN_FOLDERS = (JSONL_ENDINGS + PARQUET_ENDINGS, PAGE_ENDINGS, TEXT_ENDINGS, JSON_ENDINGS)
"""The endings of files in a folder: the first that any file has are read."""
_RELATIVE = "a relative [input] path starts in the folder of the job file"


def family(path: Path) -> Family | None:
    """Return the family of a file by its ending; None for an unsupported ending."""
    name = path.name.lower()
    if name.endswith(JSONL_ENDINGS + JSON_ENDINGS):
        return "JSONL"
    if name.endswith(PARQUET_ENDINGS):
        return "Parquet"
    return "plain files" if name.endswith(PAGE_ENDINGS + TEXT_ENDINGS) else None


@dataclass(frozen=True, slots=True)
class Selected:
    """The files of a folder or glob that are read, and the outputs that are left out."""

    files: list[Path]
    left_out: list[Path]


class Selector(Protocol):
    """Selects the files to read from those of a folder or glob."""

    def select(self, files: Iterable[Path]) -> Selected:
        """Leave out batcher's own files."""
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """The files of an input, and the names of the outputs in its folder or glob that are not."""

    family: Family
    files: tuple[FileStamp, ...]
    left_out: tuple[str, ...] = ()


def find_files(path: str, folder: Path, own: Selector) -> Found:
    """Return the files of ``path``: a file, a folder or a glob, relative to ``folder``.

    The files are sorted by path and all belong to one family. From a folder come the supported
    files directly in it: the JSONL and Parquet files; without any, the images and PDFs; without
    any, the texts; without any, the .json files. Hidden files (``.x``, ``_x``) are skipped.
    ``own`` files are left out of folders and globs.
    Raises ``InputError`` when there is no file or a file cannot be read.
    """
    if "://" in path:
        raise InputError(
            f"the input {path} is not a local path; other paths are not supported yet",
            hint="copy the data to a local file or folder, and set [input] path to it",
        )
    root = Path(os.path.abspath(folder))  # noqa: PTH100 (resolve() would follow symlinks)
    target = Path(os.path.abspath(root / path))  # noqa: PTH100
    paths, left_out = _matches(path, target, root, own)
    families: dict[Family | Literal["JSON"], Path] = {}
    for file in paths:
        if found := family(file):
            is_json = file.name.lower().endswith(JSON_ENDINGS)
            families.setdefault("JSON" if is_json else found, file)
    if len(families) > 1:
        first, second, *_ = (shown_name(file, root) for file in families.values())
        raise InputError(
            f"the input mixes {' and '.join(families)}: {first} and {second}",
            hint='set [input] path to a glob for one kind of file, such as "data/*.jsonl"',
        )
    (kind,) = families
    return Found(
        "JSONL" if kind == "JSON" else kind,
        tuple(FileStamp.of(file, root) for file in paths),
        tuple(shown_name(file, root) for file in left_out),
    )


def find_added(path: str, folder: Path, own: Selector, known: Sequence[FileStamp]) -> list[str]:
    """Return the names of files like the ``known`` ones that ``path`` has now and had not then."""
    paths, root = {file.path for file in known}, Path(os.path.abspath(folder))  # noqa: PTH100
    kinds = {_kind(path) for path in paths}
    target = Path(os.path.abspath(root / path))  # noqa: PTH100

    class New:
        """Selects them before ``own`` looks into each."""

        def select(self, files: Iterable[Path]) -> Selected:
            return own.select(f for f in files if f not in paths and _kind(f) in kinds)

    try:
        found, _ = _matches(path, target, root, New())
    except InputError:
        return []  # there is none
    return [shown_name(file, root) for file in found if file not in paths]


def _kind(path: Path) -> int | None:
    """Return which of the kinds in a folder a file is."""
    name = path.name.lower()
    return next((n for n, ends in enumerate(_IN_FOLDERS) if name.endswith(ends)), None)


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


def covers(path: str, folder: Path, file: Path) -> bool:
    """Return whether the input ``path`` has a file, or would have it if it existed."""
    target = Path(os.path.abspath(folder / path))  # noqa: PTH100
    fixed = root_of(path, folder)
    wanted, place = Path(os.path.realpath(file)), Path(os.path.realpath(fixed))
    if not wanted.is_relative_to(place):
        return False
    parts = wanted.relative_to(place).parts
    if target.is_dir():
        return len(parts) == 1
    return _fits(target.relative_to(fixed).parts, parts)


def _fits(patterns: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether a path fits a glob, both in parts; names with a dot only fit such patterns."""
    if not patterns or not names:
        return not patterns and not names
    pattern, name = patterns[0], names[0]
    is_shown = pattern.startswith(".") or not name.startswith(".")
    if pattern != "**":
        return is_shown and fnmatchcase(name, pattern) and _fits(patterns[1:], names[1:])
    if len(patterns) == 1:
        return not any(each.startswith(".") for each in names)
    return _fits(patterns[1:], names) or (is_shown and _fits(patterns, names[1:]))


def _matches(path: str, target: Path, root: Path, own: Selector) -> tuple[list[Path], list[Path]]:
    """Return the files of the input, and the outputs that are left out."""
    try:
        if target.is_dir():
            return _in_folder(target, root, own)
        if not os.path.lexists(target) and glob.has_magic(path):
            return _in_glob(path, root, own)
        target.lstat()
    except FileNotFoundError as error:
        raise _missing(target, root) from error
    except (OSError, ValueError) as error:
        raise unreadable(shown_name(target, root), error) from error
    _refuse_unsupported([target], root)
    return [target], []


def _in_folder(target: Path, root: Path, own: Selector) -> tuple[list[Path], list[Path]]:
    visible = [file for file in sorted(target.iterdir()) if not file.name.startswith((".", "_"))]
    files = own.select(file for file in visible if family(file) and not file.is_dir())
    for endings in _IN_FOLDERS:
        if matches := [file for file in files.files if file.name.lower().endswith(endings)]:
            return matches, files.left_out
    name = shown_name(target, root)
    if not visible:
        raise InputError(f"the input folder {name} is empty", hint=_READABLE)
    has_folders = any(file.is_dir() for file in visible)
    glob_hint = f'read files in its subfolders with a glob, such as "{name}/**/*.parquet"'
    raise InputError(
        f"the input folder {name} has no file with a supported ending",
        hint=glob_hint if has_folders else _READABLE,
    )


def _in_glob(path: str, root: Path, own: Selector) -> tuple[list[Path], list[Path]]:
    matches = (
        Path(os.path.abspath(root / match))  # noqa: PTH100
        for match in glob.iglob(path, root_dir=root, recursive=True)  # noqa: PTH207 (absolute too)
    )
    found = sorted({file for file in matches if not file.is_dir()})
    selected = own.select(found)
    if not selected.files:
        only_own = ", except files of batcher" if found else ""
        raise InputError(
            f'no file matches the input "{path}"{only_own}',
            hint=f"{_RELATIVE}; {_READABLE}",
        )
    _refuse_unsupported(selected.files, root)
    return selected.files, selected.left_out


def _refuse_unsupported(files: Iterable[Path], root: Path) -> None:
    for file in files:
        if family(file) is None:
            raise InputError(f"{shown_name(file, root)} has an unsupported ending", hint=_READABLE)


def _missing(target: Path, root: Path) -> InputError:
    parent = target.parent
    while not parent.is_dir():
        target, parent = parent, parent.parent
    try:
        near = difflib.get_close_matches(target.name, os.listdir(parent), n=3)  # noqa: PTH208
    except OSError:
        near = []
    names = ", ".join(shown_name(parent / file, root) for file in near)
    return InputError(
        f"the input {shown_name(target, root)} does not exist",
        hint=f"did you mean {names}?" if near else _RELATIVE,
    )
