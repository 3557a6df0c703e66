"""A model of a folder on a disk: its durable content, and the unsynced changes."""

from dataclasses import dataclass, field
from pathlib import Path

from traced import Call


@dataclass(frozen=True, slots=True)
class Change:
    """An unsynced change of a file: data at an offset, or a new size (data is None)."""

    offset: int
    data: bytes | None

    def apply(self, content: bytearray) -> None:
        """Apply the change to a file's content; fill a hole with zeros."""
        end = self.offset if self.data is None else self.offset + len(self.data)
        content.extend(bytes(max(0, end - len(content))))
        if self.data is None:
            del content[self.offset :]
        else:
            content[self.offset : end] = self.data


@dataclass(slots=True)
class File:
    """One inode: its content for processes, its content at the last sync, and later changes."""

    content: bytearray = field(default_factory=bytearray)
    durable: bytes = b""
    changes: list[Change] = field(default_factory=list)
    is_journalled: bool = False
    """Whether the size is durable; if not, a sync also writes the journal of names."""

    def change(self, change: Change) -> None:
        """Write to the file, or truncate it."""
        size = len(self.content)
        change.apply(self.content)
        self.changes.append(change)
        self.is_journalled = self.is_journalled and len(self.content) == size

    def sync(self) -> None:
        """Make the whole content durable."""
        self.durable = bytes(self.content)
        self.changes.clear()
        self.is_journalled = True


@dataclass(frozen=True, slots=True)
class _Opened:
    file: File | None  # None: the folder itself
    appends: bool


class Disk:
    """The disk of one folder, changed by system calls.

    ``names`` are the names that processes see, ``durable_names`` those at the last sync of the
    folder, and ``renamings`` the later changes. On a disk that keeps the order, as ext4 does, the
    first ``journalled`` changes are durable.
    """

    def __init__(self, folder: Path) -> None:
        self.names: dict[str, File] = {}
        self.durable_names: dict[str, File] = {}
        self.renamings: list[dict[str, File | None]] = []
        self.journalled = 0
        self._folder = folder
        self._opened: dict[str, _Opened] = {}

    def restart(self) -> None:
        """Forget the open files: the process was killed, but its writes are still in memory."""
        self._opened.clear()

    def apply(self, call: Call) -> None:
        """Apply a system call; raises KeyError for an unexpected one."""
        if call.result >= 0:
            _HANDLERS[call.name](self, call)

    def _open(self, call: Call) -> None:
        name, flags = self._name(call.arguments[1]), str(call.arguments[2])
        if name is not None and name not in self.names and "O_CREAT" in flags:
            self._rename({name: File()})
        file = None if name is None else self.names[name]
        if file is not None and "O_TRUNC" in flags:
            file.change(Change(0, None))
        self._opened[str(call.result)] = _Opened(file, "O_APPEND" in flags)

    def _close(self, call: Call) -> None:
        self._opened.pop(str(call.arguments[0]), None)

    def _write(self, call: Call) -> None:
        opened = self._opened[str(call.arguments[0])]
        assert opened.file is not None
        assert opened.appends
        self._change(call, len(opened.file.content))

    def _write_at(self, call: Call) -> None:
        self._change(call, int(call.arguments[3]))

    def _change(self, call: Call, offset: int) -> None:
        data = call.arguments[1]
        assert isinstance(data, bytes)
        self._file(call).change(Change(offset, data[: call.result]))

    def _truncate(self, call: Call) -> None:
        self._file(call).change(Change(int(call.arguments[1]), None))

    def _sync(self, call: Call) -> None:
        file = self._opened[str(call.arguments[0])].file
        if file is None:
            self.durable_names = dict(self.names)
            self.renamings.clear()
            self.journalled = 0
            return
        if call.name == "fsync" or not file.is_journalled:
            self.journalled = len(self.renamings)
        file.sync()

    def _move(self, call: Call) -> None:
        old, new = self._name(call.arguments[0]), self._name(call.arguments[1])
        assert old is not None
        assert new is not None
        self._rename({new: self.names[old], old: None})

    def _remove(self, call: Call) -> None:
        name = self._name(call.arguments[0])
        assert name is not None
        self._rename({name: None})

    def _lock(self, call: Call) -> None:
        """Do nothing: a power cut releases locks."""

    def _rename(self, names: dict[str, File | None]) -> None:
        self.renamings.append(names)
        self.names = changed(self.names, names)

    def _file(self, call: Call) -> File:
        file = self._opened[str(call.arguments[0])].file
        assert file is not None
        return file

    def _name(self, path: bytes | str) -> str | None:
        """Return the name of a file in the folder; None for the folder itself."""
        assert isinstance(path, bytes)
        relative = Path(path.decode()).relative_to(self._folder)
        assert len(relative.parts) <= 1
        return relative.name or None


_HANDLERS = {
    "openat": Disk._open,
    "close": Disk._close,
    "write": Disk._write,
    "pwrite64": Disk._write_at,
    "ftruncate": Disk._truncate,
    "fsync": Disk._sync,
    "fdatasync": Disk._sync,
    "rename": Disk._move,
    "unlink": Disk._remove,
    "flock": Disk._lock,
}


def changed(names: dict[str, File], change: dict[str, File | None]) -> dict[str, File]:
    """Return the names after some were added, moved or removed."""
    merged = names | change
    return {name: file for name, file in merged.items() if file is not None}
