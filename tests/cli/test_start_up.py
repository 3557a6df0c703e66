"""What a command loads before it does anything."""

import json
import subprocess
import sys
from pathlib import Path


def test_a_command_does_not_import_pandas(tmp_path: Path) -> None:
    """It is installed here, and pyarrow would import it with the first array."""
    (tmp_path / "rows.jsonl").write_text(json.dumps({"text": "hello"}) + "\n")
    job = tmp_path / "job.toml"
    job.write_text(
        '[input]\npath = "rows.jsonl"\n[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 9\n'
        'prompt = "{{ text }}"\n'
    )
    command = [sys.executable, "-X", "importtime", "-m", "batcher", "check", str(job), "--simulate"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "pyarrow.lib" in loaded
    assert not {name for name in loaded if name.startswith("pandas.")}
