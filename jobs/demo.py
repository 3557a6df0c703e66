"""Runs the main job on the embedded simulator and shows the first rows of what came out.

With the full table of Debian packages at hand (a folder named by BATCHER_SHARED, default
../shared/data) it takes 2,000 of them, otherwise the sample beside the job.
"""

import os
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq

ROOT = Path(__file__).parents[1]
JOB = ROOT / "jobs" / "debian_sections"
SHARED = Path(os.environ.get("BATCHER_SHARED", ROOT / "../shared/data"))
PACKAGES = SHARED / "debian_packages.parquet"
SHOWN = ("package", "section", "label", "_output_tokens", "_cost_usd")


def main() -> int:
    """Run the job, then print a few rows."""
    command = [sys.executable, "-m", "batcher", "run", str(JOB.relative_to(ROOT)), "--simulate"]
    if PACKAGES.exists():
        command += ["--set", f"input.path={os.path.relpath(PACKAGES, JOB)}", "--limit", "2000"]
    print("$ batcher", *command[3:], flush=True)
    code = subprocess.run(command, cwd=ROOT, check=False).returncode
    if code:
        return code
    rows = pq.read_table(JOB / "sections.simulated.parquet", columns=list(SHOWN)).slice(0, 8)
    print()
    print("{:<28} {:<12} {:<28} {:>14} {:>12}".format(*SHOWN))
    for row in rows.to_pylist():
        print("{:<28.28} {:<12} {:<28} {:>14,} {:>12.7f}".format(*row.values()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
