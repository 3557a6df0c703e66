"""The main job from input to output: all rows succeed, and the bill agrees."""

import json
import math
import random
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from whole_runs import Job, Server, kill, wait_for

TOKENS = (
    "input_tokens", "cache_creation_5m_input_tokens", "cache_creation_1h_input_tokens",
    "cache_read_input_tokens", "output_tokens", "thinking_tokens",
)  # fmt: skip


def rows(count: int) -> list[dict[str, object]]:
    """Return rows with different prompts."""
    return [{"id": f"r{n}", "text": f"thing number {n}", "n": n} for n in range(count)]


def check_bill(job: Job, server: Server) -> None:
    """Check that the output's sums equal the simulator's bill, exactly."""
    ledger, table, totals = server.ledger(), job.table(), job.metadata()["totals"]
    for kind in TOKENS:
        column = sum(value or 0 for value in table.column(f"_{kind}").to_pylist())
        assert column == totals[kind] == ledger["tokens"][kind], kind
    assert Decimal(totals["cost_usd"]) == Decimal(ledger["cost_usd"])
    assert math.isclose(
        math.fsum(table.column("_cost_usd").to_pylist()), float(ledger["cost_usd"]), rel_tol=1e-12
    )


def test_every_row_succeeds_in_order_and_the_bill_is_exact(job: Job, server: Server) -> None:
    """The output has all input rows in order; all succeeded; their cost equals the bill."""
    job.write(rows(400), input='path = "rows.jsonl"\nid = "id"\n').run()
    table = job.table()
    assert table.column("n").to_pylist() == list(range(400))
    assert table.column("_id").to_pylist() == [f"r{n}" for n in range(400)]
    assert table.column("_row").to_pylist() == list(range(1, 401))
    assert set(table.column("_status").to_pylist()) == {"succeeded"}
    assert server.ledger()["requests"] == 400
    check_bill(job, server)


def test_a_finished_job_sends_nothing_and_leaves_its_output_alone(job: Job, server: Server) -> None:
    """The same command again costs nothing, exits 0, and does not change the output."""
    job.write(rows(50)).run()
    before = job.output.stat()
    printed = job.run()
    assert "nothing to send" in printed
    assert server.ledger()["requests"] == 50
    after = job.output.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_only_what_is_new_is_sent(job: Job, server: Server) -> None:
    """When the input grows and is reordered, only the new rows are sent."""
    job.write(rows(40)).run()
    job.write(rows(60)[::-1]).run()
    assert server.ledger()["requests"] == 60
    assert job.table().column("n").to_pylist() == list(range(60))[::-1]
    check_bill(job, server)


def test_equal_rows_share_one_answer(job: Job, server: Server) -> None:
    """Rows with equal requests are sent once; the later rows cost nothing."""
    same = [{"text": "same", "n": n} for n in range(5)]
    job.write([*same, {"text": "other", "n": 5}]).run()
    table = job.table()
    assert server.ledger()["requests"] == 2
    assert table.column("_shared").to_pylist() == [False, True, True, True, True, False]
    assert len(set(table.column("_text").to_pylist()[:5])) == 1
    check_bill(job, server)


def test_each_sample_has_its_own_answer(job: Job, server: Server) -> None:
    """``samples = 3`` sends three requests for each row and writes three output rows."""
    job.write(rows(4), request='prompt = "{{ text }}"\nsamples = 3\n').run()
    table = job.table()
    assert table.column("n").to_pylist() == [n for n in range(4) for _ in range(3)]
    assert table.column("_sample").to_pylist() == [0, 1, 2] * 4
    assert server.ledger()["requests"] == 12


@pytest.mark.slow
def test_a_killed_run_resumes(tmp_path: Path) -> None:
    """After three kills the output equals an undisturbed run's, and little was sent twice."""
    count, concurrency = 900, 16
    undisturbed_server = Server()
    undisturbed = Job(tmp_path / "a", undisturbed_server)
    undisturbed.folder.mkdir()
    undisturbed.write(rows(count)).run()
    undisturbed_server.close()

    server = Server("--latency", "0.02")
    job = Job(tmp_path / "b", server)
    job.folder.mkdir()
    job.write(rows(count))
    instants = random.Random(7)
    for third in range(3):
        process = job.start()
        wait_for(server, third * 250 + instants.randrange(40, 240))
        kill(process)
    job.run()
    assert job.stable_table() == undisturbed.stable_table()

    # Only requests that were in flight or not yet committed may be sent again.
    again = server.ledger()["requests"] - count
    assert 0 <= again <= 3 * (concurrency + 64)
    sent = server.ledger()["requests"]
    assert "nothing to send" in job.run()
    assert server.ledger()["requests"] == sent
    server.close()


@pytest.mark.slow
def test_transient_errors_are_retried_until_the_row_succeeds(tmp_path: Path) -> None:
    """Overload, rate limits and resets cost attempts, but no rows."""
    server = Server(
        "--fault", "overloaded:rate=0.2", "--fault", "429:rate=0.1,retry_after_s=0.05",
        "--fault", "reset_before:rate=0.05",
    )  # fmt: skip
    job = Job(tmp_path, server)
    job.write(rows(80), more="[retry]\nmax_wait_s = 0.05\n").run()
    table = job.table()
    assert set(table.column("_status").to_pylist()) == {"succeeded"}
    assert sum(table.column("_attempts").to_pylist()) == server.ledger()["requests"] > 80
    server.close()


def test_a_refused_key_stops_the_run_at_once(
    job: Job, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a 401 no other row is sent: exit 4, no output, and a next command."""
    job.write(rows(200), api='key_env = "BAD_KEY"\n')
    monkeypatch.setenv("BAD_KEY", "bad-key")
    printed = job.run(code=4)
    assert "authentication_error" in printed
    assert "bad-key" not in printed
    assert server.ledger()["requests"] + server.ledger()["other_requests"] <= 32
    assert not job.output.exists()


def test_streamed_answers_are_equal(tmp_path: Path) -> None:
    """``api.stream`` changes no recorded value except times."""
    tables = []
    for stream in ("false", "true"):
        server = Server()
        job = Job(tmp_path / stream, server)
        job.folder.mkdir()
        job.write(rows(30), api=f"stream = {stream}\n").run()
        tables.append(job.stable_table())
        check_bill(job, server)
        server.close()
    assert tables[0] == tables[1]


def test_whole_requests_are_sent_unchanged(job: Job, server: Server) -> None:
    """Rows in the Message Batches format have one answer for each custom_id."""
    params = {"model": "claude-haiku-5-5", "max_tokens": 300}
    batch = [
        {
            "custom_id": f"c{n}",
            "params": {**params, "messages": [{"role": "user", "content": f"q{n}"}]},
        }
        for n in range(5)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in batch)
    (job.folder / "batch.jsonl").write_text(lines)
    job.path.write_text(
        '[input]\npath = "batch.jsonl"\nformat = "messages-batch"\n[output]\npath = "out.parquet"\n'
        f'[api]\nbase_url = "{server.url}"\n'
    )
    job.run()
    assert job.table().column("_id").to_pylist() == [f"c{n}" for n in range(5)]
    assert server.ledger()["answered"] == 5


def test_a_folder_output_has_parts(job: Job) -> None:
    """``path`` without .parquet is a folder of files with at most ``rows_per_file`` rows."""
    job.write(rows(25), output="rows_per_file = 10\n")
    job.path.write_text(job.path.read_text().replace('"out.parquet"', '"out"'))
    job.run()
    parts = sorted((job.folder / "out").iterdir())
    assert [pq.read_metadata(part).num_rows for part in parts] == [10, 10, 5]


@pytest.mark.parametrize("reader", ["pandas", "polars", "duckdb", "datasets"])
def test_the_output_opens_in(
    reader: str, job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tools read the output without our code."""
    job.write(rows(20)).run()
    path = str(job.output)
    if reader == "pandas":
        import pandas  # noqa: PLC0415

        texts = list(pandas.read_parquet(path)["_text"])
    elif reader == "polars":
        import polars  # noqa: PLC0415

        texts = polars.read_parquet(path)["_text"].to_list()
    elif reader == "duckdb":
        import duckdb  # noqa: PLC0415

        texts = [text for (text,) in duckdb.sql(f"SELECT _text FROM '{path}'").fetchall()]
    else:
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        datasets = pytest.importorskip("datasets")
        dataset = datasets.load_dataset(
            "parquet", data_files=path, split="train", cache_dir=str(tmp_path / "c")
        )
        texts = dataset["_text"][:]
    assert len(texts) == 20
    assert all(texts)
