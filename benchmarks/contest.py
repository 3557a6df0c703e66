"""Who takes part in the comparison, and how each is measured.

Every contender has a virtual environment of its own in ``.bench``, so that none is changed by what
another installs; batcher's has nothing but what batcher needs.
"""

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from far_side import FarSide
from measure import RunFailedError, Usage, measured, reference_ms, slope_us

from jobs import rows_file, write_job

ROOT = Path(__file__).parents[1]
HOME = ROOT / ".bench"
SCRIPTS = Path(__file__).parent / "contenders"
ENVIRONMENTS: Mapping[str, Sequence[str]] = {
    "batcher": ("--editable", str(ROOT)),
    "batcher-pandas": ("--editable", str(ROOT), "pandas"),
    "clients": ("httpx", "aiohttp", "anthropic"),
    "litellm": ("litellm",),
    "curator": ("bespokelabs-curator",),
}


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to send rows.

    ``rows`` are sent beyond those of the small run, and decide how long a measurement takes.
    """

    name: str
    environment: str
    rows: int
    script: str | None = None

    @property
    def python(self) -> Path:
        """The interpreter that has what the contender needs."""
        return HOME / self.environment / "bin" / "python"


FLOOR = Contender("raw asyncio sockets", "clients", 10_000, "floor.py")
AIOHTTP = Contender("bare aiohttp", "clients", 10_000, "bare_aiohttp.py")
HTTPX = Contender("bare httpx", "clients", 5_000, "bare_httpx.py")
SCRIPT = Contender("AsyncAnthropic script", "clients", 1_000, "anthropic_script.py")
LITELLM = Contender("litellm script", "litellm", 1_000, "litellm_script.py")
CURATOR = Contender("curator", "curator", 2_000, "curator_script.py")
BATCHER = Contender("batcher run", "batcher", 10_000)
PANDAS = Contender("batcher run beside pandas", "batcher-pandas", 5_000)
CONTENDERS = (FLOOR, AIOHTTP, BATCHER, HTTPX, PANDAS, CURATOR, SCRIPT, LITELLM)
TIMEOUT_S = 180.0
CONCURRENCIES = (64, 256, 2_000)


def prepare(contenders: Sequence[Contender]) -> dict[str, str]:
    """Install what the contenders need; return why an environment cannot be had, by its name."""
    return {
        name: problem
        for name in dict.fromkeys(contender.environment for contender in contenders)
        if (problem := _installed(name)) is not None
    }


def _installed(name: str) -> str | None:
    folder = HOME / name
    marker = folder / "installed"
    if marker.exists():
        return None
    print(f"installing {' '.join(ENVIRONMENTS[name])} into {folder.relative_to(ROOT)}", flush=True)
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "pip"), "install", "--quiet", *ENVIRONMENTS[name]],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            lines = done.stderr.strip().splitlines() or ["no message"]
            return lines[-1][:120]
    marker.touch()
    return None


@dataclass(slots=True)
class Arena:
    """Where the runs of a sitting happen: a folder for their files, and a number for each."""

    folder: Path
    runs: int = 0
    failures: dict[str, str] = field(default_factory=dict)

    def command(
        self, contender: Contender, server: FarSide, rows: int, concurrency: int
    ) -> list[str | Path]:
        """Return the command that sends the first ``rows`` rows, with everything new."""
        self.runs += 1
        source = rows_file(self.folder, rows)
        place = self.folder / f"run-{self.runs}"
        if contender.script is None:
            job = write_job(place, source, server.url, concurrency)
            return [contender.python, "-m", "batcher", "run", job, "--yes", "--quiet"]
        place.mkdir()
        script = SCRIPTS / contender.script
        return [contender.python, script, server.url, source, place / "out", str(concurrency)]

    def usage(self, contender: Contender, server: FarSide, rows: int, concurrency: int) -> Usage:
        """Send the rows and return what it took; raise RunFailedError."""
        command = self.command(contender, server, rows, concurrency)
        return measured(command, self.folder / "log", timeout_s=TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Race:
    """One measurement of a contender: a run of few rows, and one of many more."""

    contender: str
    concurrency: int
    cpu_us: float
    whole_us: float
    rows_s: float
    peak_mib: float
    reference_ms: float


def race(
    arena: Arena, contender: Contender, server: FarSide, concurrency: int, share: float
) -> Race:
    """Measure a contender; ``share`` of its usual number of rows."""
    few = max(256, concurrency)
    more = int(contender.rows * share)
    small = arena.usage(contender, server, few, concurrency)
    large = arena.usage(contender, server, few + more, concurrency)
    return Race(
        contender.name,
        concurrency,
        slope_us(small, large, more),
        large.cpu_s / (few + more) * 1e6,
        more / max(large.wall_s - small.wall_s, 1e-9),
        large.peak_mib,
        reference_ms(),
    )


def races(
    arena: Arena,
    contenders: Sequence[Contender],
    server: FarSide,
    rounds: int,
    share: float,
) -> Iterator[dict[str, object]]:
    """Measure all contenders in turn, ``rounds`` times; one that fails is left out from then on."""
    for number in range(rounds):
        for concurrency in CONCURRENCIES:
            for contender in contenders:
                name = f"{contender.name}, c={concurrency}"
                if name in arena.failures:
                    continue
                try:
                    figures = race(arena, contender, server, concurrency, share)
                except RunFailedError as error:
                    arena.failures[name] = str(error)
                    print(f"{number + 1}/{rounds} {name}: {error}", flush=True)
                    continue
                print(
                    f"{number + 1}/{rounds} {name}: {figures.cpu_us:,.0f} us a row, "
                    f"{figures.rows_s:,.0f} rows/s, {figures.peak_mib:.0f} MiB",
                    flush=True,
                )
                yield asdict(figures)
