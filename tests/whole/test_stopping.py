"""How a run stops: by a signal, a refusal, an unreachable server, or another process."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from test_main_job import rows
from whole_runs import Job, Server, kill, wait_for


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow),
        pytest.param(signal.SIGHUP, 143, marks=pytest.mark.slow),
    ],
)
def test_a_signal_drains_and_loses_nothing(number: int, code: int, tmp_path: Path) -> None:
    """All responses are recorded; there is no output yet; the same command completes the job."""
    server = Server("--latency", "0.05")
    job = Job(tmp_path, server)
    process = job.write(rows(300)).start()
    wait_for(server, 50)
    process.send_signal(number)
    _, printed = process.communicate(timeout=60)
    assert process.returncode == code
    assert "in flight" in printed
    assert "next" in printed
    assert not job.output.exists()
    ledger = server.ledger()
    assert ledger["in_flight"] == 0
    assert recorded(job) == (ledger["requests"], ledger["requests"])
    job.run()
    assert server.ledger()["requests"] == 300
    server.close()


def recorded(job: Job) -> tuple[int, int]:
    """Return the number of attempts and outcomes in the checkpoint."""
    path = job.folder / "runs" / "job" / "checkpoint.duckdb"
    with duckdb.connect(str(path), read_only=True) as connection:
        query = "SELECT (SELECT count(*) FROM attempts), (SELECT count(*) FROM outcomes)"
        return connection.execute(query).fetchall()[0]


def test_a_second_ctrl_c_stops_at_once_and_names_the_risk(tmp_path: Path) -> None:
    """After the second signal the run does not wait for responses."""
    server = Server("--fault", "hang:after_n=30")
    job = Job(tmp_path, server)
    process = job.write(rows(100)).start()
    wait_for(server, 30)
    wait_for(server, 16, "in_flight")
    process.send_signal(signal.SIGINT)
    assert "in flight" in process.stderr.readline() + process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, printed = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "stopped at once with 16 requests in flight" in printed
    assert "may be billed without a record" in printed
    server.close()


def test_two_runs_of_one_job_do_not_mix(tmp_path: Path) -> None:
    """The second run exits 8 and names the first run's process."""
    server = Server("--latency", "0.2")
    job = Job(tmp_path, server)
    first = job.write(rows(300)).start()
    wait_for(server, 5)
    printed = job.run(code=8)
    assert f"process {first.pid}" in printed
    kill(first)
    server.close()


def test_an_unreachable_server_ends_the_run(tmp_path: Path) -> None:
    """Without a server the run exits 5 after patience_s, and no row has failed for good."""
    job = Job(tmp_path, None)
    more = "[retry]\npatience_s = 0.5\nmax_wait_s = 0.1\n"
    printed = job.write(rows(30), more=more).run(code=5)
    assert "client.connect" in printed
    assert not job.output.exists()


def test_rows_of_a_failing_server_are_left_for_another_run(tmp_path: Path) -> None:
    """When rows have used up their attempts, the run exits 5; later they succeed."""
    server = Server("--fault", "status:status=500,first_n=16")
    job = Job(tmp_path, server)
    job.write(rows(8), more="[retry]\nattempts = 2\nmax_wait_s = 0.01\n").run(code=5)
    statuses = set(job.table().column("_status").to_pylist())
    assert statuses == {"errored"}
    job.run()
    assert set(job.table().column("_status").to_pylist()) == {"succeeded"}
    server.close()


def test_a_run_with_one_repeated_error_stops_early(tmp_path: Path) -> None:
    """A run whose first requests all fail in the same way stops early."""
    server = Server("--fault", "status:status=400,rate=1")
    job = Job(tmp_path, server)
    printed = job.write(rows(500), limits="concurrency = 4\n").run(code=4)
    assert "the first 20 requests all failed" in printed
    assert server.ledger()["requests"] < 30
    server.close()


@pytest.mark.parametrize("kind", ["spend_limit", "own_spend_limit", "contract_spend_limit"])
def test_a_spend_limit_stops_the_run(kind: str, tmp_path: Path) -> None:
    """Exit 4, no row is marked as failed, and the job resumes."""
    server = Server("--fault", f"{kind}:first_n=60")
    job = Job(tmp_path, server)
    printed = job.write(rows(200)).run(code=4)
    assert "spend limit" in printed
    assert server.ledger()["requests"] == 1
    server.close()


def test_usage_that_cannot_be_priced_never_costs_zero(tmp_path: Path) -> None:
    """The answer is kept, its cost is null, and the run names the field and goes on."""
    with closing(Server("--fault", "usage_unknown:first_n=1")) as server:
        job = Job(tmp_path, server)
        printed = job.write(rows(30)).run()
    assert "the cost of 1 answer is unknown" in printed
    assert "hologram_tokens" in printed
    assert job.table().column("_cost_usd").null_count == 1


def test_the_key_is_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is in no state file, output or message."""
    canary = "sk-ant-canary-0123456789"
    monkeypatch.setenv("CANARY", canary)
    server = Server("--fault", "overloaded:rate=0.2", "--fault", "junk:rate=0.1")
    job = Job(tmp_path, server)
    printed = job.write(
        rows(40), api='key_env = "CANARY"\n', more="[retry]\nmax_wait_s = 0.01\n"
    ).run()
    assert canary not in printed
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or canary.encode() not in path.read_bytes(), path
    server.close()


def test_everything_a_run_writes_is_for_its_owner_only(job: Job) -> None:
    """Other users cannot read the state and the output."""
    job.write(rows(5)).run()
    for path in [*(job.folder / "runs").rglob("*"), job.output]:
        assert path.stat().st_mode & 0o077 == 0, path


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_an_error_before_sending(job: Job) -> None:
    """Nothing is sent when the output's folder is not writable."""
    job.write(rows(5))
    job.folder.chmod(0o500)
    printed = job.run(code=1)
    assert "writable" in printed


@pytest.mark.parametrize(
    "redirect",
    [pytest.param("2>&-", marks=pytest.mark.slow), "2>&- 1>&- <&-", "2>&1 | head -n 1"],
)
def test_a_closed_terminal_does_not_stop_a_run(redirect: str, job: Job, server: Server) -> None:
    """With closed output streams only messages are lost."""
    job.write(rows(60))
    command = f"{sys.executable} -m batcher run {job.path} --yes {redirect}"
    environment = {**os.environ, "ANTHROPIC_API_KEY": "test-key"}
    subprocess.run(["bash", "-c", command], env=environment, check=True, timeout=60)
    assert job.table().num_rows == 60
    assert server.ledger()["requests"] == 60


@pytest.mark.parametrize("fault", ["truncated", "junk", "status:status=409", "reset_mid_body"])
def test_a_server_that_always_fails_stops_the_run_early(fault: str, tmp_path: Path) -> None:
    """Damaged responses may all be billed: the run stops early with exit 5."""
    server = Server("--fault", f"{fault},rate=1" if ":" in fault else f"{fault}:rate=1")
    job = Job(tmp_path, server)
    more = "[retry]\nattempts = 4\nmax_wait_s = 0.01\n"
    printed = job.write(rows(600), limits="concurrency = 8\n", more=more).run(code=5)
    assert "the first 20 requests all failed" in printed
    assert server.ledger()["requests"] < 150
    server.close()


def test_a_closed_pipe_does_not_change_the_exit_code(job: Job) -> None:
    """``run --json`` into a closed pipe still exits 3 when rows failed."""
    job.write([*rows(5), {"id": "no text"}])
    process = job.start("--json")
    process.stdout.close()
    assert process.wait(timeout=60) == 3
    process.stderr.close()
