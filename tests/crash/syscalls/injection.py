"""Every call of the driver, each with every fault: run, then judge what is left."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

from judge import Judge, Verdict, with_judges
from traced import CREATED, FILLED, Ended, Fault, calls, run_driver

EFFECTS = ("SIGKILL", "EIO", "ENOSPC")


@dataclass(frozen=True, slots=True)
class Scene:
    """A stretch of the driver's work: from a folder as it was, up to a number of commits.

    Each scene makes its calls in one thread, so that strace's count within a thread is the count.
    """

    name: str
    commits: int
    files: tuple[str, ...]


CREATION = Scene("creation", 0, CREATED)


def filling(commits: int) -> Scene:
    """Some commits, the checkpoints between them, and the end."""
    return Scene("commits and checkpoints", commits, FILLED)


@dataclass(frozen=True, slots=True)
class Struck:
    """One fault, how the driver took it, and what was left of its folder."""

    fault: Fault
    ended: Ended
    verdict: Verdict

    @property
    def is_told_truly(self) -> bool:
        """Whether the driver was killed, refused with our error, or was not harmed."""
        if self.fault.effect == "SIGKILL":
            return self.ended.code == -9
        return (self.ended.code, self.ended.refused) in ((3, "CheckpointError"), (0, None))

    @property
    def is_kept(self) -> bool:
        """Whether everything acknowledged is there and the work can go on."""
        return self.verdict.ending == "kept"

    def __str__(self) -> str:
        return f"{self.fault}: {self.ended}, {self.verdict}"


class Bench:
    """A folder for the scenes of a sweep, and the warm processes that judge them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def faults(self, scene: Scene) -> list[Fault]:
        """Every fault at every call of a scene, in the order of the calls."""
        folder, trace = self._prepare(scene)
        ended = run_driver(folder, scene.commits, trace, _paths(folder, scene))
        assert ended == Ended(0, scene.commits, None, ""), ended
        assert len({line.split()[0] for line in trace.read_text().splitlines()}) == 1
        nth: Counter[str] = Counter()
        made = [call.name for call in calls(trace) if call.name != "close"]
        found = []
        for name in made:
            nth[name] += 1
            found += [Fault(name, nth[name], effect) for effect in EFFECTS]
        return found

    def strike(self, scene: Scene, faults: Iterable[Fault]) -> Iterator[Struck]:
        """Run the scene once for each fault, some at a time."""
        yield from with_judges(lambda judge, fault: self._strike(scene, fault, judge), faults)

    def _strike(self, scene: Scene, fault: Fault, judge: Judge) -> Struck:
        folder, trace = self._prepare(scene)
        ended = run_driver(folder, scene.commits, trace, _paths(folder, scene), fault)
        verdict = judge.judge(folder, ended.acked, is_whole=fault.effect == "SIGKILL", further=2)
        shutil.rmtree(folder.parent)
        return Struck(fault, ended, verdict)

    def _prepare(self, scene: Scene) -> tuple[Path, Path]:
        """Make a folder as the scene finds it."""
        home = self._folder / str(next(self._numbers))
        folder = home / "job"
        home.mkdir()
        if scene.commits:
            shutil.copytree(self._created, folder)
        else:
            folder.mkdir()
        return folder, home / "calls.trace"

    @cached_property
    def _created(self) -> Path:
        """A folder with an empty checkpoint."""
        folder = self._folder / "created"
        folder.mkdir()
        ended = run_driver(folder, 0, self._folder / "created.trace", [folder])
        assert ended.code == 0, ended
        return folder


def _paths(folder: Path, scene: Scene) -> list[Path]:
    return [folder / name for name in scene.files]
