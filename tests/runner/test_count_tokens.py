"""Counts by the API are exact, and a failure to count does not stop the run."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from virtual_time import now, run

from batcher.api.key import Secret
from batcher.core.answers.response import NoResponse, Response
from batcher.core.job import ApiSection
from batcher.runner.planning.count_tokens import CONNECTIONS, Counter, Counts, count_prompts
from batcher.simulator import Settings, run_in_thread

SECRET = "the patient's name is Ottilie"
FIELDS = {
    "model": "claude-haiku-5-5",
    "max_tokens": 50,
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "messages": [{"role": "user", "content": SECRET}],
}
LIMIT_S = 60.0


def counts_from(url: str, *fields: dict[str, Any], key: str = "sk-test") -> Counts:
    """Return what a server counts for these requests; retries do not wait."""
    api = ApiSection(base_url=url, auth="x-api-key")
    return count_prompts(api, Secret(key), fields, lambda: 0.0)


@contextmanager
def server_with(*responses: tuple[int, bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Serve these responses in turn; the last repeats. ``{}`` in a body becomes the request."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        """Sends the next response."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, content = responses[min(len(received), len(responses) - 1)]
            received.append(body)
            content = content.replace(b"{}", json.dumps(body.decode()).encode())
            with suppress(ConnectionError):  # a client that gave up has closed the connection
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", received
        finally:
            server.shutdown()
            thread.join()


def test_counted_tokens_are_the_billed_tokens() -> None:
    """The count of each request equals the input tokens that the server bills for it."""
    system = "Be brief. " * 40
    requests = [
        FIELDS | {"system": system, "messages": [{"role": "user", "content": "wort " * n}]}
        for n in range(1, 31)
    ]
    with run_in_thread(Settings(seed=5)) as simulator:
        counts = counts_from(simulator.url, *requests)
        headers = {"x-api-key": "sk-test", "anthropic-version": ApiSection().version}
        with httpx.Client(base_url=simulator.url, headers=headers) as client:
            billed = [
                client.post("/v1/messages", json=request).json()["usage"]["input_tokens"]
                for request in requests
            ]
    assert counts == Counts(dict(enumerate(billed)))
    assert len(set(billed)) > 20


def test_a_wrong_key_ends_counting_with_the_halt_of_a_run() -> None:
    """A 401 becomes the halt of a run, with its exit code, and no further request is sent."""
    with run_in_thread(Settings(keep_requests=True)) as simulator:
        counts = counts_from(simulator.url, *[FIELDS] * 50, key="bad-key")
        assert len(simulator.entries()) <= CONNECTIONS
    assert counts.halt is not None
    assert (counts.halt.exit_code, counts.problem, counts.tokens) == (4, None, {})
    assert counts.halt.message.startswith("authentication_error")


@pytest.mark.parametrize("status", [404, 405, 501, 307])
def test_counting_ends_when_the_server_has_no_endpoint(status: int) -> None:
    """A missing endpoint is reported, and no requests follow the first ones."""
    with server_with((status, b'{"error": {}}')) as (url, received):
        counts = counts_from(url, *[FIELDS] * 50)
    assert counts == Counts({}, f"the server does not count tokens (HTTP {status})")
    assert len(received) <= CONNECTIONS


def test_counting_ends_without_a_network() -> None:
    """The report names the connection failure."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    counts = counts_from(f"http://127.0.0.1:{port}", *[FIELDS] * 20)
    assert counts == Counts({}, "counting failed 4 times with client.connect")


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"input_tokens": true}', b'{"input_tokens": -1}'])
def test_a_response_without_a_count_ends_counting(body: bytes) -> None:
    """Only a number of zero or more is accepted as a count."""
    with server_with((200, body)) as (url, _):
        assert counts_from(url, FIELDS) == Counts({}, "the server's response has no token count")


def test_a_refused_request_is_left_out() -> None:
    """A request that the API refuses to count has no count; all others have one."""
    refusal = b'{"type": "error", "error": {"type": "invalid_request_error", "message": {}}}'
    with server_with((400, refusal), (200, b'{"input_tokens": 7}')) as (url, received):
        counts = counts_from(url, *[FIELDS] * 20)
    assert counts.problem is None
    assert (len(received), len(counts.tokens)) == (20, 19)


def test_no_prompt_gets_into_a_report() -> None:
    """A prompt that the server quotes in an error is not in the report."""
    refusal = b'{"type": "error", "error": {"type": "invalid_request_error", "message": {}}}'
    for status in (400, 404, 529):
        with server_with((status, refusal)) as (url, received):
            counts = counts_from(url, FIELDS)
        assert SECRET.encode() in received[0]
        assert counts.problem
        assert SECRET not in repr(counts)


def test_only_counted_fields_are_sent() -> None:
    """Fields that the endpoint does not accept are not sent."""
    with server_with((200, b'{"input_tokens": 7}')) as (url, received):
        counts_from(
            url, FIELDS | {"temperature": 0.5, "system": "s", "thinking": {"type": "adaptive"}}
        )
    assert set(json.loads(received[0])) == {"model", "messages", "system", "thinking"}


def test_an_empty_sample_sends_nothing() -> None:
    """No requests give no counts, without a server."""
    assert counts_from("http://127.0.0.1:1") == Counts({})


# The tests below run in virtual time, against a fake of the API.


@dataclass
class FakeApi:
    """Answers the n-th count with ``respond(n)`` after ``latency_s``.

    Each connection takes ``later_s`` longer than the next one.
    """

    respond: Callable[[int], Response | NoResponse]
    latency_s: float = 1.0
    later_s: float = 0.0
    sent_at: list[float] = field(default_factory=list)
    in_flight: int = 0
    max_in_flight: int = 0

    async def count_tokens(self, slot: int, _body: bytes) -> Response | NoResponse:
        """Return the next response."""
        assert 0 <= slot < CONNECTIONS
        self.sent_at.append(now())
        response = self.respond(len(self.sent_at) - 1)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        await asyncio.sleep(self.latency_s + self.later_s * (CONNECTIONS - slot))
        self.in_flight -= 1
        return response


def counted(_: int = 0, tokens: int = 9) -> Response:
    """Return a response with a count."""
    return Response(200, {}, b'{"input_tokens": %d}' % tokens, 1.0)


def status(code: int, **headers: str) -> Response:
    """Return an error response; ``retry_after`` becomes ``retry-after``."""
    api_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(code, api_headers, b'{"error": {"type": "e"}}', 1.0)


def count_in_virtual_time(api: FakeApi, requests: int) -> tuple[Counts, float]:
    """Count this number of requests; return the counts and the time of the end."""

    async def main() -> tuple[Counts, float]:
        counter = Counter(api, CONNECTIONS, lambda: 0.5, LIMIT_S)  # type: ignore[arg-type]
        return await counter.count([b"{}"] * requests), now()

    result: tuple[Counts, float] = run(main())
    return result


def test_each_connection_counts_one_request_at_a_time() -> None:
    """All connections are used, and each has one request in flight."""
    api = FakeApi(counted)
    counts, ended = count_in_virtual_time(api, 80)
    assert (api.max_in_flight, ended, len(counts.tokens)) == (CONNECTIONS, 10.0, 80)


def test_each_request_has_its_own_count() -> None:
    """A count belongs to its request, in whatever order the responses come."""
    api = FakeApi(lambda n: counted(tokens=n), later_s=1.0)
    counts, _ = count_in_virtual_time(api, CONNECTIONS)
    assert counts.tokens == {position: position for position in range(CONNECTIONS)}


@pytest.mark.parametrize("failure", [status(529), status(500), status(429)])
def test_transient_errors_are_retried(failure: Response) -> None:
    """A request that fails three times is still counted."""
    api = FakeApi(lambda n: failure if n < 3 * CONNECTIONS else counted())
    counts, _ = count_in_virtual_time(api, CONNECTIONS)
    assert counts == Counts(dict.fromkeys(range(CONNECTIONS), 9))


def test_a_lasting_error_ends_counting_and_keeps_earlier_counts() -> None:
    """After four failures of one request nothing more is sent."""
    api = FakeApi(lambda n: counted() if n < 20 else status(529))
    counts, _ = count_in_virtual_time(api, 100)
    assert len(counts.tokens) == 20
    assert counts.problem == "counting failed 4 times with e"
    assert len(api.sent_at) <= 20 + 4 * CONNECTIONS
    assert api.in_flight > 0  # these were cancelled


def test_retry_after_pauses_all_connections() -> None:
    """Nothing is sent during ``retry-after``, by any connection."""
    api = FakeApi(lambda n: status(429, retry_after="9") if n == 10 else counted())
    counts, _ = count_in_virtual_time(api, 40)
    assert counts == Counts(dict.fromkeys(range(40), 9))
    refused_at = api.sent_at[10] + api.latency_s
    assert not [at for at in api.sent_at if refused_at < at < refused_at + 9]


def test_a_wait_longer_than_the_time_left_ends_counting() -> None:
    """Counting ends at once when ``retry-after`` is longer than the time left."""
    api = FakeApi(lambda _: status(429, retry_after="3600"))
    counts, ended = count_in_virtual_time(api, 10)
    assert counts.problem == "the server asks to wait 3600 s before it counts more"
    assert ended == api.latency_s


def test_counting_ends_at_its_time_limit() -> None:
    """With a slow server, counting ends after 60 s and keeps the counts that it has."""
    api = FakeApi(counted, latency_s=25.0)
    counts, ended = count_in_virtual_time(api, 100)
    assert ended == LIMIT_S
    assert counts.problem == "counting took longer than 60 s"
    assert len(counts.tokens) == 2 * CONNECTIONS
