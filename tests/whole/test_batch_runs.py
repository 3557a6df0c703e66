"""Runs in batches, against the simulator over real HTTP, with a clock that runs fast."""

import json
import signal
import time
import urllib.request
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from whole_runs import Job, Server, batcher

from batcher.core.batches.auto import Situation, Step
from batcher.core.batches.durations import Durations

BATCH = '[delivery]\nmode = "batch"\nbatch_rows = {rows}\npoll_s = 0.2\nlisted_after_s = 0.3\n'
ROWS = [{"text": f"row {number}"} for number in range(40)]
FAST = ("--batch-speed", "600", "--batch-spread", "0", "--batch-median-s", "100")


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """A simulator whose batches take less than a second."""
    arguments = getattr(request, "param", ())
    server = Server("--latency", "0", *FAST, *arguments)
    yield server
    server.close()


def batches(server: Server) -> list[dict[str, Any]]:
    """Return what became of each batch, by the simulator's own record."""
    with urllib.request.urlopen(f"{server.url}/_simulator/batches") as response:
        return json.load(response)["data"]


def run_clock(server: Server) -> None:
    """Let the clock of the batches run fast."""
    url, body = f"{server.url}/_simulator/clock", json.dumps({"speed": 600}).encode()
    with urllib.request.urlopen(urllib.request.Request(url, body)) as response:
        response.read()


def write(job: Job, rows: int = 15, more: str = "", **keys: str) -> Job:
    """Write a job that sends batches."""
    return job.write(ROWS, more=BATCH.format(rows=rows) + more, **keys)


def test_a_run_in_batches_answers_every_row_at_half_the_price(job: Job, server: Server) -> None:
    """The output is that of a live run, and the bill is the ledger's."""
    write(job).run()
    table = job.table()
    assert table.column("_status").to_pylist() == ["succeeded"] * len(ROWS)
    assert set(table.column("_delivery").to_pylist()) == {"batch"}
    made = batches(server)
    assert [batch["requests"] for batch in made] == [15, 15, 10]
    billed = sum(Decimal(batch["cost_usd"]) for batch in made)
    assert Decimal(job.metadata()["totals"]["cost_usd"]) == billed
    assert Decimal(server.ledger()["cost_usd"]) == billed


@pytest.mark.parametrize("server", [["--batch-speed", "0"]], indirect=True)
def test_a_run_that_does_not_wait_exits_7_and_the_next_one_collects(
    job: Job, server: Server
) -> None:
    """What was submitted is not sent again, by neither the same command nor a live run."""
    write(job)
    text = job.run("--no-wait", code=7)
    assert "3 batches with 40 requests are at the API" in text
    assert "batcher run" in text.splitlines()[-1]
    run_clock(server)
    job.run("--delivery", "live")
    assert set(job.table().column("_delivery").to_pylist()) == {"batch"}
    assert len(batches(server)) == 3
    assert server.ledger()["answered"] == len(ROWS)


@pytest.mark.parametrize("server", [["--batch-cancel-rate", "1"]], indirect=True)
def test_auto_meets_a_deadline_that_is_near_by_sending_live(job: Job, server: Server) -> None:
    """With no time for a batch everything is live, and no row is paid for twice."""
    auto = '[delivery]\nmode = "auto"\ndeadline = "10m"\nallow_batch = true\npoll_s = 0.2\n'
    job.write(ROWS, more=auto).run()
    assert set(job.table().column("_delivery").to_pylist()) == {"live"}
    assert server.ledger()["answered"] == len(ROWS)


def test_auto_sends_batches_when_there_is_time(job: Job, server: Server) -> None:
    """With hours to spare everything travels at half the price."""
    auto = '[delivery]\nmode = "auto"\ndeadline = "10h"\nallow_batch = true\npoll_s = 0.2\n'
    job.write(ROWS, more=auto).run()
    assert set(job.table().column("_delivery").to_pylist()) == {"batch"}
    assert server.ledger()["answered"] == len(ROWS)


@pytest.mark.parametrize("server", [["--invalid-rate", "0.3", "--seed", "3"]], indirect=True)
def test_invalid_labels_are_repaired_in_a_follow_up_batch(job: Job, server: Server) -> None:
    """The second batch has the repairs: conversations with the invalid answer and a complaint."""
    labels = '[labels]\nfields = "label: a|b|c"\n'
    write(job, rows=100, more=labels).run()
    assert job.table().column("_status").to_pylist().count("succeeded") >= 39
    made = batches(server)
    assert made[0]["requests"] == 40
    assert 0 < made[1]["requests"] < 40
    assert Decimal(server.ledger()["cost_usd"]) == Decimal(job.metadata()["totals"]["cost_usd"])


def test_a_long_shared_prompt_is_primed_and_then_read(job: Job, server: Server) -> None:
    """One request goes first and writes the entry; nearly all others read it, for less money."""
    system = "Rule: " + "think of every word that was ever said. " * 1500
    request = f'system = "{system}"\nprompt = "Classify: {{{{ text }}}}"\n'
    rows = [{"text": f"row {number}"} for number in range(120)]
    more = BATCH.format(rows=100)
    job.write(rows, request=request, more=more).run()
    made = batches(server)
    assert [batch["requests"] for batch in made] == [1, 100, 19]
    reads = job.table().column("_cache_read_input_tokens").to_pylist()
    assert sum(1 for tokens in reads if tokens) >= 0.95 * (len(rows) - 1)
    assert Decimal(server.ledger()["cost_usd"]) == Decimal(job.metadata()["totals"]["cost_usd"])


def script(now: Situation, _: Durations) -> Step:
    """Submit all, cancel each batch that half has begun, and send what is left live."""
    if now.batches:
        cancel = tuple(batch.batch for batch in now.batches if not batch.is_canceling)
        return Step(0, 0, cancel, 0.2)
    is_first = now.waiting == len(ROWS)
    return Step(now.waiting if is_first else 0, 0 if is_first else now.waiting, (), 0.2)


@pytest.mark.parametrize(
    "server",
    [
        ["--batch-speed", "20", "--batch-median-s", "2000"],
        ["--batch-speed", "20", "--batch-median-s", "2000", "--batch-cancel-rate", "0.5"],
        ["--batch-speed", "2000", "--batch-median-s", "2000", "--batch-cancel-rate", "0"],
    ],
    indirect=True,
)
def test_rows_of_a_cancelled_batch_go_live_only_when_it_has_ended(
    job: Job, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each row is paid for once, whether the cancel stopped it, or came too late."""
    monkeypatch.setattr("batcher.runner.batches.auto.decide", script)
    auto = '[delivery]\nmode = "auto"\ndeadline = "10h"\nallow_batch = true\npoll_s = 0.2\n'
    job.write(ROWS, more=auto).run()
    assert server.ledger()["answered"] == len(ROWS)
    assert Decimal(server.ledger()["cost_usd"]) == Decimal(job.metadata()["totals"]["cost_usd"])
    by_batch = job.table().column("_delivery").to_pylist().count("batch")
    assert by_batch == batches(server)[0]["counts"]["succeeded"]


def test_a_pilot_in_batches_sends_no_other_rows(job: Job, server: Server) -> None:
    """Its rows are a sample, also after its first batch has ended."""
    write(job)
    result = batcher(
        "estimate", job.path, "--pilot", "10", "--delivery", "batch", "--yes", key="test-key"
    )
    assert result.code == 0, result.err
    assert [batch["requests"] for batch in batches(server)] == [10]
    assert server.ledger()["answered"] == 10


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_says_what_is_at_the_api(tmp_path: Path, times: int) -> None:
    """While a batch is sent: the first waits for its answer, the second does not."""
    fault = f"slow_body:on=create,seconds={1 if times == 1 else 30}"
    server = Server("--latency", "0", "--batch-speed", "0", "--fault", fault)
    job = Job(tmp_path, server)
    process = write(job, rows=100).start()
    while not batches(server):
        time.sleep(0.05)
    for _ in range(times):
        process.send_signal(signal.SIGINT)
        time.sleep(0.2)
    _, printed = process.communicate()
    assert process.returncode == 130, printed
    assert "1 batch with 40 requests is at the API" in printed
    assert "40 waiting in batches" in job.run("--max-time", "1s", code=7)
    assert len(batches(server)) == 1
    server.close()


@pytest.mark.parametrize("server", [["--batch-refusal", "hipaa"]], indirect=True)
@pytest.mark.parametrize(("mode", "code"), [("auto", 0), ("batch", 4)])
def test_an_organisation_without_batches(job: Job, server: Server, mode: str, code: int) -> None:
    """A run in batches ends, and its rows are open; auto has nothing to wait for and is live."""
    more = 'deadline = "20h"\nallow_batch = true\n' if mode == "auto" else ""
    job.write(ROWS, more=BATCH.format(rows=10).replace('"batch"', f'"{mode}"') + more)
    assert "not available for HIPAA-enabled organizations" in job.run(code=code)
    assert server.ledger()["answered"] == (0 if code else len(ROWS))
    if code:
        job.run("--delivery", "live")
    assert set(job.table().column("_delivery").to_pylist()) == {"live"}
    assert server.ledger()["answered"] == len(ROWS)


def test_credit_that_runs_out_in_a_batch_leaves_rows_open(tmp_path: Path) -> None:
    """The run exits 4; the same command finishes it once there is credit again."""
    server = Server("--latency", "0", *FAST, "--credit-usd", "0.0006")
    job = write(Job(tmp_path, server))
    assert "credit balance is too low" in job.run(code=4)
    assert server.ledger()["answered"] < len(ROWS)
    credit = urllib.request.Request(f"{server.url}/_simulator/credit", b'{"add_usd": 1}')
    urllib.request.urlopen(credit).close()
    job.run()
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    assert server.ledger()["answered"] == len(ROWS)
    assert Decimal(server.ledger()["cost_usd"]) == Decimal(job.metadata()["totals"]["cost_usd"])
    server.close()


def test_a_budget_that_binds_makes_few_batches_and_is_never_passed(
    job: Job, server: Server
) -> None:
    """The next batch waits until all of one is back, and so is not made of one request."""
    write(job, rows=10, more="[budget]\nmax_cost_usd = 0.006\n").run()
    sizes = [batch["requests"] for batch in batches(server)]
    assert sum(sizes) == len(ROWS)
    assert 3 <= len(sizes) <= 8
    assert Decimal(server.ledger()["cost_usd"]) <= Decimal("0.006")


@pytest.mark.parametrize("server", [["--variety-rate", "1"]], indirect=True)
def test_samples_and_equal_rows_in_batches(job: Job, server: Server) -> None:
    """A row gets as many answers as it asks for; equal rows share theirs; money is exact."""
    rows = [{"text": f"row {number % 10}"} for number in range(20)]
    request = 'prompt = "Classify: {{ text }}"\nsamples = 3\n'
    job.write(rows, request=request, more=BATCH.format(rows=20)).run()
    table = job.table()
    assert table.num_rows == 60
    assert set(table.column("_status").to_pylist()) == {"succeeded"}
    assert server.ledger()["answered"] == 30
    assert table.column("_shared").to_pylist().count(True) == 30
    assert Decimal(server.ledger()["cost_usd"]) == Decimal(job.metadata()["totals"]["cost_usd"])


@pytest.mark.parametrize(
    "server", [["--invalid-rate", "0.3", "--seed", "3", "--batch-cancel-rate", "0"]], indirect=True
)
def test_repairs_go_live_when_the_deadline_asks_for_it(
    job: Job, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invalid answer of a batch is followed by a live conversation about it."""
    monkeypatch.setattr("batcher.runner.batches.auto.decide", script)
    auto = '[delivery]\nmode = "auto"\ndeadline = "10h"\nallow_batch = true\npoll_s = 0.2\n'
    job.write(ROWS, more=f'{auto}[labels]\nfields = "label: a|b|c"\n').run()
    table = job.table()
    assert set(table.column("_status").to_pylist()) == {"succeeded"}
    tokens: dict[str, list[int]] = {"batch": [], "live": []}
    for row in table.select(["_delivery", "_input_tokens"]).to_pylist():
        tokens[row["_delivery"]].append(row["_input_tokens"])
    assert min(tokens["live"]) > max(tokens["batch"])  # the conversation is longer
    assert Decimal(server.ledger()["cost_usd"]) == Decimal(job.metadata()["totals"]["cost_usd"])
