"""batcher export writes the whole output or nothing, with the same rows in every format."""

import json
import os
import stat
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commanding import JOB, Command, write_job

from batcher.outputs.jsonl_output import LinesOutput, batch_result_lines, json_lines
from batcher.runner.commands import export as export_module


def test_a_parquet_export_equals_the_output(done: Path, batcher: Command, tmp_path: Path) -> None:
    """It has the columns and rows of the run's output."""
    assert batcher("export", done, "--simulate", "--out", tmp_path / "x.parquet").code == 0
    exported = pq.read_table(tmp_path / "x.parquet")
    assert exported.equals(pq.read_table(done.parent / "job.out.simulated.parquet"))


def test_json_lines_have_the_rows_of_the_output(
    done: Path, batcher: Command, tmp_path: Path
) -> None:
    """There is one object per row, in order, with the columns of the Parquet output."""
    result = batcher("export", done, "--simulate", "--out", tmp_path / "x.jsonl", "--json")
    assert result.json["rows"] == 6
    rows = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    table = pq.read_table(done.parent / "job.out.simulated.parquet")
    assert [list(row) for row in rows] == [table.column_names] * 6
    for name in ("_id", "_status", "_text", "_cost_usd", "stars"):
        assert [row[name] for row in rows] == table.column(name).to_pylist()


def test_batch_results_have_the_messages(done: Path, batcher: Command, tmp_path: Path) -> None:
    """A row without a message is errored, with its error type."""
    out = tmp_path / "x.jsonl"
    result = batcher("export", done, "--simulate", "--format", "messages-batch", "--out", out)
    assert result.code == 0
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["custom_id"] for line in lines][:4] == ["a-1", "a-2", "a-3", "a-4"]
    first, skipped, bad = lines[0]["result"], lines[2]["result"], lines[4]["result"]
    assert first["message"]["stop_reason"] == "max_tokens"
    assert first["message"]["usage"]["output_tokens"] == 20
    assert skipped["error"]["error"]["type"] == "client.empty"
    assert bad["error"]["error"]["type"] == "client.duplicate_id"


def test_open_rows_need_partial(done: Path, batcher: Command, tmp_path: Path) -> None:
    """If a run would still answer some rows, an export without ``--partial`` is an error."""
    copy = write_job(tmp_path / "copy")
    state = tmp_path / "copy/runs/job.simulated"
    state.mkdir(parents=True)
    for file in ("checkpoint.duckdb", "watermark"):
        (state / file).write_bytes((done.parent / "runs/job.simulated" / file).read_bytes())
    with (tmp_path / "copy/rows.jsonl").open("a") as rows:
        rows.write('{"id": "new", "text": "new", "stars": 1}\n')
    out = tmp_path / "x.jsonl"
    result = batcher("export", copy, "--simulate", "--out", out)
    assert result.code == 2
    assert "1 of 7 rows has no final result yet" in result.err
    assert not out.exists()
    assert batcher("export", copy, "--simulate", "--out", out, "--partial").code == 0
    assert json.loads(out.read_text().splitlines()[-1])["_error_type"] == "client.not_sent"


def test_the_input_is_never_overwritten(done: Path, batcher: Command) -> None:
    """An export to the path of the input is refused."""
    rows = done.parent / "rows.jsonl"
    before = rows.read_bytes()
    result = batcher("export", done, "--simulate", "--out", rows)
    assert (result.code, rows.read_bytes()) == (2, before)


@pytest.mark.parametrize("place", ["nope/x.jsonl", "folder.jsonl", "folder.parquet"])
def test_a_path_that_cannot_be_written_is_an_error(
    done: Path, batcher: Command, tmp_path: Path, place: str
) -> None:
    """The folder is missing, or the path is a folder; each is one message."""
    if "/" not in place:
        (tmp_path / place).mkdir()
        (tmp_path / place / "x").touch()
    result = batcher(
        "export", done, "--simulate", "--out", tmp_path / place,
        "--format", "jsonl" if place.endswith("jsonl") else "parquet",
    )  # fmt: skip
    assert result.code == 2
    assert result.err.count("error  ") == 1


@pytest.mark.parametrize("wanted", ["parquet", "jsonl", "messages-batch"])
@pytest.mark.parametrize("kind", ["pipe", "link to a pipe", "link to a file", "link to nothing"])
def test_pipes_and_links_are_never_replaced(
    done: Path, batcher: Command, tmp_path: Path, kind: str, wanted: str
) -> None:
    """A pipe, a device or a link such as /dev/stdout is refused, and nothing is written."""
    target = tmp_path / "target"
    if kind.endswith("pipe"):
        os.mkfifo(target)
    elif kind.endswith("file"):
        target.write_text("old")
    out = target
    if kind.startswith("link"):
        out = tmp_path / "out.parquet"
        out.symlink_to(target)
    before = {path.name: path.lstat() for path in tmp_path.iterdir()}
    result = batcher("export", done, "--simulate", "--format", wanted, "--out", out)
    assert result.code == 2
    assert "the output would replace" in result.err
    after = {path.name: path.lstat() for path in tmp_path.iterdir()}
    assert {name: (at.st_ino, at.st_mode, at.st_mtime_ns) for name, at in before.items()} == {
        name: (at.st_ino, at.st_mode, at.st_mtime_ns) for name, at in after.items()
    }


@pytest.mark.parametrize("name", ["out", "out.parquet"])
def test_a_run_never_replaces_a_pipe(batcher: Command, tmp_path: Path, name: str) -> None:
    """A pipe at output.path is refused before the first request."""
    job = write_job(tmp_path / "job", JOB + f'[output]\npath = "{name}"\n')
    simulated = name.replace("out", "out.simulated")
    os.mkfifo(job.parent / simulated)
    result = batcher("run", job, "--simulate")
    assert result.code == 2
    assert "neither a file nor a folder" in result.err
    assert (job.parent / simulated).is_fifo()
    assert not list(job.parent.rglob("run.json"))


def test_only_the_owner_can_read_an_export(done: Path, batcher: Command, tmp_path: Path) -> None:
    """It contains answers."""
    batcher("export", done, "--simulate", "--out", tmp_path / "x.jsonl")
    assert stat.S_IMODE((tmp_path / "x.jsonl").stat().st_mode) == 0o600


def test_a_failed_export_leaves_the_old_file(
    done: Path, batcher: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write that fails leaves no other file either."""
    (tmp_path / "x.jsonl").write_text("old")
    monkeypatch.setattr(export_module, "json_lines", lambda _: iter([b"{}", None]))
    words = ("export", done, "--simulate", "--out", tmp_path / "x.jsonl", "--overwrite")
    assert batcher(*words).code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["x.jsonl"]
    assert (tmp_path / "x.jsonl").read_text() == "old"


def test_a_lines_file_appears_by_rename(tmp_path: Path) -> None:
    """Before it is finished, there is no file with its name."""
    with LinesOutput(tmp_path / "x") as file:
        file.write([b"1"])
        assert not (tmp_path / "x").exists()
        file.finish()
    assert (tmp_path / "x").read_bytes() == b"1\n"


_MOMENT = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "value", "written"),
    [
        pytest.param(pa.int64(), 2**62, 2**62, id="int"),
        pytest.param(pa.float64(), float("nan"), None, id="nan"),
        pytest.param(pa.float64(), 0.10000000149011612, 0.10000000149011612, id="double"),
        pytest.param(pa.float32(), 0.1, 0.1, id="float32"),
        pytest.param(pa.float32(), 2.0**-149, 1e-45, id="small float32"),
        pytest.param(pa.float16(), 0.1, 0.1, id="float16"),
        pytest.param(pa.list_(pa.float32()), [0.1], [0.1], id="nested float32"),
        pytest.param(pa.decimal128(38, 18), Decimal("0.1"), "0.100000000000000000", id="decimal"),
        pytest.param(pa.binary(), b"\x00\xff", "AP8=", id="binary"),
        pytest.param(pa.date32(), date(2026, 1, 2), "2026-01-02", id="date"),
        pytest.param(pa.time64("us"), time(1, 2, 3), "01:02:03.000000", id="time"),
        pytest.param(pa.timestamp("us", "UTC"), _MOMENT, "2026-01-02T03:04:05.678901Z", id="utc"),
        pytest.param(pa.timestamp("ns"), 1, "1970-01-01T00:00:00.000000001", id="nanoseconds"),
        pytest.param(pa.duration("ms"), timedelta(seconds=1.5), 1.5, id="duration"),
        pytest.param(pa.list_(pa.date32()), [date(2026, 1, 2)], ["2026-01-02"], id="nested"),
        pytest.param(pa.dictionary(pa.int8(), pa.string()), "x", "x", id="dictionary"),
        pytest.param(pa.map_(pa.string(), pa.int8()), [("a", 1)], [["a", 1]], id="map"),
        pytest.param(pa.null(), None, None, id="null"),
    ],
)  # fmt: skip
def test_values_in_json_lines(kind: pa.DataType, value: object, written: object) -> None:
    """Each Arrow type is written in one way, and null stays null."""
    lines = list(json_lines(pa.table({"x": pa.array([value, None], kind)})))
    assert [json.loads(line) for line in lines] == [{"x": written}, {"x": None}]


def test_nested_nanoseconds_are_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Times in lists, structs and maps are exact, also without pandas."""
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    moment, stamp = pa.timestamp("ns"), "1970-01-01T00:00:00.000000001"
    table = pa.table(
        {
            "list": pa.array([[1]], pa.list_(moment)),
            "struct": pa.array([{"a": 1}], pa.struct({"a": moment})),
            "map": pa.array([[("k", 1)]], pa.map_(pa.string(), moment)),
            "text": pa.array([["1970-01-01 00:00"]]),
        }
    )
    (line,) = json_lines(table)
    assert json.loads(line) == {
        "list": [stamp],
        "struct": {"a": stamp},
        "map": [["k", stamp]],
        "text": ["1970-01-01 00:00"],
    }


def test_a_response_with_line_breaks_is_one_line() -> None:
    """An indented response is one line of the results, with the same content."""
    body = b'{\n "type": "message",\r\n "content": [], "x": 1.10, "s": "\\n"}'
    row = {
        "id": None, "ordinal": 0, "sample": 1, "is_final": True, "http_status": 200, "body": body,
        "error_type": None, "error_message": None, "status": "succeeded", "attempts": 1,
        "request_id": None,
    }  # fmt: skip
    (line,) = batch_result_lines(pa.Table.from_pylist([row]))
    assert b"\n" not in line
    assert b"1.10" in line
    parsed = json.loads(line)
    assert parsed["custom_id"] == "row:1"
    assert parsed["result"]["message"] == json.loads(body)


@pytest.mark.parametrize("name", ["checkpoint.duckdb", "lock", "status.json", "new.jsonl"])
def test_the_state_is_never_overwritten(name: str, done: Path, batcher: Command) -> None:
    """``--out`` to a path in the state folder is refused, and its files are unchanged."""
    state = done.parent / "runs" / "job.simulated"
    before = {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
    words = ["--simulate", "--format", "jsonl", "--partial", "--out", str(state / name)]
    result = batcher("export", done, *words)
    assert result.code == 2
    assert "must not be overwritten" in result.err
    assert before == {path.name: path.read_bytes() for path in state.iterdir() if path.is_file()}
