"""A run writes a changed output again."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
from commanding import Command


def test_the_next_run_repairs_a_flipped_bit(done: Path, batcher: Command, tmp_path: Path) -> None:
    """One bit changes in a page, which the footer does not show; a run restores the rows."""
    shutil.copytree(done.parent, tmp_path / "job")
    job, output = tmp_path / "job/job.toml", tmp_path / "job/job.out.simulated.parquet"
    whole = pq.read_table(output)
    assert batcher("run", job, "--simulate").code == 3
    stamp = output.stat().st_mtime_ns
    assert batcher("run", job, "--simulate").code == 3
    assert output.stat().st_mtime_ns == stamp, "an output as it was written is left alone"
    content = bytearray(output.read_bytes())
    content[40] ^= 4
    output.write_bytes(content)
    assert batcher("doctor", job, "--simulate").code == 1
    assert batcher("run", job, "--simulate").code == 3
    assert pq.read_table(output, page_checksum_verification=True).equals(whole)
    assert batcher("doctor", job, "--simulate").code == 0
