"""The fault battery: the real command over real sockets, each fault for 1 % to 100 % of requests.

What should happen is read from the table in docs/faults.md.
"""

import json
import shutil
import socket
import ssl
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fault_runs import (
    SHARES,
    TABLE,
    Accounting,
    Case,
    cases,
    fault_server,
    mark,
    measured,
    write_job,
)
from whole_runs import Job, Server

from batcher.simulator.faults.fault import KINDS

CASES = cases()
PASSING = [case for case in CASES if case.code_of_some == 0]
STOPPING = [case for case in CASES if case.code_of_some != 0]
# One of each sort; make test-all has them all.
QUICK = {
    "reset_in_request", "reset_mid_body", "stall", "hang", "endless_header", "gzip_bomb",
    "server_error_html", "stream_error", "400", "spend_limit", "redirect",
}  # fmt: skip
EACH = 16  # rows of each fault and share in a run that meets all faults
MORE_MIB = 60
"""The most that faults may add to the memory of a run without any."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One simulator for all runs, which tell it by their prompts what should go wrong."""
    running = fault_server(*(case.kind for case in CASES), "reset_after")
    yield running
    running.close()


@pytest.fixture(scope="module")
def calm_mib(tmp_path_factory: pytest.TempPathFactory, server: Server) -> float:
    """The most memory that a run takes which meets no fault."""
    job = Job(tmp_path_factory.mktemp("calm"), server)
    ended = measured(write_job(job, ["calm"], 2 * EACH * len(PASSING), is_streamed=False))
    assert ended.code == 0, ended.said
    return ended.peak_mib


def grid(found: list[Case]) -> list[object]:
    """Each fault, streamed and not as far as it can be; one of each sort is no slow test."""
    return [
        pytest.param(
            case,
            is_streamed,
            id=f"{case.kind}, streamed" if is_streamed else case.kind,
            marks=() if case.kind in QUICK and is_streamed is min(case.types) else pytest.mark.slow,
        )
        for case in found
        for is_streamed in case.types
    ]


@pytest.mark.parametrize(
    "is_streamed",
    [pytest.param(False, id="whole", marks=pytest.mark.slow), pytest.param(True, id="streamed")],
)
def test_some_requests_meet_every_passing_fault(
    job: Job, calm_mib: float, is_streamed: bool
) -> None:
    """All faults at once, for 1 % and 30 % of the rows of each: every row is answered.

    Each attempt ends as the table says, the bill agrees, and memory is that of a run in calm.
    """
    storms = {case.kind: case for case in PASSING if is_streamed in case.types}
    marks = [mark(kind, share) for share in (1, 30) for kind in storms]
    with closing(fault_server(*storms)) as job.server:
        ended = measured(write_job(job, marks, EACH, is_streamed=is_streamed))
        assert ended.code == 0, ended.said
        accounting = Accounting(job)
    accounting.check()
    assert ended.peak_mib < calm_mib + MORE_MIB
    table = job.table()
    assert table["_status"].to_pylist() == ["succeeded"] * EACH * len(marks)
    names = zip(table["_fingerprint"].to_pylist(), table["mark"].to_pylist(), strict=True)
    mark_of = dict(names)
    ends = Counter(
        (mark_of[one["fingerprint"].hex], one["error_type"], one["billing"])
        for one in accounting.failing()
    )
    expected = {
        (mark(kind, share), name, case.billing)
        for kind, case in storms.items()
        for name in case.types[is_streamed]
        for share in (1, 30)
    }
    assert set(ends) <= expected
    for kind, case in storms.items():
        hits = Counter({text: n for (text, _, _), n in ends.items() if f"({kind} in" in text})
        if case.types[is_streamed]:
            assert hits[mark(kind, 1)] == 1
            assert hits[mark(kind, 30)] > 0


def _record(job: Job) -> dict[str, object]:
    (path,) = (job.folder / "runs" / "job").glob("*/run.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize(("case", "is_streamed"), grid(CASES))
def test_every_request_meets_a_fault(
    job: Job, server: Server, calm_mib: float, case: Case, is_streamed: bool
) -> None:
    """The run ends by itself, as the table says, and says why; what it asked is on record."""
    first = server.ledger()["requests"]
    write_job(job, [mark(case.kind, 100)], 60, is_streamed=is_streamed, patience_s=4)
    ended = measured(job)
    assert ended.code == case.code_of_every, ended.said
    assert ended.peak_mib < calm_mib + MORE_MIB
    accounting = Accounting(job, first)
    accounting.check()
    types, failing = case.types[is_streamed], list(accounting.failing())
    assert {one["error_type"] for one in failing} <= types
    assert {one["billing"] for one in failing} <= {case.billing}
    assert _record(job)["exit_code"] == ended.code
    if not types:
        assert set(job.table()["_status"].to_pylist()) == {"succeeded"}
        return
    assert any(name in ended.said for name in types)
    assert not job.output.exists()
    # It stopped long before everything had been asked as often as it may be.
    assert len(accounting.attempts) < 60 * 3


@pytest.mark.parametrize(("case", "is_streamed"), grid(STOPPING))
def test_one_request_meets_a_fault_that_no_retry_mends(
    job: Job, case: Case, is_streamed: bool
) -> None:
    """One bad row leaves the others alone; one that tells of all requests stops the run.

    The same command then goes on, and nothing is asked again that has its answer.
    """
    with closing(fault_server(case.kind)) as job.server:
        ended = measured(write_job(job, [mark(case.kind, 1)], 60, is_streamed=is_streamed))
        assert ended.code == case.code_of_some, ended.said
        accounting = Accounting(job)
        accounting.check()
        assert [{one["error_type"]} for one in accounting.failing()] == [case.types[is_streamed]]
        if case.code_of_some == 4:
            assert measured(job).code == 0
            accounting = Accounting(job)
            accounting.check()
            assert len(accounting.attempts) == 61
    succeeded = 59 if case.code_of_some == 3 else 60
    assert job.table()["_status"].to_pylist().count("succeeded") == succeeded


@pytest.mark.parametrize("share", [pytest.param(30, marks=pytest.mark.slow), 100])
def test_a_reset_after_the_answer(job: Job, server: Server, share: int) -> None:
    """The answer counts; a request that is on its way by then may be lost, and is asked again."""
    first = server.ledger()["requests"]
    ended = measured(write_job(job, [mark("reset_after", share)], 60, is_streamed=False))
    assert ended.code == 0, ended.said
    assert job.table()["_status"].to_pylist() == ["succeeded"] * 60
    accounting = Accounting(job, first)
    failing = list(accounting.failing())
    assert {(one["error_type"], one["billing"]) for one in failing} <= {("client.read", "unknown")}
    accounting.check(unbooked=len(accounting.attempts) - len(accounting.entries))
    assert 60 <= len(accounting.entries) <= len(accounting.attempts) == 60 + len(failing)


@pytest.mark.slow
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("share", SHARES[:-1])
@pytest.mark.parametrize("case", PASSING, ids=lambda case: case.kind)
def test_each_passing_fault_alone(job: Job, case: Case, share: int, is_streamed: bool) -> None:
    """Every row is answered, each attempt ends as the table says, and the bill agrees."""
    if is_streamed not in case.types:
        pytest.skip("only a stream can have it")
    with closing(fault_server(case.kind)) as job.server:
        ended = measured(write_job(job, [mark(case.kind, share)], 60, is_streamed=is_streamed))
        assert ended.code == 0, ended.said
        accounting = Accounting(job)
    accounting.check()
    assert job.table()["_status"].to_pylist() == ["succeeded"] * 60
    failing = list(accounting.failing())
    assert {one["error_type"] for one in failing} <= case.types[is_streamed]
    assert {one["billing"] for one in failing} <= {case.billing}
    assert bool(failing) is bool(case.types[is_streamed])


@contextmanager
def _stranger(folder: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Listen with a certificate that nobody vouches for; what gets through is noted."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-nodes", "-subj", "/CN=stranger", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain:
                    try:
                        got.append(context.wrap_socket(plain, server_side=True).recv(100))
                    except OSError:
                        got.append(b"")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], got
        listener.shutdown(socket.SHUT_RDWR)


def _sent_nothing(job: Job, error_type: str, address: str) -> None:
    write_job(job, ["alone"], 60, is_streamed=False, patience_s=1)
    one_at_a_time = ("--set", "limits.concurrency=1")  # a resolver may be slow
    ended = measured(job, "--set", f"api.base_url={address}", *one_at_a_time)
    assert ended.code == 5, ended.said
    assert error_type in ended.said
    assert "next" in ended.said
    record = _record(job)
    assert record["attempts"]["billed"] == record["attempts"]["unknown"] == 0
    assert record["usd"]["spent"] == record["usd"]["unknown"] == "0"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_certificate_that_does_not_verify(tmp_path: Path) -> None:
    """Exit 5 at once; whoever showed it has got neither the key nor a prompt."""
    folder = tmp_path / "job"
    folder.mkdir()
    with _stranger(tmp_path) as (port, got):
        _sent_nothing(Job(folder, None), "client.tls", f"https://127.0.0.1:{port}")
    assert got
    assert not any(got)


def test_a_name_without_an_address(tmp_path: Path) -> None:
    """Exit 5 after the patience; nothing can have been billed."""
    _sent_nothing(Job(tmp_path, None), "client.dns", "https://name.invalid")


@pytest.mark.slow
def test_nobody_at_the_address(tmp_path: Path) -> None:
    """Exit 5 after the patience; nothing can have been billed."""
    _sent_nothing(Job(tmp_path, None), "client.connect", "http://127.0.0.1:9")


def test_the_table_knows_every_fault() -> None:
    """A fault that the simulator can make is in the document, in its table or in words."""
    text = TABLE.read_text("utf-8")
    in_words = {"usage_missing", "usage_empty", "usage_unknown", "status", "rate_limit_bare"}
    assert [kind for kind in sorted(KINDS - in_words) if f"`{kind}`" not in text] == []
