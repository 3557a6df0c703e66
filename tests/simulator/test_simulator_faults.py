"""Faults as a client sees them, and which requests they hit."""

import http.client
import json
from collections.abc import Callable
from contextlib import closing

import httpx
import pytest
from simulator_bodies import HEADERS, Client, body_of

from batcher.simulator import Fault
from batcher.simulator.faults.fault import BILLED, KINDS
from batcher.simulator.faults.schedule import Schedule

Start = Callable[..., Client]
JSON_TYPE = {"content-type": "application/json"}

ERRORS = [
    (Fault("status", status=503), 503, None, False),
    (Fault("rate_limit", retry_after_s=2), 429, None, True),
    (Fault("rate_limit_bare"), 429, None, False),
    (Fault("ramp_limit"), 429, "ramp_limit_exceeded", True),
    (Fault("spend_limit"), 429, "enforced_spend_limit_reached", False),
    (Fault("contract_spend_limit"), 429, "contract_spend_limit_reached", False),
    (Fault("own_spend_limit"), 400, None, False),
    (Fault("overloaded"), 529, None, False),
    (Fault("status", status=400, code="organization_on_hold"), 400, "organization_on_hold", False),
]


@pytest.mark.parametrize(("fault", "status", "code", "has_retry_after"), ERRORS, ids=str)
def test_api_errors(
    simulate: Start, fault: Fault, status: int, code: str | None, has_retry_after: bool
) -> None:
    """Each error has its status, code and ``retry-after``, and is not billed."""
    client = simulate(faults=(fault,))
    response = client.send(body_of())
    error = response.json()["error"]
    assert response.status_code == status
    assert error.get("details", {}).get("error_code") == code
    assert ("retry-after" in response.headers) == has_retry_after
    assert client.totals["answered"] == 0
    assert client.totals["by_outcome"] == {fault.kind: 1}


def test_own_spend_limit_message(simulate: Start) -> None:
    """A spend limit that the customer has set is recognised by the start of its message."""
    response = simulate(faults=(Fault("own_spend_limit"),)).send(body_of())
    message = response.json()["error"]["message"]
    assert message.startswith("You have reached your specified API usage limits")


@pytest.mark.parametrize("status", [502, 504, 524])
def test_the_ledger_has_what_was_sent_and_what_was_billed(simulate: Start, status: int) -> None:
    """A gateway's page replaces an answer: the client sees its status, and the answer is billed."""
    client = simulate(faults=(Fault(f"gateway_{status}", times=1),))
    assert [client.send(body_of()).status_code for _ in range(2)] == [status, 200]
    assert client.totals["by_status"] == {str(status): 1, "200": 1}
    assert client.totals["answered"] == 2


def test_unexpected_responses(simulate: Start) -> None:
    """HTML, a redirect, an error with status 200, bytes that are not JSON, a wrong type."""
    kinds = ("server_error_html", "redirect", "error_200", "junk", "wrong_content_type")
    client = simulate(faults=tuple(Fault(kind, match=kind) for kind in kinds))
    html, redirect, error, junk, typed = (client.send(body_of(kind)) for kind in kinds)
    assert (html.status_code, html.headers["content-type"]) == (500, "text/html")
    assert redirect.status_code == 307
    assert redirect.headers["location"].startswith("http://example.invalid/")
    assert (error.status_code, error.json()["type"]) == (200, "error")
    assert junk.status_code == 200
    with pytest.raises(ValueError, match=r"decode|JSON|Expecting"):
        junk.json()
    assert (typed.headers["content-type"], typed.json()["type"]) == ("text/html", "message")
    assert client.totals["answered"] == 2


BREAKING = ["reset_in_request", "reset_before", "reset_billed", "reset_mid_body", "truncated"]


@pytest.mark.parametrize("kind", BREAKING)
@pytest.mark.parametrize("is_stream", [False, True])
def test_broken_connections(simulate: Start, kind: str, is_stream: bool) -> None:
    """The request is billed if it was answered; the response never counts as written."""
    client = simulate(faults=(Fault(kind, times=1),))
    with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError)):
        client.send(body_of(stream=is_stream))
    assert client.totals["answered"] == (kind in BILLED)
    assert client.totals["written"] == 0
    assert client.totals["by_outcome"] == {kind: 1}
    assert client.send(body_of()).status_code == 200


def test_reset_in_request_does_not_wait_for_the_body(simulate: Start) -> None:
    """The connection breaks while a large body is being sent; free endpoints are not affected."""
    client = simulate(faults=(Fault("reset_in_request", match="user"),))
    with pytest.raises((httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError)):
        client.send(body_of("x" * 20_000_000))
    assert client.http.post("/v1/messages/count_tokens", json={}).status_code == 400
    assert client.totals["requests"] == 1


def test_a_reset_after_the_whole_response(simulate: Start) -> None:
    """The client has the whole response when the connection is reset."""
    client = simulate(faults=(Fault("reset_after"),))
    url = httpx.URL(client.simulator.url)
    with closing(http.client.HTTPConnection(url.host, url.port, timeout=10)) as connection:
        connection.request("POST", "/v1/messages", json.dumps(body_of()), HEADERS | JSON_TYPE)
        response = connection.getresponse()
        assert json.loads(response.read())["type"] == "message"
        with pytest.raises(ConnectionResetError):
            connection.sock.recv(1)
    assert client.totals["answered"] == 1


def test_half_json_arrives_as_a_complete_body(simulate: Start) -> None:
    """Only the JSON shows that something is missing."""
    client = simulate(faults=(Fault("half_json"),))
    response = client.send(body_of())
    assert (response.status_code, response.content[:7]) == (200, b'{"id": ')
    with pytest.raises(ValueError, match=r"Unterminated|Expecting|delimiter"):
        response.json()


@pytest.mark.parametrize("is_stream", [False, True])
def test_stall(simulate: Start, is_stream: bool) -> None:
    """Half of the body arrives, then nothing until the client disconnects."""
    client = simulate(faults=(Fault("stall"),))
    body = body_of(stream=is_stream)
    with client.http.stream("POST", "/v1/messages", json=body, timeout=0.2) as response:
        parts = response.iter_raw()
        assert next(parts)
        with pytest.raises(httpx.ReadTimeout):
            next(parts)
    while client.totals["in_flight"]:
        pass
    assert (client.totals["answered"], client.totals["written"]) == (1, 0)


@pytest.mark.parametrize("kind", ["giant_header", "endless_header"])
def test_oversized_headers(simulate: Start, kind: str) -> None:
    """The headers go on until the client gives up; the request is billed."""
    client = simulate(faults=(Fault(kind),))
    with pytest.raises(httpx.RemoteProtocolError):
        client.send(body_of())
    while client.totals["in_flight"]:
        pass
    assert (client.totals["answered"], client.totals["written"]) == (1, 0)


def test_half_of_the_body_arrives(simulate: Start) -> None:
    """A truncated response has its status, its headers and the beginning of its body."""
    client = simulate(faults=(Fault("truncated"),))
    with client.http.stream("POST", "/v1/messages", json=body_of()) as response:
        assert response.status_code == 200
        parts = response.iter_raw()
        read = next(parts)
        with pytest.raises(httpx.RemoteProtocolError):
            next(parts)
    assert read.startswith(b'{"id": "msg_')
    assert 0 < len(read) < int(response.headers["content-length"])


def test_hang(simulate: Start) -> None:
    """No response comes; the ledger records the request as billed, but not written."""
    client = simulate(faults=(Fault("hang"),))
    with pytest.raises(httpx.ReadTimeout):
        client.send(body_of(), timeout=0.1)
    while client.totals["in_flight"]:
        pass
    totals = client.totals
    assert (totals["answered"], totals["written"]) == (1, 0)
    assert totals["by_outcome"] == {"hang": 1}


def test_slow_body(simulate: Start) -> None:
    """The body arrives slowly, but completely."""
    client = simulate(faults=(Fault("slow_body", seconds=0.1),))
    response = client.send(body_of())
    assert response.elapsed.total_seconds() >= 0.08
    assert response.json()["type"] == "message"
    assert client.totals["written"] == 1


def test_gzip_bomb(simulate: Start) -> None:
    """A small body unpacks to a very large one."""
    client = simulate(faults=(Fault("gzip_bomb", size=5_000_000),))
    with client.http.stream("POST", "/v1/messages", json=body_of()) as response:
        assert int(response.headers["content-length"]) < 50_000
        assert sum(len(part) for part in response.iter_bytes()) >= 5_000_000


def events(response: httpx.Response) -> list[str]:
    """Return the names of a stream's events."""
    return [line[7:] for line in response.text.splitlines() if line.startswith("event: ")]


def test_broken_streams(simulate: Start) -> None:
    """A stream ends without message_stop, or with an error event."""
    faults = (Fault("stream_cut", match="cut"), Fault("stream_error", match="error"))
    client = simulate(faults=faults)
    assert events(client.send(body_of("cut", stream=True)))[-1] == "message_delta"
    assert events(client.send(body_of("error", stream=True)))[-1] == "error"
    assert events(client.send(body_of("fine", stream=True)))[-1] == "message_stop"


def test_damaged_usage(simulate: Start) -> None:
    """Usage is missing, is empty or has an unknown token kind, streamed or not."""
    kinds = ("usage_missing", "usage_empty", "usage_unknown")
    client = simulate(faults=tuple(Fault(kind, match=kind) for kind in kinds))
    assert "usage" not in client.message("usage_missing")
    assert client.message("usage_empty")["usage"] == {}
    assert client.message("usage_unknown")["usage"]["hologram_tokens"] == 7
    for kind in kinds:
        response = client.send(body_of(kind, stream=True))
        assert events(response)[-1] == "message_stop"


def test_usage_unknown_reaches_the_stream(simulate: Start) -> None:
    """The unknown kind is in the first event of a stream."""
    client = simulate(faults=(Fault("usage_unknown"),))
    lines = client.send(body_of(stream=True)).text.splitlines()
    start = json.loads(lines[1].removeprefix("data: "))
    assert start["message"]["usage"]["hologram_tokens"] == 7


def hits(schedule: Schedule, keys: list[str], body: bytes = b"") -> str:
    """Return a mark for each request: x if a fault hits it."""
    return "".join("x" if schedule.next(key, body) else "." for key in keys)


WHEN = [
    (Fault("overloaded"), "xxxxxxxx"),
    (Fault("overloaded", first_n=3), "xxx....."),
    (Fault("overloaded", after_n=2, first_n=3), "..xxx..."),
    (Fault("overloaded", after_n=1, every_n=3), ".x..x..x"),
    (Fault("overloaded", times=2), "xx......"),
    (Fault("overloaded", match="no"), "........"),
    (Fault("overloaded", rate=0), "........"),
]


@pytest.mark.parametrize(("fault", "expected"), WHEN, ids=str)
def test_which_requests_are_hit(fault: Fault, expected: str) -> None:
    """Rules select requests by number, by earlier hits and by the body."""
    assert hits(Schedule((fault,), 0), [str(n) for n in range(8)], b"yes") == expected


def test_attempts_of_one_body() -> None:
    """A rule for the first attempts does not hit later attempts of the same body."""
    schedule = Schedule((Fault("overloaded", attempts=2),), 0)
    assert hits(schedule, ["a", "a", "b", "a", "b", "b"]) == "xxx.x."


def test_rate_is_decided_by_the_body() -> None:
    """The same rows fail in any order."""
    keys = [str(number) for number in range(400)]

    def failing(order: list[str]) -> set[str]:
        marks = hits(Schedule((Fault("overloaded", rate=0.2),), 9), order)
        return {key for key, mark in zip(order, marks, strict=True) if mark == "x"}

    assert failing(keys) == failing(keys[::-1])
    assert 50 <= len(failing(keys)) <= 110


def test_a_retry_has_a_new_chance() -> None:
    """Each hit of a body changes its next random number; a body that has passed always passes."""
    schedule = Schedule((Fault("overloaded", rate=0.5),), 9)
    runs = [hits(schedule, [str(number)] * 20) for number in range(50)]
    assert all(run.rstrip(".") == "x" * run.count("x") for run in runs)
    assert {run.count("x") for run in runs} >= {0, 1, 2}
    assert all(run.endswith(".") for run in runs)


def test_first_rule_wins() -> None:
    """If several rules apply, the first one wins."""
    schedule = Schedule((Fault("status", status=500, times=1), Fault("overloaded")), 0)
    chosen = [schedule.next("a", b"") for _ in range(2)]
    assert [fault.kind for fault in chosen if fault] == ["status", "overloaded"]


def test_parse() -> None:
    """The form of the command line gives the same faults."""
    assert Fault.parse("529") == Fault("status", status=529)
    assert Fault.parse("hang") == Fault("hang")
    assert Fault.parse("rate_limit:rate=0.1,retry_after_s=none,times=3") == Fault(
        "rate_limit", rate=0.1, retry_after_s=None, times=3
    )


@pytest.mark.parametrize(
    "text", ["earthquake", "hang:rate=2", "hang:colour=1", "700", "hang:rate=x"]
)
def test_parse_refuses(text: str) -> None:
    """An invalid fault is a ValueError."""
    with pytest.raises(ValueError, match=r"fault|rate|could not convert|status"):
        Fault.parse(text)


def test_every_kind_is_documented() -> None:
    """The table in the module's docstring has every kind."""
    import batcher.simulator.faults.fault as module  # noqa: PLC0415 - its docstring is the subject

    for kind in KINDS:
        assert f"\n    {kind} " in module.__doc__
