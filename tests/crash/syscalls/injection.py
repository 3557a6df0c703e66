"""Runs the driver with each fault at each system call, and checks the folder afterwards."""

import shutil
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path

from checker import Checker, Verdict, with_checkers
from traced import CREATED, FILLED, Fault, RunResult, calls, run_driver

EFFECTS = ("SIGKILL", "EIO", "ENOSPC")


@dataclass(frozen=True, slots=True)
class Phase:
    """A part of the driver's work, up to a number of commits.

    A phase makes all its calls in one thread, because strace counts the calls of each thread.
    """

    name: str
    commits: int
    files: tuple[str, ...]


CREATION = Phase("creation", 0, CREATED)


def filling(commits: int) -> Phase:
    """Return the phase of some commits, their checkpoints, and the end."""
    return Phase("commits and checkpoints", commits, FILLED)


@dataclass(frozen=True, slots=True)
class FaultResult:
    """One fault, the result of the driver, and the state of its folder."""

    fault: Fault
    result: RunResult
    verdict: Verdict

    @property
    def is_reported_correctly(self) -> bool:
        """Whether the driver was killed, reported a CheckpointError, or succeeded."""
        if self.fault.effect == "SIGKILL":
            return self.result.code == -9
        return (self.result.code, self.result.refused) in ((3, "CheckpointError"), (0, None))

    @property
    def is_kept(self) -> bool:
        """Whether all acknowledged commits are there and further commits work."""
        return self.verdict.ending == "kept"

    def __str__(self) -> str:
        return f"{self.fault}: {self.result}, {self.verdict}"


class FaultBench:
    """Runs the faults of phases in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count()

    def faults(self, phase: Phase) -> list[Fault]:
        """Return each fault at each call of a phase, in the order of the calls."""
        folder, trace = self._prepare(phase)
        result = run_driver(folder, phase.commits, trace, _paths(folder, phase))
        assert result == RunResult(0, phase.commits, None, ""), result
        assert len({line.split()[0] for line in trace.read_text().splitlines()}) == 1
        nth: Counter[str] = Counter()
        names = [call.name for call in calls(trace) if call.name != "close"]
        faults = []
        for name in names:
            nth[name] += 1
            faults += [Fault(name, nth[name], effect) for effect in EFFECTS]
        return faults

    def run_faults(self, phase: Phase, faults: Iterable[Fault]) -> Iterator[FaultResult]:
        """Run the phase once for each fault, a few at a time."""
        yield from with_checkers(
            lambda checker, fault: self._run_fault(phase, fault, checker), faults
        )

    def _run_fault(self, phase: Phase, fault: Fault, checker: Checker) -> FaultResult:
        folder, trace = self._prepare(phase)
        result = run_driver(folder, phase.commits, trace, _paths(folder, phase), fault)
        verdict = checker.check(
            folder, result.acked, is_complete=fault.effect == "SIGKILL", further=2
        )
        shutil.rmtree(folder.parent)
        return FaultResult(fault, result, verdict)

    def _prepare(self, phase: Phase) -> tuple[Path, Path]:
        """Create a folder in the initial state of the phase."""
        home = self._folder / str(next(self._numbers))
        folder = home / "job"
        home.mkdir()
        if phase.commits:
            shutil.copytree(self._created, folder)
        else:
            folder.mkdir()
        return folder, home / "calls.trace"

    @cached_property
    def _created(self) -> Path:
        """A folder with an empty checkpoint."""
        folder = self._folder / "created"
        folder.mkdir()
        result = run_driver(folder, 0, self._folder / "created.trace", [folder])
        assert result.code == 0, result
        return folder


def _paths(folder: Path, phase: Phase) -> list[Path]:
    return [folder / name for name in phase.files]
