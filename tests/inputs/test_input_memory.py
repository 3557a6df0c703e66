"""Memory does not grow with the size of the input."""

import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

ROWS = 200_000
GROWTH_MB = 30

# Reads a small input first, which loads every library, then the large one. Prints the number of
# rows and the growth of peak memory in megabytes.
SCRIPT = """
import resource, sys
from pathlib import Path
from batcher.core.job import InputSection
from batcher.inputs.column_types import ColumnTypes
from batcher.inputs.source import Source

def count(name):
    source = Source.open(InputSection(path=name), Path(sys.argv[1]))
    types, rows = ColumnTypes(None), 0
    for chunk in source.chunks(None):
        types.add(chunk)
        rows += len(chunk.rows)
    return rows

count("small" + sys.argv[2])
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
rows = count("large" + sys.argv[2])
print(rows, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def _write(folder: Path, name: str, rows: int) -> None:
    if name.endswith(".jsonl"):
        with (folder / name).open("w") as file:
            file.writelines(
                f'{{"id": {n}, "text": "{n * 7919:x} {"x" * 200}"}}\n' for n in range(rows)
            )
        return
    with pq.ParquetWriter(
        folder / name, pa.schema({"id": pa.int64(), "text": pa.string()})
    ) as sink:
        for start in range(0, rows, 50_000):
            numbers = range(start, min(start + 50_000, rows))
            texts = [f"{n * 7919:x} " + "x" * 200 for n in numbers]
            sink.write_table(pa.table({"id": numbers, "text": texts}))


@pytest.mark.parametrize("ending", [".jsonl", ".parquet"])
def test_memory_is_bounded(tmp_path: Path, ending: str) -> None:
    """Reading 200,000 rows takes less than 30 MB more than reading 5,000."""
    _write(tmp_path, "small" + ending, 5_000)
    _write(tmp_path, "large" + ending, ROWS)
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), ending]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    rows, growth_mb = map(int, result.stdout.split())
    assert rows == ROWS
    assert growth_mb < GROWTH_MB
