"""batcher rows: each filter gives what DuckDB finds in the output, and text is only data."""

import csv
import fcntl
import io
import json
import os
import pty
import shutil
import struct
import subprocess
import sys
import termios
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from whole_runs import Job, Server, batcher

from batcher.cli.cells import width_of
from batcher.inputs.job_file.load import load_job
from batcher.runner.commands import output_rows
from batcher.store.lock import Holder, Lock

LABELS = (
    '[labels]\nfields = "label: a|b|c, confidence float, sure bool"\ngold = "truth"\n'
    'on_invalid = "fail"\n'
)
HOSTILE = [
    "\x1b[2J\x1b]0;title\x07wiped",
    "right\u202eto\u2066left",
    "two\nlines\r\nand\ttabs",
    '<script>alert(1)</script>, "quoted"',
    "あいうえお" * 30,
    "e" + "\u0301" * 500,
    "word" * 5_000,
]
TEXTS_IN_PLACE = {"\u202e", "\u2066", "\x1b", "\x07", "\r"}


def rows(count: int) -> list[dict[str, Any]]:
    """Return rows; most have a gold label, and some hostile text as text or as id."""
    random = Random(3)
    labels = [random.choice(["a", "b", "c", None]) for _ in range(count)]
    return [
        {
            "key": HOSTILE[n] if n < len(HOSTILE) - 2 else f"r{n}",
            "text": HOSTILE[n % len(HOSTILE)] if n < 20 else f"thing {n}",
            "truth": label,
        }
        for n, label in enumerate(labels)
    ]


@pytest.fixture(scope="module", params=[("parquet", 3), ("jsonl", 3), ("jsonl", 1)])
def job(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that has run; some rows are refused, invalid or skipped. No test changes it."""
    server = Server("--refusal-rate", "0.1", "--invalid-rate", "0.1", "--variety-rate", "0.4")
    made = Job(tmp_path_factory.mktemp("rows"), server)
    kind, samples = request.param
    template = '{% if "thing 9" in text %}{% else %}Classify: {{ text }}{% endif %}'
    asks = f"prompt = '{template}'\nsamples = {samples}\n"
    pq.write_table(pa.Table.from_pylist(rows(60)), made.folder / "rows.parquet")
    keys = f'path = "rows.{kind}"\nid = "key"\n'
    made.write(rows(60), request=asks, more=LABELS, input=keys).run(code=3)
    server.close()
    return made


@pytest.fixture(params=["output", "checkpoint"])
def at(request: pytest.FixtureRequest, job: Job, tmp_path: Path) -> Path:
    """The path of the job, with its output, or without it, so that the checkpoint is read."""
    if request.param == "output":
        return job.path
    shutil.copytree(job.folder, tmp_path / "copy")
    (tmp_path / "copy/out.parquet").unlink()
    return tmp_path / "copy/job.toml"


def found(path: Path, *options: str) -> list[dict[str, Any]]:
    """Return the rows that the command prints as JSON lines."""
    result = batcher("rows", path, *options)
    assert result.code == 0, result.err
    return [json.loads(line) for line in result.out.splitlines()]


def keys_of(rows: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Return the row and the sample of each item."""
    return [(row["_row"], row["_sample"]) for row in rows]


def expected(job: Job, condition: str) -> list[tuple[int, int]]:
    """Return the items of the output for which a condition of SQL holds, in order."""
    query = f"SELECT _row, _sample FROM '{job.output}' WHERE {condition} ORDER BY _row, _sample"
    return duckdb.sql(query).fetchall()


SQL = {
    (): "true",
    ("--status", "failed"): "_status NOT IN ('succeeded', 'skipped')",
    ("--status", "refused"): "_status = 'refused'",
    ("--status", "invalid", "--status", "skipped"): "_status IN ('invalid', 'skipped')",
    ("--low-confidence", "0.6"): "_status = 'succeeded' AND confidence < 0.6",
    ("--where", "label == 'a' and _row > 30"): "label = 'a' AND _row > 30",
    ("--where", 'row["_status"] == "succeeded" and sure'): "_status = 'succeeded' AND sure",
    ("--status", "failed", "--where", "truth == 'b'"): (
        "_status NOT IN ('succeeded', 'skipped') AND truth = 'b'"
    ),
}


@pytest.mark.parametrize("options", SQL)
def test_a_filter_equals_sql_over_the_output(job: Job, at: Path, options: tuple[str, ...]) -> None:
    """Status, confidence and conditions choose the items that DuckDB chooses."""
    wanted = expected(job, SQL[options])
    assert keys_of(found(at, *options)) == wanted
    assert wanted


def test_disagreeing_rows_are_those_that_the_quality_report_counts(job: Job, at: Path) -> None:
    """The label, or that of the majority, is another one than the gold label."""
    samples = max(sample for _, sample in expected(job, "true")) + 1
    label = "label" if samples == 1 else "_majority_label"
    chosen = keys_of(found(at, "--disagrees"))
    assert chosen == expected(job, f"{label} <> truth")
    (record,) = (job.folder / "runs/job").glob("*/run.json")
    gold = json.loads(record.read_text())["quality"]["gold"]
    wrong = gold["rows"] - sum(n for right, answer, n in gold["confusion"] if right == answer)
    assert len({row for row, _ in chosen}) == wrong


def test_split_votes_are_rows_whose_valid_answers_differ(job: Job, at: Path) -> None:
    """Invalid and refused answers have no vote."""
    if len(expected(job, "_row = 1")) == 1:
        assert "request.samples" in batcher("rows", at, "--split-votes").err
        return
    split = f"""SELECT _row FROM '{job.output}' WHERE _status = 'succeeded' GROUP BY _row
        HAVING count(DISTINCT label) > 1 OR count(DISTINCT sure) > 1"""
    wanted = expected(job, f"_row IN ({split})")
    assert keys_of(found(at, "--split-votes")) == wanted
    assert wanted


def test_every_format_has_the_same_values(job: Job, at: Path, tmp_path: Path) -> None:
    """DuckDB reads the same rows from Parquet, CSV and JSON lines, with all columns or some."""
    columns = ["_row", "_id", "text", "label", "_status"]
    outs = [tmp_path / f"x.{ending}" for ending in ("parquet", "csv", "jsonl")]
    for out in outs:
        options = ("--status", "failed", "--columns", ",".join(columns), "--out", out)
        assert batcher("rows", at, *options).code == 0
    whole = tmp_path / "whole.parquet"
    assert batcher("rows", at, "--out", whole).code == 0
    assert pq.read_table(whole).equals(job.table())
    chosen = f"SELECT {', '.join(columns)} FROM '{job.output}' WHERE _status NOT IN "
    wanted = duckdb.sql(f"{chosen} ('succeeded', 'skipped')").fetchall()
    for out in outs:
        source = f"read_csv('{out}', all_varchar=true)" if out.suffix == ".csv" else f"'{out}'"
        read = duckdb.sql(f"SELECT _row::BIGINT, * EXCLUDE (_row) FROM {source}").fetchall()
        assert [tuple(map(str, row)) for row in read] == [tuple(map(str, row)) for row in wanted]
    printed = batcher("rows", at, "--format", "csv", "--status", "failed").out
    assert len(list(csv.DictReader(io.StringIO(printed, newline="")))) == len(wanted)


def test_a_file_of_rows_is_no_output_of_the_job(job: Job, tmp_path: Path) -> None:
    """It belongs to the user: a run whose output has its path does not replace it."""
    shutil.copytree(job.folder, tmp_path / "copy")
    mine = tmp_path / "copy/mine.parquet"
    assert batcher("rows", tmp_path / "copy/job.toml", "--out", mine).code == 0
    before = mine.read_bytes()
    words = ("run", tmp_path / "copy/job.toml", "--yes", "--set", f"output.path={mine}")
    result = batcher(*words, key="test-key")
    assert (result.code, mine.read_bytes()) == (2, before)
    assert "would replace something else" in result.err


def test_ids_lead_back_to_the_rows(job: Job, at: Path) -> None:
    """Each is one plain word, and ``batcher show`` finds its row by it."""
    result = batcher("rows", at, "--status", "failed", "--ids")
    rows = sorted({row for row, _ in expected(job, "_status NOT IN ('succeeded', 'skipped')")})
    names = result.out.splitlines()
    assert len(names) == len(rows)
    assert all(name.isprintable() and " " not in name for name in names)
    for row, name in zip(rows[:4], names[:4], strict=True):
        shown = json.loads(batcher("show", at, name, "--json").out)
        assert shown["row"] == row


def test_a_sample_is_seeded_and_stated(job: Job, at: Path) -> None:
    """The same seed gives the same rows in their order; another seed gives others."""
    one, same, other = (
        keys_of(found(at, "--status", "succeeded", "--sample", "7", "--seed", seed))
        for seed in ("1", "1", "2")
    )
    assert one == same != other
    assert len(one) == 7
    assert one == sorted(one)
    assert set(one) < set(expected(job, "_status = 'succeeded'"))
    assert "7 random ones of" in batcher("rows", at, "--sample", "7").err
    assert "random" not in batcher("rows", at, "--sample", "9999").err


def test_a_condition_that_fails_for_a_row_is_counted(job: Job, at: Path) -> None:
    """Such a row is not chosen, and the reason is told once."""
    result = batcher("rows", at, "--where", "label|length == 1")
    assert len(result.out.splitlines()) == len(expected(job, "label IS NOT NULL"))
    number = len(expected(job, "label IS NULL"))
    assert f"could not be evaluated for {number}" in result.err


@pytest.mark.parametrize("width", [120, 80, 60, 20])
def test_no_line_is_wider_than_the_terminal(job: Job, width: int) -> None:
    """Words of the header are whole; nothing is left that a terminal obeys."""
    screen = on_terminal(width, "rows", job.path)
    lines = screen.replace("\r\n", "\n").removesuffix("\n").split("\n")
    table = [line for line in lines if not line.startswith(("note ", "rows ", "next "))]
    assert all(width_of(line) <= width for line in table)
    assert len(table) == len(expected(job, "true")) + 1
    assert set(table[0].split()) <= {*job.table().column_names}
    assert not set(screen.replace("\r\n", "")) & TEXTS_IN_PLACE
    assert "\u2026" in screen or width > 20


def on_terminal(width: int, *words: object) -> str:
    """Return what a command shows on a terminal of this width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    command = [sys.executable, "-m", "batcher", *map(str, words)]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 65_536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    assert process.wait() == 0
    return shown.decode()


def test_the_output_is_read_only_while_it_is_current(job: Job, tmp_path: Path) -> None:
    """A changed job, prompt, input, output or option means that the checkpoint is read."""
    shutil.copytree(job.folder, tmp_path / "copy", copy_function=shutil.copy2)
    path = tmp_path / "copy/job.toml"
    assert read_from(job.path) == "output"
    assert read_from(job.path, "limits.concurrency=3") == "output"
    for changed in ("input.limit=3", "output.prefix=x_", 'request.prompt="{{ text }}"'):
        assert read_from(job.path, changed) == "checkpoint"
    assert read_from(path) == "output"
    damaged = bytearray(job.output.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (tmp_path / "copy/out.parquet").write_bytes(damaged)
    assert read_from(path) == "checkpoint"
    (tmp_path / "copy/out.parquet").write_bytes(job.output.read_bytes())
    assert read_from(path) == "output"
    for kind in ("jsonl", "parquet"):
        os.utime(tmp_path / f"copy/rows.{kind}", (1, 1))
    assert read_from(path) == "checkpoint"


def test_rows_can_be_read_before_the_job_has_ended(tmp_path: Path) -> None:
    """Rows that were not sent are unsent; another run's lock is told as what it is."""
    server = Server()
    job = Job(tmp_path, server).write([{"text": f"t{n}"} for n in range(9)])
    assert "no run yet" in batcher("rows", job.path).err
    job.run("--set", "input.limit=4")
    server.close()
    assert read_from(job.path) == "checkpoint"
    assert [row["_row"] for row in found(job.path, "--status", "unsent")] == [5, 6, 7, 8, 9]
    assert batcher("rows", job.path, "--status", "failed", "--ids").out.split() == list("56789")
    with Lock(tmp_path / "runs/job", Holder.this_process(datetime.now(UTC))):
        result = batcher("rows", job.path)
    assert (result.code, result.out) == (8, "")
    assert "locked by process" in result.err


MISTAKES = {
    ("--columns", "labl"): "did you mean `label`?",
    ("--columns", " , "): "needs the name of a column",
    ("--where", "lable == 'a'"): "no column lable",
    ("--where", "label =="): "--where",
    ("--status", "fialed"): "fialed",
    ("--out", "x.xlsx"): "names no format",
    ("--out", "out.parquet"): "part of the job",
    ("--out", "out.parquet", "--overwrite"): "part of the job",
    ("--out", "there.csv"): "exists",
    ("--out", "x.csv", "--format", "csv"): "leave --format out",
    ("--ids", "--columns", "label"): "--ids goes without",
}


@pytest.mark.parametrize("options", MISTAKES)
def test_a_mistake_is_told(job: Job, options: tuple[str, ...], tmp_path: Path) -> None:
    """It changes no file, and exits with 2."""
    shutil.copytree(job.folder, tmp_path / "copy")
    (tmp_path / "copy/there.csv").write_text("mine")
    result = batcher("rows", "job.toml", *options, folder=tmp_path / "copy")
    assert (result.code, result.out) == (2, "")
    assert MISTAKES[options] in result.err
    assert (tmp_path / "copy/there.csv").read_text() == "mine"
    assert (tmp_path / "copy/out.parquet").read_bytes() == job.output.read_bytes()


def read_from(path: Path, *overrides: str) -> str:
    """Say what the rows of a job are read from."""
    loaded = load_job(path, list(overrides))
    with output_rows.open_rows(loaded, is_simulated=False, needs_gold=False) as rows:
        return rows.read_from
