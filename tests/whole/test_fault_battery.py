"""The fault battery: the command over real sockets, each fault for 1 % to 100 % of the requests.

The expected results are read from the table in docs/faults.md.
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

import fault_runs
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
TRANSIENT = [case for case in CASES if case.code_of_some == 0]
STOPPING = [case for case in CASES if case.code_of_some != 0]
# One fault of each kind that ends soon; make test-all runs all of them.
QUICK = {"reset_mid_body", "server_error_html", "stream_error", "400", "spend_limit", "redirect"}
ONE_SHARE = 30
EACH = 16  # rows for each fault and share in a run with all faults
MORE_MIB = 60
"""The most that faults may add to the memory of a run without any."""


@pytest.fixture(params=["auto", pytest.param("httpx", marks=pytest.mark.slow)], autouse=True)
def each_transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run all of it with connections of our own, and with those of httpx."""
    monkeypatch.setattr(fault_runs, "transport", request.param)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One simulator for all runs; marks in the prompts select the faults."""
    running = fault_server(*(case.kind for case in CASES), "reset_after")
    yield running
    running.close()


@pytest.fixture(scope="module")
def calm_mib(tmp_path_factory: pytest.TempPathFactory, server: Server) -> float:
    """Return the peak memory of a run without faults."""
    job = Job(tmp_path_factory.mktemp("calm"), server)
    result = measured(write_job(job, ["calm"], 2 * EACH * len(TRANSIENT), is_streamed=False))
    assert result.code == 0, result.printed
    return result.peak_mib


def fault_cases(chosen: list[Case]) -> list[object]:
    """Return each fault with and without streams; one fault of each kind is not marked slow."""
    return [
        pytest.param(
            case,
            is_streamed,
            id=f"{case.kind}, streamed" if is_streamed else case.kind,
            marks=() if case.kind in QUICK and is_streamed is min(case.types) else pytest.mark.slow,
        )
        for case in chosen
        for is_streamed in case.types
    ]


@pytest.mark.parametrize(
    "is_streamed",
    [pytest.param(False, id="whole", marks=pytest.mark.slow), pytest.param(True, id="streamed")],
)
def test_all_transient_faults_at_once(job: Job, calm_mib: float, is_streamed: bool) -> None:
    """All faults at once, each for 1 % and 30 % of its rows: every row succeeds.

    Each attempt ends as in the table, the bill agrees, and memory is about that of a calm run.
    """
    cases_by_kind = {case.kind: case for case in TRANSIENT if is_streamed in case.types}
    marks = [mark(kind, share) for share in (1, 30) for kind in cases_by_kind]
    with closing(fault_server(*cases_by_kind)) as job.server:
        result = measured(write_job(job, marks, EACH, is_streamed=is_streamed))
        assert result.code == 0, result.printed
        accounting = Accounting(job)
    accounting.check()
    assert result.peak_mib < calm_mib + MORE_MIB
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
        for kind, case in cases_by_kind.items()
        for name in case.types[is_streamed]
        for share in (1, 30)
    }
    assert set(ends) <= expected
    for kind, case in cases_by_kind.items():
        hits = Counter({text: n for (text, _, _), n in ends.items() if f"({kind} in" in text})
        if case.types[is_streamed]:
            assert hits[mark(kind, 1)] == 1
            assert hits[mark(kind, 30)] > 0


def _record(job: Job) -> dict[str, object]:
    (path,) = (job.folder / "runs" / "job").glob("*/run.json")
    return json.loads(path.read_text())


@pytest.mark.parametrize(("case", "is_streamed"), fault_cases(CASES))
def test_a_fault_of_every_request(
    job: Job, server: Server, calm_mib: float, case: Case, is_streamed: bool
) -> None:
    """The run ends with the table's exit code and a reason, and its attempts are recorded."""
    first = server.ledger()["requests"]
    write_job(job, [mark(case.kind, 100)], 60, is_streamed=is_streamed, patience_s=4)
    result = measured(job)
    assert result.code == case.code_of_every, result.printed
    assert result.peak_mib < calm_mib + MORE_MIB
    accounting = Accounting(job, first)
    accounting.check()
    types, failing = case.types[is_streamed], list(accounting.failing())
    assert {one["error_type"] for one in failing} <= types
    assert {one["billing"] for one in failing} <= {case.billing}
    assert _record(job)["exit_code"] == result.code
    if not types:
        assert set(job.table()["_status"].to_pylist()) == {"succeeded"}
        return
    assert any(name in result.printed for name in types)
    assert not job.output.exists()
    # It stopped long before all rows had used up their attempts.
    assert len(accounting.attempts) < 60 * 3


@pytest.mark.parametrize(("case", "is_streamed"), fault_cases(STOPPING))
def test_a_permanent_fault_of_one_request(job: Job, case: Case, is_streamed: bool) -> None:
    """A fault of one row does not stop the others; one that concerns all requests stops the run.

    The same command then continues, and answered rows are not sent again.
    """
    with closing(fault_server(case.kind)) as job.server:
        result = measured(write_job(job, [mark(case.kind, 1)], 60, is_streamed=is_streamed))
        assert result.code == case.code_of_some, result.printed
        accounting = Accounting(job)
        accounting.check()
        assert [{one["error_type"]} for one in accounting.failing()] == [case.types[is_streamed]]
        if case.code_of_some in (4, 5):
            assert measured(job).code == 0
            accounting = Accounting(job)
            accounting.check()
            assert len(accounting.attempts) == 61
    succeeded = 59 if case.code_of_some == 3 else 60
    assert job.table()["_status"].to_pylist().count("succeeded") == succeeded


@pytest.mark.parametrize("share", [pytest.param(30, marks=pytest.mark.slow), 100])
def test_a_reset_after_the_response(job: Job, server: Server, share: int) -> None:
    """The response counts; a request sent just then may be lost, and is sent again."""
    first = server.ledger()["requests"]
    result = measured(write_job(job, [mark("reset_after", share)], 60, is_streamed=False))
    assert result.code == 0, result.printed
    assert job.table()["_status"].to_pylist() == ["succeeded"] * 60
    accounting = Accounting(job, first)
    failing = list(accounting.failing())
    # A request that was certainly not sent whole is free.
    assert {one["error_type"] for one in failing} <= {"client.read"}
    assert {one["billing"] for one in failing} <= {"unknown", "free"}
    accounting.check(unreceived=len(accounting.attempts) - len(accounting.entries))
    assert 60 <= len(accounting.entries) <= len(accounting.attempts) == 60 + len(failing)


@pytest.mark.slow
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("share", SHARES[:-1])
@pytest.mark.parametrize("case", TRANSIENT, ids=lambda case: case.kind)
def test_each_transient_fault_alone(job: Job, case: Case, share: int, is_streamed: bool) -> None:
    """Every row succeeds, each attempt ends as in the table, and the bill agrees."""
    if is_streamed not in case.types:
        pytest.skip("only a stream can have it")
    if fault_runs.transport == "httpx" and share != ONE_SHARE:
        pytest.skip("one share is enough to compare both transports")
    with closing(fault_server(case.kind)) as job.server:
        result = measured(write_job(job, [mark(case.kind, share)], 60, is_streamed=is_streamed))
        assert result.code == 0, result.printed
        accounting = Accounting(job)
    accounting.check()
    assert job.table()["_status"].to_pylist() == ["succeeded"] * 60
    failing = list(accounting.failing())
    assert {one["error_type"] for one in failing} <= case.types[is_streamed]
    assert {one["billing"] for one in failing} <= {case.billing}
    assert bool(failing) is bool(case.types[is_streamed])


@contextmanager
def _untrusted_server(folder: Path) -> Iterator[tuple[int, list[bytes]]]:
    """Serve with a certificate that no authority has signed; return the port and received bytes."""
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
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    plain, _ = listener.accept()
                except OSError:
                    return
                with plain:
                    try:
                        received.append(context.wrap_socket(plain, server_side=True).recv(100))
                    except OSError:
                        received.append(b"")

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], received
        listener.shutdown(socket.SHUT_RDWR)


def _sent_nothing(job: Job, error_type: str, address: str) -> None:
    write_job(job, ["alone"], 60, is_streamed=False, patience_s=1)
    one_at_a_time = ("--set", "limits.concurrency=1")  # a resolver may be slow
    result = measured(job, "--set", f"api.base_url={address}", *one_at_a_time)
    assert result.code == 5, result.printed
    assert error_type in result.printed
    assert "next" in result.printed
    record = _record(job)
    assert record["attempts"]["billed"] == record["attempts"]["unknown"] == 0
    assert record["usd"]["spent"] == record["usd"]["unknown"] == "0"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")
def test_a_certificate_that_does_not_verify(tmp_path: Path) -> None:
    """Exit 5 at once; the server has received neither the key nor a prompt."""
    folder = tmp_path / "job"
    folder.mkdir()
    with _untrusted_server(tmp_path) as (port, received):
        _sent_nothing(Job(folder, None), "client.tls", f"https://127.0.0.1:{port}")
    assert received
    assert not any(received)


def test_a_name_without_an_address(tmp_path: Path) -> None:
    """Exit 5 after patience_s; nothing can have been billed."""
    _sent_nothing(Job(tmp_path, None), "client.dns", "https://name.invalid")


@pytest.mark.slow
def test_an_address_without_a_server(tmp_path: Path) -> None:
    """Exit 5 after patience_s; nothing can have been billed."""
    _sent_nothing(Job(tmp_path, None), "client.connect", "http://127.0.0.1:9")


def test_the_document_has_every_fault() -> None:
    """Each fault of the simulator is in the document, in its table or its text."""
    text = TABLE.read_text("utf-8")
    assert [kind for kind in sorted(KINDS - {"status"}) if f"`{kind}`" not in text] == []
