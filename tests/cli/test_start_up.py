"""What a command loads before it does anything."""

import json
import subprocess
import sys
from pathlib import Path


def job_of_one_row(folder: Path) -> Path:
    """Write a job with one row; return its file."""
    (folder / "rows.jsonl").write_text(json.dumps({"text": "hello"}) + "\n")
    job = folder / "job.toml"
    job.write_text(
        '[input]\npath = "rows.jsonl"\n[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 900\n'
        'prompt = "{{ text }}"\n[output]\npath = "out.parquet"\n'
    )
    return job


def test_a_command_does_not_import_pandas(tmp_path: Path) -> None:
    """It is installed here, and pyarrow would import it with the first array."""
    job = job_of_one_row(tmp_path)
    command = [sys.executable, "-X", "importtime", "-m", "batcher", "check", str(job), "--simulate"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "pyarrow.lib" in loaded
    assert not {name for name in loaded if name.startswith("pandas.")}


NOT_NEEDED = (
    "asyncio",
    "h11",
    "httpcore",
    "httpx",
    "jsonschema",
    "numpy.",
    "pandas.",
    "pyarrow.compute",
    "tenacity",
    "batcher.runner.batches",
    "batcher.runner.sending",
)


def test_a_run_with_nothing_to_do_loads_nothing_to_send_with(tmp_path: Path) -> None:
    """What sends, validates and calculates is imported when it is needed, and works then."""
    job = job_of_one_row(tmp_path)
    run = [sys.executable, "-X", "importtime", "-m", "batcher", "run", str(job), "--simulate"]
    first, second = (loaded_by([*run, "--yes"]) for _ in range(2))
    assert {"asyncio", "batcher.runner.sending.workers"} <= first
    assert {name for name in second if name.startswith(NOT_NEEDED)} == set()


def loaded_by(command: list[str]) -> set[str]:
    """Run a command, and return the modules that it imported."""
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = (line for line in done.stderr.splitlines() if line.startswith("import time:"))
    return {line.rsplit("|", 1)[-1].strip() for line in lines}
