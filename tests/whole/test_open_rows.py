"""When a run stops because of failures, and which rows stay open, over real HTTP."""

import signal
from contextlib import closing
from pathlib import Path

import pytest
from test_main_job import rows
from whole_runs import Job, Server, batcher, wait_for

CREDIT = "Your credit balance is too low to access the Anthropic API."
SLOW = pytest.mark.slow


def statuses(job: Job) -> dict[str, int]:
    """Return the number of rows with each status in the output."""
    found = job.table()["_status"].to_pylist()
    return {status: found.count(status) for status in set(found)}


@pytest.mark.parametrize(
    ("status", "says", "limit"),
    [
        (400, CREDIT, 0),
        pytest.param(400, "This organization has been disabled.", 0, marks=SLOW),
        pytest.param(400, "Budget has been exceeded! Current cost: 10.2", 0, marks=SLOW),
        (400, "The account is frozen", 20),
        (401, "the key was revoked", 5),
        pytest.param(404, "the model was retired", 5, marks=SLOW),
        pytest.param(418, "no more tea", 20, marks=SLOW),
    ],
)
def test_an_account_in_trouble_stops_the_run_and_costs_no_row(
    status: int, says: str, limit: int, tmp_path: Path
) -> None:
    """At any time of a run; the same command finishes the job once the cause is gone."""
    fault = f"status:status={status},message={says},after_n=30"
    job = Job(tmp_path, None)
    with closing(Server("--fault", fault)) as job.server:
        printed = job.write(rows(200), limits="concurrency = 8\n").run(code=4)
        assert says in printed
        assert job.server.ledger()["requests"] <= 30 + limit + 2 * 8
    with closing(Server()) as job.server:
        job.write().run()
        assert job.server.ledger()["requests"] == 170
    assert statuses(job) == {"succeeded": 200}


@pytest.mark.parametrize(
    "fault",
    [
        "status:status=403",
        pytest.param("status:status=401", marks=SLOW),
        pytest.param("status:status=404", marks=SLOW),
        pytest.param("redirect", marks=SLOW),
    ],
)
@pytest.mark.parametrize("at", [100, 199])
def test_one_row_in_trouble_is_one_rows_failure(fault: str, at: int, tmp_path: Path) -> None:
    """The others are answered; the next run sends nothing; a retry sends the row again."""
    data = rows(200)
    data[at]["text"] = "DROP TABLE b"
    job = Job(tmp_path, None)
    separator = "," if ":" in fault else ":"
    with closing(Server("--fault", f"{fault}{separator}match=DROP TABLE")) as job.server:
        job.write(data).run(code=3)
        assert statuses(job) == {"succeeded": 199, "errored": 1}
        job.run(code=3)
        assert job.server.ledger()["requests"] == 200
        assert "refused this row while it answered others" in job.command("failures")
        assert batcher("retry", job.path, "--yes", key="test-key").code == 3
        assert job.server.ledger()["requests"] == 201


def test_a_first_row_in_trouble_stops_one_run_only(tmp_path: Path) -> None:
    """Nothing tells yet whether it is the row; the next run asks the other rows first."""
    data = rows(40)
    data[0]["text"] = "DROP TABLE b"
    job = Job(tmp_path, None)
    with closing(Server("--fault", "status:status=403,match=DROP TABLE")) as job.server:
        job.write(data).run(code=4)
        assert job.server.ledger()["requests"] == 1
        job.run(code=3)
    assert statuses(job) == {"succeeded": 39, "errored": 1}


def test_rows_in_trouble_side_by_side_do_not_stop_every_run(tmp_path: Path) -> None:
    """Twelve of them in a row stop a run; the next one answers the others first, and ends."""
    data = rows(60)
    for row in data[20:32]:
        row["text"] = f"DROP TABLE b; {row['text']}"
    job = Job(tmp_path, None)
    with closing(Server("--fault", "status:status=403,match=DROP TABLE")) as job.server:
        job.write(data, limits="concurrency = 1\n").run(code=4)
        job.run(code=3)
    assert statuses(job) == {"succeeded": 48, "errored": 12}


def test_a_killed_run_leaves_unexplained_failures_open(tmp_path: Path) -> None:
    """They were recorded when the run was killed, and nothing had explained them."""
    job = Job(tmp_path, None)
    faults = ["status:status=400,message=frozen,after_n=30,first_n=8", "hang:after_n=38"]
    with closing(Server(*(part for fault in faults for part in ("--fault", fault)))) as job.server:
        process = job.write(rows(60), limits="concurrency = 1\n").start()
        wait_for(job.server, 39, "requests")
        process.send_signal(signal.SIGKILL)
        process.communicate()
    with closing(Server()) as job.server:
        job.write().run()
        assert job.server.ledger()["requests"] == 30
    assert statuses(job) == {"succeeded": 60}


def test_failures_between_answers_are_final(tmp_path: Path) -> None:
    """Rows that the API rejects are not sent again by the next run."""
    job = Job(tmp_path, None)
    with closing(Server("--fault", "400:every_n=4,after_n=1")) as job.server:
        job.write(rows(80)).run(code=3)
        assert statuses(job) == {"succeeded": 60, "errored": 20}
        job.run(code=3)
        assert job.server.ledger()["requests"] == 80


@pytest.mark.parametrize(
    "fault", ["rate_limit_bare", pytest.param("rate_limit:retry_after_s=0.1", marks=SLOW)]
)
def test_a_row_that_is_always_refused_ends(fault: str, tmp_path: Path) -> None:
    """Its attempts and the patience bound it; the row is open, and the others are in the output."""
    data = rows(40)
    data[10]["text"] = "unlucky"
    job = Job(tmp_path, None)
    separator = "," if ":" in fault else ":"
    with closing(Server("--fault", f"{fault}{separator}match=unlucky")) as job.server:
        more = "[retry]\nattempts = 3\nmax_wait_s = 0.1\npatience_s = 0.5\n"
        job.write(data, more=more).run(code=5)
    assert statuses(job) == {"succeeded": 39, "errored": 1}
    with closing(Server()) as job.server:
        job.write(more=more).run()
        assert job.server.ledger()["requests"] == 1


def test_a_server_that_forbids_a_retry_is_obeyed(tmp_path: Path) -> None:
    """One such row is left for the next run; five in a row stop the run."""
    job = Job(tmp_path, None)
    with closing(Server("--fault", "no_retry:after_n=20,times=1")) as job.server:
        job.write(rows(60)).run(code=5)
        assert statuses(job) == {"succeeded": 59, "errored": 1}
        job.run()
        assert job.server.ledger()["requests"] == 61
    with closing(Server("--fault", "no_retry:after_n=40")) as job.server:
        printed = job.write([{"text": f"new {n}"} for n in range(200)]).run(code=5)
        assert "requests all failed with overloaded_error: Overloaded" in printed
        assert job.server.ledger()["requests"] < 40 + 40


LABELS = '[labels]\nfields = "topic: a|b"\n'


@pytest.mark.parametrize(
    ("arguments", "more", "status"),
    [
        (("--fault", "empty_answer"), "", "client.empty_answer"),
        (("--invalid-rate", "1"), LABELS, "client.invalid_label"),
        (("--refusal-rate", "1"), "", "refusal"),
    ],
    ids=["empty", "invalid", "refused"],
)
def test_the_first_twenty_answers_that_are_no_good_stop_the_run(
    arguments: tuple[str, ...], more: str, status: str, tmp_path: Path
) -> None:
    """Five thousand rows must not be paid for to learn that; the rows are open."""
    job = Job(tmp_path, None)
    with closing(Server(*arguments)) as job.server:
        printed = job.write(rows(200), limits="concurrency = 4\n", more=more).run(code=4)
        assert f"the first 20 requests all failed with {status}" in printed
        assert job.server.ledger()["requests"] < 3 * 24 + 4
    with closing(Server()) as job.server:
        job.write(more=more).run()
    assert statuses(job) == {"succeeded": 200}


def test_labels_that_are_always_cut_off_stop_the_run(tmp_path: Path) -> None:
    """A part of them is no label; a part of a text may be what a job wants."""
    data = [{"text": f"thing {n} [[truncate]]"} for n in range(30)]
    job = Job(tmp_path, None)
    with closing(Server()) as job.server:
        printed = job.write(data, limits="concurrency = 4\n", more=LABELS).run(code=4)
        assert "the first 20 requests all failed with max_tokens" in printed
        assert "raise request.max_tokens" in printed
        assert job.server.ledger()["requests"] < 20 + 2 * 4
        job.write(data, request='prompt = "Tell: {{ text }}"\non_change = "redo"\n').run(code=3)
        assert statuses(job) == {"truncated": 30}


def test_an_empty_answer_is_not_a_success(tmp_path: Path) -> None:
    """It has a status of its own everywhere, and is not paid for again."""
    job = Job(tmp_path, None)
    with closing(Server("--fault", "empty_answer:times=3,after_n=5")) as job.server:
        printed = job.write(rows(30)).run(code=3)
        assert "3 empty" in printed
        assert statuses(job) == {"succeeded": 27, "empty": 3}
        assert "empty" in job.command("failures")
        job.run(code=3)
        assert job.server.ledger()["requests"] == 30


def test_a_share_of_failed_rows_is_a_ceiling(tmp_path: Path) -> None:
    """A run stops when more rows fail than may; the same command goes on with the others."""
    limits = "concurrency = 4\nmax_failed = 0.1\n"
    job = Job(tmp_path, None)
    with closing(Server("--fault", "400:every_n=2")) as job.server:
        printed = job.write(rows(400), limits=limits).run(code=3)
        assert "too many for limits.max_failed = 0.1" in printed
        sent = job.server.ledger()["requests"]
        assert sent < 80
        job.run(code=3)
        assert sent < job.server.ledger()["requests"] < 2 * sent + 20


@pytest.mark.parametrize(("share", "code"), [("0.4", 2), ("0.5", 0), ("0", 3)])
def test_a_share_of_bad_rows_is_a_ceiling_before_anything_is_sent(
    share: str, code: int, tmp_path: Path
) -> None:
    """25 of 50 rows are bad; without a share they are recorded, and the others are answered."""
    data = [row if n % 2 else "{bad" for n, row in enumerate(rows(50))]
    job = Job(tmp_path, None)
    with closing(Server()) as job.server:
        job.write(data, limits=f"max_failed = {share}\n")
        checked = batcher("check", job.path, key="test-key").code
        printed = job.run(code=code)
        assert job.server.ledger()["requests"] == (0 if code == 2 else 25)
    assert (checked == 2) is (code == 2)
    assert ("25 of 50 rows are bad, more than limits.max_failed" in printed) is (code == 2)
