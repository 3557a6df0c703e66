"""init writes a job that runs at once, and never overwrites a file."""

import json
import tomllib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from commanding import Command
from PIL import Image

from batcher.cli.terminal import TerminalUi
from batcher.core.job import Job
from batcher.inputs.job_file.load import load_job
from batcher.runner.commands.inspect import placeholder, profile_input


def test_init_runs_at_once(tmp_path: Path, batcher: Command) -> None:
    """The job in the folder runs with the command of the last line."""
    result = batcher("init", tmp_path / "new")
    assert result.code == 0
    assert f"next   batcher run {tmp_path}/new/job.toml --simulate" in result.err
    done = batcher("run", tmp_path / "new/job.toml", "--simulate", "--json")
    assert (done.code, done.json["rows"]["by_status"]) == (0, {"succeeded": 12})


def test_init_shows_every_key_with_its_default(tmp_path: Path, batcher: Command) -> None:
    """The draft has every key of a job file; to uncomment a default changes nothing."""
    batcher("init", tmp_path)
    path = tmp_path / "job.toml"
    before = load_job(path).job
    text = path.read_text()
    for name, section in Job.model_fields.items():
        for key in section.annotation.model_fields:
            assert f"\n{key} = " in text or f"\n# {key} = " in text, (name, key)
    lines = [
        line.removeprefix("# ") if " = " in line and "(not set)" not in line else line
        for line in text.split("\n")
        # These go with an output.path, and with somebody to notify, only.
        if not line.startswith(("# rows_per_file", "# on = "))
    ]
    path.write_text("\n".join(lines))
    assert load_job(path).job.model_dump() == before.model_dump()


@pytest.mark.parametrize("name", ["job.toml", "rows.jsonl"])
def test_init_overwrites_nothing(tmp_path: Path, batcher: Command, name: str) -> None:
    """When one of its files exists, none is written."""
    (tmp_path / name).write_text("mine")
    result = batcher("init", tmp_path)
    assert result.code == 2
    assert name in result.err
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def write_rows(path: Path, *rows: dict[str, object]) -> Path:
    """Write an input with these rows."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_init_drafts_from_an_input(tmp_path: Path, batcher: Command) -> None:
    """Init guesses the id and the text, and the draft runs."""
    rows = [{"n": 1, "post_id": f"p{n}", "body": "some longer text", "kind": "x"} for n in range(3)]
    path = write_rows(tmp_path / "posts.jsonl", *rows)
    assert batcher("init", path).code == 0
    data = tomllib.loads((tmp_path / "job.toml").read_text())
    assert data["input"] == {"path": "posts.jsonl", "id": "post_id"}
    assert "{{ body }}" in data["request"]["prompt"]
    assert batcher("run", tmp_path / "job.toml", "--simulate", "-q").code == 0


def test_init_finds_a_free_name(tmp_path: Path, batcher: Command) -> None:
    """A second draft is named after the input, and a third is refused."""
    path = write_rows(tmp_path / "posts.jsonl", {"text": "x"})
    assert batcher("init", path).code == 0
    assert batcher("init", path).code == 0
    assert (tmp_path / "posts.toml").exists()
    assert batcher("init", path).code == 2


def test_init_drafts_from_parquet(tmp_path: Path, batcher: Command) -> None:
    """The columns come from the schema of the file."""
    table = pa.table({"key": ["a", "b"], "review": ["good", "bad"], "stars": [5, 1]})
    pq.write_table(table, tmp_path / "in.parquet")
    assert batcher("init", tmp_path / "in.parquet").code == 0
    assert batcher("check", tmp_path / "job.toml", "--simulate").code == 0


def test_init_recognizes_batch_requests(tmp_path: Path, batcher: Command) -> None:
    """Rows with custom_id and params are whole requests."""
    params = {
        "model": "claude-haiku-5-5", "max_tokens": 300,
        "messages": [{"role": "user", "content": "x"}],
    }  # fmt: skip
    path = write_rows(tmp_path / "in.jsonl", {"custom_id": "a", "params": params})
    assert batcher("init", path).code == 0
    assert batcher("check", tmp_path / "job.toml", "--simulate").code == 0


NASTY = ["a b", "row", "self", 'q"u\\o', "line\nbreak", "}}", "ü", "1st", "bell\x07del\x7f", "{%"]


@pytest.mark.parametrize("column", NASTY)
def test_init_accepts_any_column_name(tmp_path: Path, batcher: Command, column: str) -> None:
    """The draft renders a column with any name."""
    path = write_rows(tmp_path / "in.jsonl", {"id": "1", column: "the text that is meant"})
    assert batcher("init", path).code == 0
    result = batcher("check", tmp_path / "job.toml", "--simulate", "--json")
    assert (result.code, result.json["bad_rows"]) == (0, []), result


@pytest.mark.parametrize(
    ("rows", "row_id"),
    [
        pytest.param([{"id": 1}, {"id": 2}], "id", id="by-name"),
        pytest.param([{"id": 1, "x": "a"}, {"id": 1, "x": "b"}], "x", id="not-unique"),
        pytest.param([{"x": "a", "user_id": 7}, {"x": "b", "user_id": 8}], "user_id", id="suffix"),
        pytest.param([{"x": 1.5}, {"x": 2.5}], None, id="floats"),
        pytest.param([{"id": None, "x": 1}, {"id": 2, "x": 1}], None, id="null"),
    ],
)
def test_guessed_id(tmp_path: Path, rows: list[dict[str, object]], row_id: str | None) -> None:
    """Only a column with distinct values is an id; the best name comes first."""
    assert profile_input(write_rows(tmp_path / "in.jsonl", *rows)).id == row_id


def test_placeholder() -> None:
    """An identifier is written as it is, any other name as a key of row."""
    assert placeholder("text") == "{{ text }}"
    assert placeholder("my text") == '{{ row["my text"] }}'


@pytest.mark.parametrize("name", ["x.csv", "x.JSON", "x.jsonl", "x.csv.gz", "x.parquet"])
def test_an_input_that_is_not_there_makes_no_folder(
    tmp_path: Path, batcher: Command, name: str
) -> None:
    """A misspelt name of a file is an error, and no file with that name is created."""
    result = batcher("init", tmp_path / name)
    assert result.code == 2
    assert f"{name} does not exist" in result.err
    assert not list(tmp_path.iterdir())
    assert batcher("init", tmp_path / "demo.v2").code == 0


def test_init_drafts_a_job_for_a_folder_of_images(tmp_path: Path, batcher: Command) -> None:
    """The job file is beside the folder, has a request for each file, and runs at once."""
    (tmp_path / "photos").mkdir()
    for number in range(3):
        Image.new("RGB", (40 + number, 40)).save(tmp_path / f"photos/{number}.png")
    result = batcher("init", tmp_path / "photos", "--labels", "cat,dog")
    assert (result.code, "images file" in result.err) == (0, True)
    job = load_job(tmp_path / "job.toml").job
    assert (job.input.path, job.request.images) == ("photos", ("file",))
    done = batcher("run", tmp_path / "job.toml", "--simulate", "--yes", "--json")
    assert (done.code, done.json["rows"]["by_status"]) == (0, {"succeeded": 3})
    table = pq.read_table(tmp_path / "job.out.simulated.parquet")
    assert table.column_names[:3] == ["file", "label", "confidence"]


def test_init_sees_images_in_a_table(tmp_path: Path, batcher: Command) -> None:
    """A Hugging Face image column is an image, not a text."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    image = {"bytes": b"x", "path": "x.png"}
    columns = {
        "id": [1, 2],
        "photo": pa.array([image, image], kind),
        "caption": ["a cat", "a dog, running"],
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    batcher("init", tmp_path / "rows.parquet")
    request = load_job(tmp_path / "job.toml").job.request
    assert request.images == ("photo",)
    assert "{{ caption }}" in (request.prompt or "")


@pytest.mark.parametrize(
    ("path", "output"), [("in", "in/out.parquet"), ("in/*.parquet", "in/a.parquet")]
)
def test_an_output_that_would_be_read_as_input_is_refused(
    path: str, output: str, tmp_path: Path, batcher: Command
) -> None:
    """The next run would read the answers of the last run as rows."""
    (tmp_path / "in").mkdir()
    pq.write_table(pa.table({"text": ["a"]}), tmp_path / "in/a.parquet")
    (tmp_path / "job.toml").write_text(
        f'[input]\npath = "{path}"\n[output]\npath = "{output}"\n[api]\nbase_url = "simulator"\n'
        '[request]\nmodel = "claude-haiku-5-5"\nmax_tokens = 9\nprompt = "{{ text }}"\n'
    )
    result = batcher("run", tmp_path / "job.toml")
    assert result.code == 2
    assert "would be read as a part of the input" in result.err


def test_a_column_with_only_labels_becomes_gold(tmp_path: Path, batcher: Command) -> None:
    """The column is gold and not in the prompt; the job has a budget and passes check."""
    rows = [{"text": f"sentence number {n}", "label": "good" if n % 2 else "bad"} for n in range(8)]
    path = write_rows(tmp_path / "in.jsonl", *rows)
    result = batcher("init", path, "--labels", "good,bad")
    assert "gold label" in result.err
    job = load_job(tmp_path / "job.toml").job
    assert (job.labels.gold, job.input.id, job.budget.max_cost_usd) == ("label", None, 5)
    assert "{{ label }}" not in (job.request.prompt or "")
    assert batcher("check", tmp_path / "job.toml", "--simulate").code == 0
    assert batcher("run", tmp_path / "job.toml", "--simulate", "--yes").code == 0
    names = pq.read_schema(tmp_path / "job.out.simulated.parquet").names
    assert names[:4] == ["text", "label", "predicted_label", "confidence"]


def test_init_drafts_for_a_folder_that_grows(tmp_path: Path, batcher: Command) -> None:
    """Nothing is written into the folder; a second draft beside it has other file names."""
    (tmp_path / "inbox").mkdir()
    write_rows(tmp_path / "inbox/monday.jsonl", {"id": "1", "message": "hello there"})
    for _ in range(2):
        assert batcher("init", tmp_path / "inbox", "--labels", "a,b").code == 0
    assert [path.name for path in (tmp_path / "inbox").iterdir()] == ["monday.jsonl"]
    job = load_job(tmp_path / "inbox.toml").job
    assert (job.input.path, job.labels.schema) == ("inbox", "inbox.labels.json")


@pytest.mark.parametrize(
    ("labels", "what"), [("a", "needs two or more"), ("a,b,a", "names 'a' twice")]
)
def test_fewer_than_two_labels_or_equal_ones_are_refused(
    labels: str, what: str, tmp_path: Path, batcher: Command
) -> None:
    """The error says what is wrong with the labels, and nothing is written."""
    result = batcher("init", tmp_path / "new", "--labels", labels)
    assert (result.code, what in result.err) == (2, True)
    assert not (tmp_path / "new").exists()


OID = {"$oid": "65f0"}
ODD_INPUTS: dict[str, list[dict[str, object]]] = {
    "mongo": [{"_id": {"$oid": f"65f{n}"}, "body": f"hello {n}"} for n in range(3)],
    "id is an object": [{"id": {"a": n}, "text": f"hello {n}"} for n in range(3)],
    "id is a list": [{"id": [n], "text": f"hello {n}"} for n in range(3)],
    "only objects": [{"_id": OID, "meta": {"a": n}} for n in range(3)],
    "all bookkeeping": [{"_id": f"x{n}", "_status": "done", "_text": f"t {n}"} for n in range(3)],
    "in capitals": [{"_ID": f"x{n}", "text": f"hello {n}"} for n in range(3)],
    "prefix taken": [{"_id": n, "batcher_id": n, "text": f"hello {n}"} for n in range(3)],
    "1,000 columns": [{f"c{n}": f"hello {n} {row}" for n in range(1_000)} for row in range(3)],
    "2,500 columns": [{f"c{n}": f"hello {n} {row}" for n in range(2_500)} for row in range(2)],
    "many, and _id": [{"_id": row, **{f"c{n}": "a b" for n in range(999)}} for row in range(2)],
}


@pytest.mark.parametrize("labels", [(), ("--labels", "good,bad")], ids=["plain", "labels"])
@pytest.mark.parametrize("case", ODD_INPUTS)
def test_a_draft_for_an_odd_input_passes_check(
    tmp_path: Path, batcher: Command, case: str, labels: tuple[str, ...]
) -> None:
    """Names of batcher's own columns, ids that are objects, and very many columns are fine."""
    path = write_rows(tmp_path / "data.jsonl", *ODD_INPUTS[case])
    assert batcher("init", path, *labels).code == 0
    result = batcher("check", tmp_path / "job.toml", "--simulate")
    assert result.code == 0, result.err
    assert len(result.err) < 5_000


def test_a_draft_for_part_files_and_lists_of_images(tmp_path: Path, batcher: Command) -> None:
    """A part file in .json is an input; settings in .json do not make a folder an input."""
    folder = tmp_path / "parts"
    folder.mkdir()
    write_rows(folder / "part-0.json", {"id": 1, "photos": ["a.png", "b.png"], "text": "x y"})
    assert batcher("init", folder).code == 0
    data = tomllib.loads((tmp_path / "job.toml").read_text())
    assert data["request"]["images"] == ["photos"]
    other = tmp_path / "project"
    other.mkdir()
    (other / "package.json").write_text("{}")
    assert batcher("init", other).code == 0
    assert (other / "rows.jsonl").exists()


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (True, "\nallow_batch = true\n"),
        (False, "\nallow_batch = false\n"),
        (None, "\n# allow_batch = false\n"),
    ],
)
def test_init_asks_on_a_terminal_whether_batches_are_allowed(
    tmp_path: Path,
    batcher: Command,
    monkeypatch: pytest.MonkeyPatch,
    answer: bool | None,
    line: str,
) -> None:
    """The question says what batches mean; without a terminal nobody has allowed anything."""
    asked = []

    def confirm(_: TerminalUi, question: str) -> bool | None:
        asked.append(question)
        return answer

    monkeypatch.setattr(TerminalUi, "confirm", confirm)
    (tmp_path / "reviews.jsonl").write_text('{"id": 1, "text": "good"}\n{"id": 2, "text": "bad"}\n')
    assert batcher("init", tmp_path / "reviews.jsonl").code == 0
    assert "zero-data-retention agreements" in asked[0]
    assert line in (tmp_path / "job.toml").read_text()
