"""A run's record has paths that work from any folder."""

import json

from test_main_job import rows
from whole_runs import Job, batcher


def test_the_path_of_the_output_works_everywhere(job: Job) -> None:
    """The path is right for any current folder, also after the job's folder was moved."""
    job.write(rows(5))
    command = ("run", "job.toml", "--yes")
    assert batcher(*command, key="test-key", folder=job.folder).code == 0
    (folder,) = (job.folder / "runs" / "job").glob("*/")
    records = [folder / "run.json", folder.parent / "status.json"]
    for output in [json.loads(path.read_text())["output"] for path in records]:
        assert output[0]["path"] == str(job.output)
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    assert [event["path"] for event in events if "path" in event] == [str(job.output)]
    moved = job.folder / "moved"
    moved.mkdir()
    for name in ("job.toml", "rows.jsonl", "out.parquet", "runs"):
        (job.folder / name).rename(moved / name)
    done = batcher(*command, "--json", key="test-key", folder=moved)
    assert json.loads(done.out)["output"][0]["path"] == str(moved / "out.parquet")
