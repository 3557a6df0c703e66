"""The bytes that a column holds, or those of a file that it names inside of the input's folder."""

import os
import re
import stat
from pathlib import Path

_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://|data:", re.ASCII)
_FLAGS = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class BadAttachment(ValueError):  # noqa: N818 (a value's verdict, like BadRow)
    """A value that is nothing we may send; the message is the reason, free of content."""


def attached_bytes(value: object, root: Path, *, what: str, most: int) -> bytes:
    """Read what a column holds: a path inside ``root``, bytes, or a struct of both.

    Nothing outside ``root`` is read, whatever links there are, and URLs are never fetched. ``what``
    is what it is to be, such as an image.
    Raises ``BadAttachment`` for everything else, and for more than ``most`` bytes.
    """
    if isinstance(value, dict) and value and value.keys() <= {"bytes", "path"}:
        # The struct that Hugging Face datasets has for images: either may be null.
        inner = value.get("bytes")
        value = value.get("path") if inner is None else inner
    data = None
    if isinstance(value, bytes | bytearray | memoryview):
        data = bytes(value)
    elif isinstance(value, str):
        data = _read(value, root, what, most)
    if data is not None and len(data) > most:
        raise BadAttachment(f"the {what} has more than {most:,} bytes")
    if data is not None:
        return data
    if value is None:
        raise BadAttachment(f"there is no {what} (null)")
    raise BadAttachment(f"the {what} must be a path, bytes, or a struct of bytes and path")


def _read(path: str, root: Path, what: str, most: int) -> bytes:
    if _URL.match(path):
        raise BadAttachment(f"the {what} is a URL, and URLs are never fetched; save it as a file")
    if not path or Path(path).is_absolute():
        raise BadAttachment(f"the {what}'s path must be relative to the input's folder")
    try:
        inside = root.resolve(strict=True)
        target = (inside / path).resolve(strict=True)
        return _read_regular(target, inside, what, most)
    except FileNotFoundError:
        raise BadAttachment(f"the {what} file does not exist") from None
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "its path goes round in circles"
        raise BadAttachment(f"the {what} file cannot be read: {reason}") from None
    except BadAttachment:
        raise
    except ValueError:
        raise BadAttachment(f"the {what}'s path is not valid") from None


def _read_regular(target: Path, inside: Path, what: str, most: int) -> bytes:
    if not target.is_relative_to(inside):
        raise BadAttachment(f"the {what}'s path leads out of the input's folder")
    with os.fdopen(os.open(target, _FLAGS), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise BadAttachment(f"the {what}'s path is not a regular file")
        return file.read(most + 1)
