"""The driver's calls told to a disk again, with the power cut after every one of them."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from disk_model import Disk
from judge import Judge, Verdict, with_judges
from power_cut import Fate, Names, State, draw
from traced import COMMITS, CREATED, Call, Ended, Fault, calls, run_driver, said

MEMORY = Path("/dev/shm")
KILLED = (2, 2, 5)
"""At which sync of its log each of the killed processes ends: the write before it is in memory."""


@dataclass(frozen=True, slots=True)
class Story:
    """What processes did in one folder, one after the other."""

    name: str
    folder: Path
    processes: Sequence[Sequence[Call]]

    def without(self, *names: str) -> "Story":
        """The same without some calls, to see that they matter."""
        fewer = [[call for call in made if call.name not in names] for made in self.processes]
        return Story(f"{self.name}, without {' and '.join(names)}", self.folder, fewer)


def undisturbed(home: Path) -> Story:
    """One process that makes the checkpoint and all commits."""
    return _told("one run", home, [(COMMITS, None)])


def killed(home: Path) -> Story:
    """Some that are killed before their last write is synced, and one that goes on."""
    kills = [(COMMITS, Fault("fdatasync", nth, "SIGKILL")) for nth in KILLED]
    return _told("runs killed before a sync", home, [(0, None), *kills, (COMMITS, None)])


def _told(name: str, home: Path, runs: Sequence[tuple[int, Fault | None]]) -> Story:
    folder = home / "job"
    folder.mkdir(parents=True)
    processes = []
    for number, (commits, fault) in enumerate(runs):
        trace = home / f"{number}.trace"
        files = [said(trace), *(folder / name for name in CREATED)]
        ended = run_driver(folder, commits, trace, files, fault)
        assert fault is not None or ended == Ended(0, commits, None, ""), ended
        processes.append(list(calls(trace)))
    return Story(name, folder, processes)


@dataclass(frozen=True, slots=True)
class Cut:
    """One power cut: after which call, how many commits were acknowledged, and what is left."""

    moment: int
    acked: int
    fate: Fate
    state: State


@dataclass(slots=True)
class Tally:
    """How the cuts of one story ended."""

    story: str
    model: Names
    moments: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def count(self, cut: Cut, verdict: Verdict) -> None:
        """Add one."""
        self.moments = cut.moment
        self.endings[verdict.ending] += 1
        if verdict.ending != "kept":
            where = f"call {cut.moment}, {cut.acked} commits acknowledged, {cut.fate.value}"
            self.failures.append(f"{where}: {verdict.ending}: {verdict.detail}")

    @property
    def states(self) -> int:
        """How many different states were opened."""
        return self.endings.total()


def power_cuts(story: Story, model: Names, draws: int, share: float = 1) -> Iterator[Cut]:
    """Every different state: at each moment two extremes and some draws of each other fate."""
    chance = random.Random(f"{story.name} {model.name}")
    seen: set[tuple[int, bytes]] = set()
    for moment, (acked, disk) in enumerate(_moments(story), start=1):
        for fate in Fate:
            for _ in range(1 if fate in (Fate.DROPPED, Fate.APPLIED) else draws):
                if chance.random() >= share:
                    continue
                state = draw(disk, model, fate, chance)
                if (known := (acked, state.digest())) not in seen:
                    seen.add(known)
                    yield Cut(moment, acked, fate, state)


def _moments(story: Story) -> Iterator[tuple[int, Disk]]:
    disk, acked = Disk(story.folder), 0
    for process in story.processes:
        disk.restart()
        for call in process:
            if call.name == "write" and call.arguments[0] == "1":
                acked = max(acked, int(call.arguments[1].split()[1]))
            else:
                disk.tell(call)
            yield acked, disk


def tally(story: Story, model: Names, cuts: Iterable[Cut]) -> Tally:
    """Open every state and count how it ended."""
    tally = Tally(story.name, model)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as home:
        for cut, verdict in with_judges(_opening(Path(home)), cuts):
            tally.count(cut, verdict)
    return tally


def _opening(home: Path) -> Callable[[Judge, Cut], tuple[Cut, Verdict]]:
    def opened(judge: Judge, cut: Cut) -> tuple[Cut, Verdict]:
        place = Path(tempfile.mkdtemp(dir=home))
        cut.state.write(place / "job")
        verdict = judge.judge(place / "job", cut.acked, is_whole=True, further=1)
        shutil.rmtree(place)
        return cut, verdict

    return opened
