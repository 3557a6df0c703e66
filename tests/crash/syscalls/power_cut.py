"""The states in which a power cut can leave a disk, drawn from what the disk was told."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from disk_model import Change, Disk, File, changed

SECTOR = 512


class Names(Enum):
    """What a disk promises about names before their folder is synced."""

    ORDERED = "in order, as ext4 does"
    """Those that changed first are there first, and syncing a new file makes them durable."""
    STRICT = "nothing, as POSIX does"
    """Each has any of the files it stood for since the last sync, or none if it was new."""


class Fate(Enum):
    """What becomes of the unsynced changes of a file."""

    DROPPED = "dropped"
    APPLIED = "applied"
    CHOSEN = "some of them"
    REORDERED = "some of them, in another order"
    TORN = "some of them, cut off at a sector"
    ZEROED = "some of them, grown by zeros from a sector on"


@dataclass(frozen=True, slots=True)
class State:
    """What is found after the power is back: the content of each file."""

    files: dict[str, bytes]

    def digest(self) -> bytes:
        """Equal for equal states."""
        digest = hashlib.blake2b(digest_size=16)
        for name, content in sorted(self.files.items()):
            digest.update(b"%s %d " % (name.encode(), len(content)))
            digest.update(content)
        return digest.digest()

    def write(self, folder: Path) -> None:
        """Make a folder of it."""
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


def draw(disk: Disk, model: Names, fate: Fate, chance: random.Random) -> State:
    """Cut the power once."""
    names = _names(disk, model, fate, chance)
    return State({name: _FATES[fate](file, chance) for name, file in sorted(names.items())})


def _names(disk: Disk, model: Names, fate: Fate, chance: random.Random) -> dict[str, File]:
    if fate is Fate.APPLIED:
        return disk.names
    if model is Names.ORDERED:
        first = disk.journalled
        last = first if fate is Fate.DROPPED else chance.randint(first, len(disk.renamings))
        names = disk.durable_names
        for renaming in disk.renamings[:last]:
            names = changed(names, renaming)
        return names
    if fate is Fate.DROPPED:
        return disk.durable_names
    found: dict[str, File | None] = {}
    for name in sorted({name for renaming in disk.renamings for name in renaming}):
        had = [renaming[name] for renaming in disk.renamings if name in renaming]
        found[name] = chance.choice([disk.durable_names.get(name), *had])
    return changed(disk.durable_names, found)


def _made(file: File, changes: list[Change]) -> bytes:
    content = bytearray(file.durable)
    for change in changes:
        change.apply(content)
    return bytes(content)


def _some(file: File, chance: random.Random) -> list[Change]:
    return [change for change in file.changes if chance.random() < 0.6]


def _reordered(file: File, chance: random.Random) -> bytes:
    changes = _some(file, chance)
    chance.shuffle(changes)
    return _made(file, changes)


def _torn(file: File, chance: random.Random) -> bytes:
    return _made(file, [_cut(change, chance) for change in _some(file, chance)])


def _zeroed(file: File, chance: random.Random) -> bytes:
    """Cut writes off, but let the file have grown: what was there before keeps its content."""
    changes = []
    for change in _some(file, chance):
        changes += [_cut(change, chance)]
        if change.data is not None:
            changes += [Change(change.offset + len(change.data), b"")]
    return _made(file, changes)


def _cut(change: Change, chance: random.Random) -> Change:
    """Keep a write up to a sector of the disk, or all of it, or nothing."""
    if change.data is None:
        return change
    end = change.offset + len(change.data)
    sectors = range(change.offset // SECTOR * SECTOR + SECTOR, end, SECTOR)
    kept = chance.choice([change.offset, *sectors, end]) - change.offset
    return Change(change.offset, change.data[:kept])


_FATES: dict[Fate, Callable[[File, random.Random], bytes]] = {
    Fate.DROPPED: lambda file, _: file.durable,
    Fate.APPLIED: lambda file, _: bytes(file.content),
    Fate.CHOSEN: lambda file, chance: _made(file, _some(file, chance)),
    Fate.REORDERED: _reordered,
    Fate.TORN: _torn,
    Fate.ZEROED: _zeroed,
}
