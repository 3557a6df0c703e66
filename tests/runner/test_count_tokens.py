"""Prompts that the API counts: exact when it does, and no reason to stop when it does not."""

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


def asked(url: str, *fields: dict[str, Any], key: str = "sk-test") -> Counts:
    """What a server counts; retries do not wait."""
    api = ApiSection(base_url=url, auth="x-api-key")
    return count_prompts(api, Secret(key), fields, lambda: 0.0)


@contextmanager
def server_saying(*answers: tuple[int, bytes]) -> Iterator[tuple[str, list[bytes]]]:
    """Serve these answers in turn, the last one for ever; ``{}`` in one stands for the request."""
    seen: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        """Says the next one."""

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, content = answers[min(len(seen), len(answers) - 1)]
            seen.append(body)
            content = content.replace(b"{}", json.dumps(body.decode()).encode())
            with suppress(ConnectionError):  # who has given up has hung up
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
            yield f"http://127.0.0.1:{server.server_port}", seen
        finally:
            server.shutdown()
            thread.join()


def test_what_is_counted_is_what_is_billed() -> None:
    """Each request has its own count, the one that the server bills, whatever else it asks for."""
    system = "Be brief. " * 40
    requests = [
        FIELDS | {"system": system, "messages": [{"role": "user", "content": "wort " * n}]}
        for n in range(1, 31)
    ]
    with run_in_thread(Settings(seed=5)) as simulator:
        counts = asked(simulator.url, *requests)
        headers = {"x-api-key": "sk-test", "anthropic-version": ApiSection().version}
        with httpx.Client(base_url=simulator.url, headers=headers) as client:
            billed = [
                client.post("/v1/messages", json=one).json()["usage"]["input_tokens"]
                for one in requests
            ]
    assert counts == Counts(dict(enumerate(billed)))
    assert len(set(billed)) > 20


def test_a_wrong_key_ends_it_as_it_would_end_a_run() -> None:
    """A 401 comes back as the halt of a run, with its exit code; nothing more is asked."""
    with run_in_thread(Settings(keep_requests=True)) as simulator:
        counts = asked(simulator.url, *[FIELDS] * 50, key="bad-key")
        assert len(simulator.entries()) <= CONNECTIONS
    assert counts.halt is not None
    assert (counts.halt.exit_code, counts.trouble, counts.tokens) == (4, None, {})
    assert counts.halt.message.startswith("authentication_error")


@pytest.mark.parametrize("status", [404, 405, 501, 307])
def test_a_server_that_cannot_count_is_left_alone(status: int) -> None:
    """Without the endpoint there is a sentence, and no more than the first requests."""
    with server_saying((status, b'{"error": {}}')) as (url, seen):
        counts = asked(url, *[FIELDS] * 50)
    assert counts == Counts({}, f"the server does not count tokens (HTTP {status})")
    assert len(seen) <= CONNECTIONS


def test_without_a_network_it_gives_up() -> None:
    """Where nobody listens the sentence names the failure."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    counts = asked(f"http://127.0.0.1:{port}", *[FIELDS] * 20)
    assert counts == Counts({}, "counting failed 4 times with client.connect")


@pytest.mark.parametrize("body", [b"", b"[1]", b'{"input_tokens": true}', b'{"input_tokens": -1}'])
def test_an_answer_without_a_count_ends_it(body: bytes) -> None:
    """What is no count is not taken for one."""
    with server_saying((200, body)) as (url, _):
        assert asked(url, FIELDS) == Counts({}, "the server's answer holds no count of tokens")


def test_one_that_is_refused_is_left_out() -> None:
    """A request that the API would not count costs only its own count."""
    refusal = b'{"type": "error", "error": {"type": "invalid_request_error", "message": {}}}'
    with server_saying((400, refusal), (200, b'{"input_tokens": 7}')) as (url, seen):
        counts = asked(url, *[FIELDS] * 20)
    assert counts.trouble is None
    assert (len(seen), len(counts.tokens)) == (20, 19)


def test_no_prompt_gets_into_a_sentence() -> None:
    """A server that repeats prompts in its errors is not repeated."""
    refusal = b'{"type": "error", "error": {"type": "invalid_request_error", "message": {}}}'
    for status in (400, 404, 529):
        with server_saying((status, refusal)) as (url, seen):
            counts = asked(url, FIELDS)
        assert SECRET.encode() in seen[0]
        assert counts.trouble
        assert SECRET not in repr(counts)


def test_only_what_is_counted_is_sent() -> None:
    """What the endpoint does not take stays here."""
    with server_saying((200, b'{"input_tokens": 7}')) as (url, seen):
        asked(url, FIELDS | {"temperature": 0.5, "system": "s", "thinking": {"type": "adaptive"}})
    assert set(json.loads(seen[0])) == {"model", "messages", "system", "thinking"}


def test_nothing_is_asked_for_nothing() -> None:
    """An empty sample needs no server."""
    assert asked("http://127.0.0.1:1") == Counts({})


# From here on in virtual time, against a stand-in for the API.


@dataclass
class Api:
    """Answers the n-th count with what ``say`` makes of it, after ``latency_s``.

    ``later_s`` is added for each connection before the last one.
    """

    say: Callable[[int], Response | NoResponse]
    latency_s: float = 1.0
    later_s: float = 0.0
    asked_at: list[float] = field(default_factory=list)
    in_flight: int = 0
    most: int = 0

    async def count_tokens(self, slot: int, _body: bytes) -> Response | NoResponse:
        """Count, or not."""
        assert 0 <= slot < CONNECTIONS
        self.asked_at.append(now())
        content = self.say(len(self.asked_at) - 1)
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await asyncio.sleep(self.latency_s + self.later_s * (CONNECTIONS - slot))
        self.in_flight -= 1
        return content


def counted(_: int = 0, tokens: int = 9) -> Response:
    """A count."""
    return Response(200, {}, b'{"input_tokens": %d}' % tokens, 1.0)


def status(code: int, **headers: str) -> Response:
    """An error."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(code, named, b'{"error": {"type": "e"}}', 1.0)


def count_in_virtual_time(api: Api, requests: int) -> tuple[Counts, float]:
    """Count a number of requests; return the counts and the time."""

    async def main() -> tuple[Counts, float]:
        counter = Counter(api, CONNECTIONS, lambda: 0.5, LIMIT_S)  # type: ignore[arg-type]
        return await counter.count([b"{}"] * requests), now()

    result: tuple[Counts, float] = run(main())
    return result


def test_few_are_asked_at_a_time() -> None:
    """Each connection has one request, and all are used."""
    api = Api(counted)
    counts, ended = count_in_virtual_time(api, 80)
    assert (api.most, ended, len(counts.tokens)) == (CONNECTIONS, 10.0, 80)


def test_each_request_has_its_own_count() -> None:
    """Each count belongs to its request, in whatever order the responses arrive."""
    api = Api(lambda n: counted(tokens=n), later_s=1.0)
    counts, _ = count_in_virtual_time(api, CONNECTIONS)
    assert counts.tokens == {place: place for place in range(CONNECTIONS)}


@pytest.mark.parametrize("trouble", [status(529), status(500), status(429)])
def test_passing_trouble_passes(trouble: Response) -> None:
    """Three failures of each request are outlasted."""
    api = Api(lambda n: trouble if n < 3 * CONNECTIONS else counted())
    counts, _ = count_in_virtual_time(api, CONNECTIONS)
    assert counts == Counts(dict.fromkeys(range(CONNECTIONS), 9))


def test_lasting_trouble_ends_it_and_keeps_what_was_counted() -> None:
    """After four failures of one request nobody asks any more."""
    api = Api(lambda n: counted() if n < 20 else status(529))
    counts, _ = count_in_virtual_time(api, 100)
    assert len(counts.tokens) == 20
    assert counts.trouble == "counting failed 4 times with e"
    assert len(api.asked_at) <= 20 + 4 * CONNECTIONS
    assert api.in_flight > 0  # those were let go


def test_who_is_asked_to_wait_waits_and_so_do_all() -> None:
    """Within ``retry-after`` nothing is sent but what was on its way."""
    api = Api(lambda n: status(429, retry_after="9") if n == 10 else counted())
    counts, _ = count_in_virtual_time(api, 40)
    assert counts == Counts(dict.fromkeys(range(40), 9))
    refused_at = api.asked_at[10] + api.latency_s
    assert not [at for at in api.asked_at if refused_at < at < refused_at + 9]


def test_a_wait_beyond_the_end_is_not_begun() -> None:
    """Who is asked to come back after more than the time that is left gives up at once."""
    api = Api(lambda _: status(429, retry_after="3600"))
    counts, ended = count_in_virtual_time(api, 10)
    assert counts.trouble == "the server asks to wait 3600 s before it counts more"
    assert ended == api.latency_s


def test_it_ends_in_time() -> None:
    """A server that is slow keeps nobody longer than agreed; what it counted is kept."""
    api = Api(counted, latency_s=25.0)
    counts, ended = count_in_virtual_time(api, 100)
    assert ended == LIMIT_S
    assert counts.trouble == "counting took longer than 60 s"
    assert len(counts.tokens) == 2 * CONNECTIONS
