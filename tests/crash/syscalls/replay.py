"""Replays the driver's system calls on a model disk, with a power cut after each of them."""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from checker import Checker, Verdict, with_checkers
from disk_model import Disk
from power_cut import Names, State, Unsynced, draw
from traced import COMMITS, CREATED, Call, Fault, RunResult, calls, output_path, run_driver

MEMORY = Path("/dev/shm")
KILLED = (2, 2, 5)
"""The sync of the log at which each process is killed, so that its last write is in memory."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """The system calls of processes that used one folder, one after the other."""

    name: str
    folder: Path
    processes: Sequence[Sequence[Call]]

    def without(self, *names: str) -> "Scenario":
        """Return the scenario without some calls, to show that they are necessary."""
        fewer = [[call for call in process if call.name not in names] for process in self.processes]
        return Scenario(f"{self.name}, without {' and '.join(names)}", self.folder, fewer)


def undisturbed_run(home: Path) -> Scenario:
    """Trace one process that creates the checkpoint and makes all commits."""
    return _traced("one run", home, [(COMMITS, None)])


def killed_runs(home: Path) -> Scenario:
    """Trace processes that are killed before a sync, and one that continues."""
    kills = [(COMMITS, Fault("fdatasync", nth, "SIGKILL")) for nth in KILLED]
    return _traced("runs killed before a sync", home, [(0, None), *kills, (COMMITS, None)])


def _traced(name: str, home: Path, runs: Sequence[tuple[int, Fault | None]]) -> Scenario:
    folder = home / "job"
    folder.mkdir(parents=True)
    processes = []
    for number, (commits, fault) in enumerate(runs):
        trace = home / f"{number}.trace"
        files = [output_path(trace), *(folder / name for name in CREATED)]
        result = run_driver(folder, commits, trace, files, fault)
        assert fault is not None or result == RunResult(0, commits, None, ""), result
        processes.append(list(calls(trace)))
    return Scenario(name, folder, processes)


@dataclass(frozen=True, slots=True)
class PowerCut:
    """One power cut: the call before it, the acknowledged commits, and the state of the disk."""

    moment: int
    acked: int
    unsynced: Unsynced
    state: State


@dataclass(slots=True)
class Tally:
    """The endings after the power cuts of one scenario."""

    scenario: str
    model: Names
    moments: int = 0
    endings: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    def count(self, cut: PowerCut, verdict: Verdict) -> None:
        """Add a power cut."""
        self.moments = cut.moment
        self.endings[verdict.ending] += 1
        if verdict.ending != "kept":
            where = f"call {cut.moment}, {cut.acked} commits acknowledged, {cut.unsynced.value}"
            self.failures.append(f"{where}: {verdict.ending}: {verdict.detail}")

    @property
    def states(self) -> int:
        """The number of different states that were opened."""
        return self.endings.total()


def power_cuts(
    scenario: Scenario, model: Names, draws: int, share: float = 1
) -> Iterator[PowerCut]:
    """Yield all different states: per moment the two extremes, and some draws of the others."""
    rng = random.Random(f"{scenario.name} {model.name}")
    seen: set[tuple[int, bytes]] = set()
    for moment, (acked, disk) in enumerate(_moments(scenario), start=1):
        for unsynced in Unsynced:
            for _ in range(1 if unsynced in (Unsynced.DROPPED, Unsynced.APPLIED) else draws):
                if rng.random() >= share:
                    continue
                state = draw(disk, model, unsynced, rng)
                if (key := (acked, state.digest())) not in seen:
                    seen.add(key)
                    yield PowerCut(moment, acked, unsynced, state)


def _moments(scenario: Scenario) -> Iterator[tuple[int, Disk]]:
    disk, acked = Disk(scenario.folder), 0
    for process in scenario.processes:
        disk.restart()
        for call in process:
            if call.name == "write" and call.arguments[0] == "1":
                acked = max(acked, int(call.arguments[1].split()[1]))
            else:
                disk.apply(call)
            yield acked, disk


def tally(scenario: Scenario, model: Names, cuts: Iterable[PowerCut]) -> Tally:
    """Open each state and count the endings."""
    tally = Tally(scenario.name, model)
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as home:
        for cut, verdict in with_checkers(_opening(Path(home)), cuts):
            tally.count(cut, verdict)
    return tally


def _opening(home: Path) -> Callable[[Checker, PowerCut], tuple[PowerCut, Verdict]]:
    def opened(checker: Checker, cut: PowerCut) -> tuple[PowerCut, Verdict]:
        folder = Path(tempfile.mkdtemp(dir=home))
        cut.state.write(folder / "job")
        verdict = checker.check(folder / "job", cut.acked, is_complete=True, further=1)
        shutil.rmtree(folder)
        return cut, verdict

    return opened
