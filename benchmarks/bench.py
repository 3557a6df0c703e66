"""Compares ``batcher run`` with bare clients, a script and peers: what a row costs and takes.

    python benchmarks/bench.py [--quick] [--rounds N] [--only PART,PART] [--write]

Every contender runs in turn, and again in each round, against the same server: nginx where it is
installed. Each is measured twice: a run of few rows and one of many more. The difference is what
one more row costs; it leaves out the start and the opening of connections. ``--write`` puts the
tables into docs/performance.md and draws docs/performance.svg with matplotlib. Results are kept in
a file (``--results``): with ``--only`` the other parts stay as they were.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import contest
import far_side
import report
import situations
from measure import RunFailedError

VERSIONS = "import importlib.metadata as m; print(', '.join(f'{n} {m.version(n)}' for n in %r))"
SHOWN = {
    "clients": ("aiohttp", "httpx", "anthropic"),
    "litellm": ("litellm",),
    "curator": ("bespokelabs-curator",),
    "batcher": ("duckdb", "pyarrow"),
}


@dataclass(frozen=True, slots=True)
class Sitting:
    """What the parts of one call share."""

    arena: contest.Arena
    server: far_side.FarSide
    contenders: Sequence[contest.Contender]
    rounds: int
    is_quick: bool

    @property
    def share(self) -> float:
        """The share of the usual number of rows."""
        return 0.2 if self.is_quick else 1.0

    def races(self) -> situations.Figures:
        """Compare all contenders."""
        return contest.races(self.arena, self.contenders, self.server, self.rounds, self.share)

    def starts(self) -> situations.Figures:
        """Measure starts."""
        return situations.starts(self.arena, self.server, self.contenders, self.rounds)

    def delays(self) -> situations.Figures:
        """Measure slow servers."""
        return situations.delays(self.arena, self.share)

    def api_pace(self) -> situations.Figures:
        """Measure the pace of the API."""
        return situations.api_pace(self.arena, 10 if self.is_quick else 30)

    def processes(self) -> situations.Figures:
        """Measure two processes."""
        return situations.processes(self.arena, self.server, self.rounds, self.share)

    def kills(self) -> situations.Figures:
        """Measure what kills lose."""
        for concurrency in (64, 256):
            yield from situations.kills(self.arena, concurrency, 2 if self.is_quick else 5)

    def stages(self) -> situations.Figures:
        """Measure the stages of a row in a process of their own."""
        script = Path(__file__).with_name("stages.py")
        rows = 1_000 if self.is_quick else 5_000
        command = [contest.BATCHER.python, script, "--json", "--rows", str(rows)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RunFailedError(done.stderr.strip().splitlines()[-1])
        yield from json.loads(done.stdout)


PARTS: Mapping[str, Callable[[Sitting], situations.Figures]] = {
    "stages": Sitting.stages,
    "starts": Sitting.starts,
    "races": Sitting.races,
    "delays": Sitting.delays,
    "api_pace": Sitting.api_pace,
    "processes": Sitting.processes,
    "kills": Sitting.kills,
}


def machine(server: far_side.FarSide, missing: Mapping[str, str]) -> dict[str, Any]:
    """Return where and with what is measured."""
    versions = []
    for name, packages in SHOWN.items():
        if name not in missing:
            python = contest.HOME / name / "bin" / "python"
            command = [python, "-c", VERSIONS % (packages,)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            versions.append(done.stdout.strip())
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "server": server.name,
        "load": f"{os.getloadavg()[0]:.1f}",
        "versions": ", ".join(versions),
    }


def measure(
    results: dict[str, Any], sitting: Sitting, parts: list[str], keep: Callable[[], object]
) -> None:
    """Measure the parts, one after another, into the results; one that fails is left out."""
    for part in parts:
        print(f"-- {part}", flush=True)
        try:
            results[part] = kept_of(results, part, sitting)
            for figures in PARTS[part](sitting):
                results[part].append(figures | {"sitting": results["machine"]["date"]})
                keep()
        except (RunFailedError, OSError, subprocess.SubprocessError) as error:
            results.pop(part, None)
            sitting.arena.failures[part] = str(error)
            print(f"{part} is left out: {error}", flush=True)
        results.setdefault("failures", {}).update(sitting.arena.failures)
        keep()


def kept_of(results: Mapping[str, Any], part: str, sitting: Sitting) -> list[Any]:
    """Return the earlier figures that stay: those of contenders that do not run this time."""
    running = {contender.name for contender in sitting.contenders}
    if part not in ("races", "starts"):
        return []
    return [figures for figures in results.get(part, ()) if figures["contender"] not in running]


def parsed() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two minutes: fewer rows, one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default=",".join(PARTS), metavar="PART,PART")
    parser.add_argument("--write", action="store_true", help="write docs/performance.md and .svg")
    parser.add_argument(
        "--show", action="store_true", help="measure nothing, show the last results"
    )
    parser.add_argument("--contenders", default="", metavar="NAME,NAME", help="only these race")
    parser.add_argument("--results", type=Path, default=contest.HOME / "results.json")
    options = parser.parse_args()
    options.parts = options.only.split(",")
    if unknown := set(options.parts) - PARTS.keys():
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    return options


def sit(options: argparse.Namespace, results: dict[str, Any]) -> None:
    """Install, start the server and measure."""
    missing = contest.prepare(contest.CONTENDERS)
    left_out = dict(missing)
    if not far_side.has_nginx():
        left_out["nginx"] = "not installed; a server of ours answers, and is slower"
    for name, why in left_out.items():
        print(f"left out: {name}: {why}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        folder.chmod(0o755)
        with far_side.fast_server(folder) as server:
            results |= {"machine": machine(server, missing), "left_out": left_out}
            rounds = 1 if options.quick else options.rounds
            chosen = [
                one
                for one in contest.CONTENDERS
                if one.environment not in missing
                and (not options.contenders or one.name in options.contenders.split(","))
            ]
            arena = contest.Arena(folder)
            sitting = Sitting(arena, server, chosen, rounds, options.quick)
            measure(
                results,
                sitting,
                options.parts,
                lambda: options.results.write_text(json.dumps(results, indent=1)),
            )


def main() -> None:
    """Measure, print and write."""
    options = parsed()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # ends what was started
    contest.HOME.mkdir(exist_ok=True)
    results = json.loads(options.results.read_text()) if options.results.exists() else {}
    if not options.show:
        sit(options, results)
    print(report.sections(results))
    if options.write:
        docs = contest.ROOT / "docs"
        report.write_part(docs / "performance.md", report.sections(results))
        report.draw(results["races"], docs / "performance.svg")


if __name__ == "__main__":
    main()
