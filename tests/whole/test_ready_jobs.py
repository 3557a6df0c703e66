"""The example jobs run unchanged, and a job from ``init`` runs at once."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from whole_runs import batcher

JOBS = Path(__file__).parents[2] / "jobs"


def run(*words: str, folder: Path) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = batcher(*words, folder=folder)
    assert done.code == 0, done.err
    return done.err


def test_the_nightly_job_labels_what_is_new(tmp_path: Path) -> None:
    """The second run sends only new rows, and compares with the gold labels."""
    job = tmp_path / "nightly"
    leftovers = shutil.ignore_patterns("runs*", "*.parquet")
    shutil.copytree(JOBS / "nightly_labels", job, ignore=leftovers)
    later = job / "inbox" / "2026-11-25.jsonl"
    later_rows = later.read_text()
    later.unlink()
    assert "8 new" in run("run", ".", "--simulate", folder=job)
    later.write_text(later_rows)
    printed = run("run", ".", "--simulate", folder=job)
    assert "8 already answered, 6 new" in printed
    assert "team: accuracy" in printed
    table = pq.read_table(job / "labels.simulated.parquet")
    assert set(table.column("_status").to_pylist()) == {"succeeded"}
    assert table.column("team").null_count == 0


def test_init_drafts_a_labelling_job(tmp_path: Path) -> None:
    """From a user's file: the prompt names the labels, and the schema is beside the job file."""
    rows = [{"id": n, "text": f"a text of some length, number {n}"} for n in range(12)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("init", "rows.jsonl", "--labels", "good, bad, mixed", folder=tmp_path)
    assert "good, bad or mixed" in (tmp_path / "job.toml").read_text()
    schema = json.loads((tmp_path / "labels.json").read_text())
    assert schema["properties"]["label"]["enum"] == ["good", "bad", "mixed"]
    run("run", "job.toml", "--simulate", folder=tmp_path)
    table = pq.read_table(tmp_path / "job.out.simulated.parquet")
    assert set(table.column("label").to_pylist()) <= {"good", "bad", "mixed"}


def test_init_drafts_a_labelling_job_in_a_folder(tmp_path: Path) -> None:
    """Without a file it has an example input, and runs at once."""
    run("init", "demo", "--labels", "billing,other", folder=tmp_path)
    run("run", "demo/job.toml", "--simulate", folder=tmp_path)


@pytest.mark.slow
def test_the_demo_is_right_nine_times_of_ten(tmp_path: Path) -> None:
    """The demo shows accuracy, confusion matrix, cost and rows in 100 columns."""
    unwanted = shutil.ignore_patterns("runs*")
    shutil.copytree(JOBS, tmp_path / "jobs", ignore=unwanted)
    command = [sys.executable, "jobs/demo.py"]
    demo = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert demo.returncode == 0, demo.stderr
    assert "quality  label: accuracy" in demo.stderr
    accuracy = re.search(r"(?m)^ACCURACY  ([0-9.]+) % of 2,000 labels are right", demo.stdout)
    assert 88 <= float(accuracy[1]) <= 92
    assert re.search(r"(?m)^libdevel +[0-9. ]+ %$", demo.stdout), "the confusion matrix"
    assert re.search(r"(?m)^COST  \$0\.1[0-9]+ at the prices of claude-haiku-5-5", demo.stdout)
    assert demo.stdout.count("0.0000") == 10
    assert max(map(len, demo.stdout.splitlines())) <= 100
    table = pq.read_table(tmp_path / "jobs/debian_sections/runs/demo/sections.parquet")
    assert table.num_rows == 2_000
