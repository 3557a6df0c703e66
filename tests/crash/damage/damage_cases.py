"""Damages copies by seed, one after the other, in a separate process, because DuckDB may crash.

``python damage_cases.py FOLDER FIRST LAST`` prints a line for each seed: seed, file, kind, verdict.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from damaging import LOG, STATE, content_of, copy_of, random_damage, verdict_on

from batcher.outputs.parquet_output import ParquetOutput
from batcher.outputs.seal import Seal, read_seal
from batcher.store.checkpoint import FILE_NAME

OUTPUT = "out.parquet"
FILES = (FILE_NAME, LOG, OUTPUT)


def build_output(folder: Path) -> None:
    """Write the checkpoint's outcomes as a sealed output."""
    table = content_of(folder)["outcomes"]
    with ParquetOutput(folder / OUTPUT, table.schema, rows_per_file=None) as file:
        file.write(table)
        file.finish({"job": "damaged"})
    Seal.of(folder / OUTPUT, {}).write(folder)


def run_cases(folder: Path, seeds: range) -> Counter[tuple[str, str, str]]:
    """Count file, kind and verdict; a case that kills the process counts as ``crashed``."""
    counts: Counter[tuple[str, str, str]] = Counter()
    left = seeds
    while left:
        command = [sys.executable, __file__, str(folder), str(left.start), str(left.stop)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        lines = [line.split("\t") for line in ended.stdout.splitlines()]
        counts.update((file, kind, verdict) for _, file, kind, verdict in lines)
        left = left[len(lines) :]
        if ended.returncode > 0:
            raise AssertionError(ended.stderr)
        if ended.returncode < 0:  # a signal: DuckDB crashed in this case
            damage = random_damage(left.start, folder, FILES)
            counts[damage.file, damage.kind, "crashed"] += 1
            left = left[1:]
    return counts


def summary(counts: Counter[tuple[str, str, str]]) -> str:
    """Return a Markdown table of the counts."""
    verdicts = ("detected", "crashed", "harmless", "SILENTLY WRONG")
    lines = ["| damage | cases | detected | DuckDB crashed | harmless | silently wrong |"]
    lines.append("|---|---|---|---|---|---|")
    for file, kind in sorted({(file, kind) for file, kind, _ in counts}):
        numbers = [counts[file, kind, verdict] for verdict in verdicts]
        cells = " | ".join(f"{number:,}" for number in [sum(numbers), *numbers])
        lines.append(f"| {'1 bit flipped' if kind == 'flip' else 'truncated'}, {file} | {cells} |")
    return "\n".join(lines)


def _verdict_on_output(folder: Path, path: Path) -> str:
    seal = read_seal(folder)
    assert seal is not None
    if seal.changed_files(path):
        return "detected"
    is_same = pq.read_table(path).equals(pq.read_table(folder / OUTPUT))
    return "harmless" if is_same else "SILENTLY WRONG"


def _cases(folder: Path, seeds: range, working: Path) -> Iterator[str]:
    undamaged: dict[str, pa.Table] = content_of(folder)
    for seed in seeds:
        damage = random_damage(seed, folder, FILES)
        if damage.file == OUTPUT:
            (working / OUTPUT).write_bytes((folder / OUTPUT).read_bytes())
            damage.apply(working)
            verdict = _verdict_on_output(folder, working / OUTPUT)
        else:
            copy = copy_of(folder, working / "state")
            damage.apply(copy)
            verdict = verdict_on(copy, undamaged)
        yield f"{seed}\t{damage.file}\t{damage.kind}\t{verdict}"


if __name__ == "__main__":
    source, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    assert set(STATE) < {path.name for path in source.iterdir()}
    with tempfile.TemporaryDirectory() as scratch:
        for line in _cases(source, range(first, last), Path(scratch)):
            print(line, flush=True)
