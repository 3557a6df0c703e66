"""Inputs and jobs of the benchmarks: rows of about 400 bytes, one request for each."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

SEED = 7
TEXT = (
    "parser library for reading large archives of mail with a small graphical tool that shows "
    "headers bodies and attachments beside each other and exports them to common formats über"
)
JOB = """\
[job]
state = "state"

[input]
path = "{rows}"
id = "id"

[request]
model = "claude-haiku-5-5"
max_tokens = 100
prompt = "What is this package for? Answer with one word.\\n\\n{{{{ text }}}}"

[output]
path = "out.parquet"

[limits]
concurrency = {concurrency}

[api]
base_url = "{url}"
"""


def make_rows(count: int) -> Iterator[dict[str, str]]:
    """Yield rows of about 400 bytes of JSON, the same in every process."""
    rng, words = random.Random(SEED), TEXT.split()
    for number in range(count):
        text = " ".join(rng.choices(words, k=58))
        yield {"id": f"pkg-{number:07}", "text": f"{text} {rng.getrandbits(32):08x}"}


def rows_file(folder: Path, count: int) -> Path:
    """Return the file with the first ``count`` rows; write it when it does not exist."""
    path = folder / f"rows-{count}.jsonl"
    if not path.exists():
        with path.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in make_rows(count))
    return path


def write_job(folder: Path, rows: Path, url: str, concurrency: int) -> Path:
    """Write a new job that asks about each row; return its file."""
    folder.mkdir(parents=True)
    job = folder / "job.toml"
    job.write_text(JOB.format(rows=rows.absolute(), url=url, concurrency=concurrency))
    return job
