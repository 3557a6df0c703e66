"""The states of a disk after a power cut, drawn from its model."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from disk_model import Change, Disk, File, changed

SECTOR = 512


class Names(Enum):
    """The guarantee of a disk for names before their folder is synced."""

    ORDERED = "in order, as ext4 does"
    """Earlier changes are durable first, and a sync of a new file makes them durable."""
    STRICT = "after a sync, as POSIX allows"
    """A name may refer to any of its files since the last sync, or to none if it was new."""


class Unsynced(Enum):
    """What happens to the unsynced changes of a file."""

    DROPPED = "dropped"
    APPLIED = "applied"
    CHOSEN = "some of them"
    REORDERED = "some of them, in another order"
    TORN = "some of them, truncated at a sector"
    ZEROED = "some of them, with zeros from a sector on"


@dataclass(frozen=True, slots=True)
class State:
    """The content of each file after the power cut."""

    files: dict[str, bytes]

    def digest(self) -> bytes:
        """Return a digest of the state."""
        digest = hashlib.blake2b(digest_size=16)
        for name, content in sorted(self.files.items()):
            digest.update(b"%s %d " % (name.encode(), len(content)))
            digest.update(content)
        return digest.digest()

    def write(self, folder: Path) -> None:
        """Write the files to a new folder."""
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def draw(disk: Disk, model: Names, unsynced: Unsynced, rng: random.Random) -> State:
    """Draw one state after a power cut."""
    names = _names(disk, model, unsynced, rng)
    return State({name: _DRAWS[unsynced](file, rng) for name, file in sorted(names.items())})


def _names(disk: Disk, model: Names, unsynced: Unsynced, rng: random.Random) -> dict[str, File]:
    if unsynced is Unsynced.APPLIED:
        return disk.names
    if model is Names.ORDERED:
        first = disk.journalled
        last = first if unsynced is Unsynced.DROPPED else rng.randint(first, len(disk.renamings))
        names = disk.durable_names
        for renaming in disk.renamings[:last]:
            names = changed(names, renaming)
        return names
    if unsynced is Unsynced.DROPPED:
        return disk.durable_names
    drawn: dict[str, File | None] = {}
    for name in sorted({name for renaming in disk.renamings for name in renaming}):
        later = [renaming[name] for renaming in disk.renamings if name in renaming]
        drawn[name] = rng.choice([disk.durable_names.get(name), *later])
    return changed(disk.durable_names, drawn)


def _content(file: File, changes: list[Change]) -> bytes:
    content = bytearray(file.durable)
    for change in changes:
        change.apply(content)
    return bytes(content)


def _some(file: File, rng: random.Random) -> list[Change]:
    return [change for change in file.changes if rng.random() < 0.6]


def _reordered(file: File, rng: random.Random) -> bytes:
    changes = _some(file, rng)
    rng.shuffle(changes)
    return _content(file, changes)


def _torn(file: File, rng: random.Random) -> bytes:
    return _content(file, [_truncated(change, rng) for change in _some(file, rng)])


def _zeroed(file: File, rng: random.Random) -> bytes:
    """Truncate writes, but keep the new file size; existing content stays."""
    changes = []
    for change in _some(file, rng):
        changes += [_truncated(change, rng)]
        if change.data is not None:
            changes += [Change(change.offset + len(change.data), b"")]
    return _content(file, changes)


def _truncated(change: Change, rng: random.Random) -> Change:
    """Keep a write up to a sector of the disk, or completely, or not at all."""
    if change.data is None:
        return change
    end = change.offset + len(change.data)
    sectors = range(change.offset // SECTOR * SECTOR + SECTOR, end, SECTOR)
    kept = rng.choice([change.offset, *sectors, end]) - change.offset
    return Change(change.offset, change.data[:kept])


_DRAWS: dict[Unsynced, Callable[[File, random.Random], bytes]] = {
    Unsynced.DROPPED: lambda file, _: file.durable,
    Unsynced.APPLIED: lambda file, _: bytes(file.content),
    Unsynced.CHOSEN: lambda file, rng: _content(file, _some(file, rng)),
    Unsynced.REORDERED: _reordered,
    Unsynced.TORN: _torn,
    Unsynced.ZEROED: _zeroed,
}
