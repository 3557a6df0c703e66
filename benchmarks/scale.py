"""Measures how processor time and memory of a job's passes grow with the rows of its input.

    python benchmarks/scale.py [--rows 10000,100000,1000000] [--stages read,plan,resume,output]
        [--rounds N] [--folder DIR]

Every stage runs in a process of its own, on rows of about 140 bytes of JSON: ``read`` parses the
input, ``plan`` plans it for an empty checkpoint, ``resume`` plans it for a checkpoint that has an
answer to all rows but one in a hundred, and ``output`` writes the Parquet file from that. It prints
medians: microseconds of processor time a row (user and system), and the peak of the process's
memory with what it had before the stage began. The loop is a million steps of Python: divide by it
to compare machines. A folder that is named is used again; making an answered checkpoint of a
million rows takes minutes.
"""

import argparse
import json
import random
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from resume import JOB, MODEL, SEED, THEN, write_input, write_responses

from batcher import __version__
from batcher.cli.main import collect_seldom
from batcher.inputs.job_file.load import load_job
from batcher.runner.job_context import JobContext, open_job
from batcher.runner.planning.planner import make_plan
from batcher.runner.writing.output import Target, export_parquet
from batcher.store.checkpoint import Checkpoint
from batcher.store.results import begin_results

STAGES = ("read", "plan", "resume", "output")
# As the command starts: without pandas and numpy, with the system's allocator.
_START = """
import os, runpy, sys
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
from batcher.__main__ import _WithoutPandas
sys.argv = sys.argv[1:]
sys.meta_path.insert(0, _WithoutPandas())
sys.path.insert(0, sys.argv[0].rpartition("/")[0])
runpy.run_path(sys.argv[0], run_name="__main__")
"""
RUN_ID = "20261121T030000Z-000000"


def processor_s() -> float:
    """Return the processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mib() -> float:
    """Return the largest memory of this process so far; getrusage would count its parent's."""
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def loop_ms() -> float:
    """Return the processor time of a million steps of Python, in milliseconds."""
    before = time.process_time()
    for _ in range(1_000_000):
        pass
    return (time.process_time() - before) * 1_000


def read(context: JobContext, _folder: Path) -> Callable[[], object]:
    """Return the stage that parses all rows."""
    return lambda: sum(len(chunk.rows) for chunk in context.source.chunks(None))


def plan(context: JobContext, folder: Path) -> Callable[[], object]:
    """Return the stage that plans a job that has not run yet."""
    state = folder / "empty"
    shutil.rmtree(state, ignore_errors=True)
    state.mkdir()
    Checkpoint.create(state, version=__version__, now=THEN)
    checkpoint = Checkpoint(state)
    return lambda: make_plan(context, checkpoint.call)


def resume(context: JobContext, folder: Path) -> Callable[[], object]:
    """Return the stage that plans a job that is nearly answered."""
    checkpoint = answered(folder)
    return lambda: make_plan(context, checkpoint.call)


def output(context: JobContext, folder: Path) -> Callable[[], object]:
    """Return the stage that writes the output; the plan is made before."""
    checkpoint = answered(folder)
    planned, target = make_plan(context, checkpoint.call), Target(folder / "o.parquet", RUN_ID)

    def stage() -> None:
        begin_results(checkpoint)
        export_parquet(context, planned, checkpoint.call, target)

    return stage


def answered(folder: Path) -> Checkpoint:
    """Open a copy of the answered checkpoint."""
    state = folder / "state"
    shutil.rmtree(state, ignore_errors=True)
    shutil.copytree(folder / "answered", state)
    return Checkpoint(state)


def run_stage(name: str, folder: Path) -> None:
    """Run one stage, and print its figures as JSON."""
    loaded = load_job(folder / "job.toml")
    context = open_job(loaded, is_simulated=False, today=datetime.now(UTC).date())
    stage = {"read": read, "plan": plan, "resume": resume, "output": output}[name](context, folder)
    collect_seldom()
    before_s, before_mib = processor_s(), peak_mib()
    stage()
    used = {"processor_s": processor_s() - before_s, "mib": peak_mib(), "before_mib": before_mib}
    print(json.dumps(used | {"loop_ms": loop_ms()}))


def build(folder: Path, rows: int, stages: list[str]) -> None:
    """Make the input, the job, and the answered checkpoint if a stage needs it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "rows.jsonl").exists():
        write_input(folder, rows, as_parquet=False)
    job = JOB.format(ending="jsonl", url="http://127.0.0.1", model=MODEL)
    (folder / "job.toml").write_text(job)
    if {"resume", "output"} & set(stages) and not (folder / "answered").exists():
        loaded = load_job(folder / "job.toml")
        context = open_job(loaded, is_simulated=False, today=THEN.date())
        missing = frozenset(random.Random(SEED).sample(range(rows), rows // 100))
        write_responses(context, folder / "answered", missing)


def measure(name: str, folder: Path, rounds: int) -> dict[str, float]:
    """Run a stage several times; return the median of each figure."""
    command = [sys.executable, "-c", _START, __file__, "--stage", name, "--folder", str(folder)]
    runs = [
        json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        for _ in range(rounds)
    ]
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def main() -> None:
    """Measure every stage at every size, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", default="10000,100000")
    parser.add_argument("--stages", default=",".join(STAGES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--stage", choices=STAGES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        run_stage(options.stage, options.folder)
        return
    stages = options.stages.split(",")
    print(f"{'stage':10}{'rows':>12}{'us a row':>10}{'MiB':>8}{'before':>8}{'loop ms':>9}")
    with tempfile.TemporaryDirectory() as temporary:
        for rows in map(int, options.rows.split(",")):
            folder = (options.folder or Path(temporary)) / str(rows)
            build(folder, rows, stages)
            for name in stages:
                used = measure(name, folder, options.rounds)
                microseconds = used["processor_s"] / rows * 1e6
                memory = f"{used['mib']:>8.0f}{used['before_mib']:>8.0f}"
                print(f"{name:10}{rows:>12,}{microseconds:>10.1f}{memory}{used['loop_ms']:>9.0f}")


if __name__ == "__main__":
    main()
