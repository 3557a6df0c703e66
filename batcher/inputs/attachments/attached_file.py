"""Reads the bytes of an attachment, from a column or from a file in the input's folder."""

import os
import re
import stat
from pathlib import Path

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|data:", re.ASCII)
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class BadAttachment(ValueError):  # noqa: N818 (a value's verdict, like BadRow)
    """A value that cannot be attached; the message is the reason and quotes no content."""


def attached_bytes(value: object, root: Path, *, kind: str, max_bytes: int) -> bytes:
    """Read the bytes of a column's value: a path inside ``root``, bytes, or a struct of both.

    No file outside ``root`` is read, also not through links, and URLs are never fetched. ``kind``
    names the attachment in messages, such as "image".
    Raises ``BadAttachment`` for any other value, and for more than ``max_bytes``.
    """
    if isinstance(value, dict) and value and value.keys() <= {"bytes", "path"}:
        # Hugging Face datasets store images in this struct; either field may be null.
        inner = value.get("bytes")
        value = value.get("path") if inner is None else inner
    data = None
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
    elif isinstance(value, str):
        data = _read(value, root, kind, max_bytes)
    if data is not None and len(data) > max_bytes:
        raise BadAttachment(f"the {kind} has more than {max_bytes:,} bytes")
    if data is not None:
        return data
    if value is None or value == []:
        raise BadAttachment(f"the {kind} is missing ({'null' if value is None else 'no entry'})")
    raise BadAttachment(f"the {kind} must be a path, bytes, or a struct of bytes and path")


def _read(path: str, root: Path, kind: str, max_bytes: int) -> bytes:
    if _URL.match(path):
        raise BadAttachment(f"the {kind} is a URL, which is not fetched; save it as a file")
    if not path or Path(path).is_absolute():
        raise BadAttachment(f"the {kind}'s path must be relative to the input's folder")
    try:
        folder = root.resolve(strict=True)
        target = (folder / path).resolve(strict=True)
        return _read_regular(target, folder, kind, max_bytes)
    except FileNotFoundError:
        raise BadAttachment(f"the {kind} file does not exist") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its path has a loop of links"
        raise BadAttachment(f"the {kind} file cannot be read: {reason}") from None
    except BadAttachment:
        raise
    except ValueError:
        raise BadAttachment(f"the {kind}'s path is not valid") from None


def _read_regular(target: Path, folder: Path, kind: str, max_bytes: int) -> bytes:
    if not target.is_relative_to(folder):
        raise BadAttachment(f"the {kind}'s path leads out of the input's folder")
    with os.fdopen(os.open(target, _FLAGS), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadAttachment(f"the {kind}'s path is not a regular file")
        return file.read(max_bytes + 1)
