"""What a job file may say about its server is what the client takes, and what HTTP can carry."""

import h11
import httpx
from hypothesis import example, given
from hypothesis import strategies as st

from batcher.api.address import server_address
from batcher.api.client import MessagesClient
from batcher.core.job import ApiSection
from batcher.core.job.reading import read_job
from batcher.core.job.server import address_problem, is_loopback
from batcher.errors import ConfigurationError

REQUEST = {"model": "m", "max_tokens": 1, "prompt": "{{ x }}"}

schemes = st.sampled_from(["https", "http", "HTTPS", "ftp", " https", ""])
hosts = st.sampled_from(
    ["api.example", "localhost", "127.0.0.1", "[::1]", "[::1%25lo]", "256.1.1.1", "a..b", "a_b",
     "b\u00fccher.example", "\u2603.example", "127.1", "a" * 64, "-a", "xn--a", "LOCALHOST.", ""]
) | st.text("a.-_[]:@%\\ \n\u00e9", max_size=6)  # fmt: skip
ports = st.sampled_from(["", ":", ":0", ":80", ":99999", ":+1", ":x", ":\u0661"])
paths = st.sampled_from(["", "/", "//", "/v1/", "/a/../b", "?", "/?a", "#", "/\u00e9", "/a b"])
users = st.sampled_from(["", "", "", "@", "user:word@"])
addresses = st.builds(
    lambda scheme, user, host, port, path: f"{scheme}://{user}{host}{port}{path}",
    schemes, users, hosts, ports, paths,
) | st.text(max_size=12)  # fmt: skip

free_names = st.sampled_from(["anthropic-beta", "X-A", "x-a", "Accept", "user-agent"])
other_names = st.sampled_from(
    ["Host", "authorization", "Cookie", "x-api-key", "transfer-encoding", "Content-Encoding",
     "content-length", "te", "Upgrade", "Connection", "expect", "trailer", "keep-alive",
     "x" * 256, "x" * 257]
)  # fmt: skip
names = free_names | free_names | other_names | st.text(max_size=4)
values = st.sampled_from(["", " a", "a ", "a b", "a\tb", "x" * 8192, "x" * 8193]) | st.text(
    max_size=4
)
headers = st.dictionaries(names, values, max_size=3)


def is_accepted_in_a_job(address: str, named: dict[str, str]) -> bool:
    """Whether a job file may say this of its server."""
    api = {"base_url": address, "headers": named}
    return not read_job({"input": {"path": "in.jsonl"}, "request": REQUEST, "api": api}).mistakes


def client_of(address: str, named: dict[str, str]) -> MessagesClient | None:
    """Return the client that a run would send with, or None when it refuses."""
    try:
        return MessagesClient(
            ApiSection(base_url=address, headers=named), None, connections=1, timeout_s=1
        )
    except ConfigurationError:
        return None


@given(addresses, headers)
@example("https://api.example", {"transfer-encoding": "chunked"})
@example("https://api.example?", {})
def test_a_job_file_and_the_client_agree(address: str, named: dict[str, str]) -> None:
    """What a job file may say the client takes, and what it refuses the client refuses."""
    assert is_accepted_in_a_job(address, named) == (client_of(address, named) is not None)


@given(addresses)
def test_an_accepted_address_is_read_as_it_was_judged(address: str) -> None:
    """The connection goes to the host that was found safe, and the path stays a path."""
    if address_problem(address) is not None:
        return
    url = server_address(address)
    assert url.scheme == "https" or is_loopback(url.raw_host.decode("ascii"))
    assert (url.userinfo, url.query, url.fragment) == (b"", b"", "")
    assert url.port is None or 0 < url.port < 65_536
    assert httpx.URL(f"{url}/v1/messages").raw_path == url.raw_path.rstrip(b"/") + b"/v1/messages"


@given(headers)
@example({"x-a": "a "})
@example({"X-A": "1", "x-a": "2"})
def test_an_accepted_header_can_be_sent(named: dict[str, str]) -> None:
    """HTTP takes every header of a client, none of them twice."""
    client = client_of("https://api.example", named)
    if client is None:
        return
    sent = client._server._headers
    h11.Request(method="POST", target="/", headers=sent)
    assert len({name for name, _ in sent}) == len(sent)
    assert all(name == name.lower() for name, _ in sent)
