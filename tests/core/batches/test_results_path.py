"""The results of a batch are read at the job's own server and nowhere else."""

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batcher.core.batches.results_path import batch_path, path_at

BASE = "https://api.anthropic.com"


@pytest.mark.parametrize(("base", "url", "path"), [
    (BASE, f"{BASE}/v1/messages/batches/b/results", "/v1/messages/batches/b/results"),
    (BASE, "https://API.Anthropic.COM:443/x", "/x"),
    (f"{BASE}:443", f"{BASE}/x?a=1&b=%2F", "/x?a=1&b=%2F"),
    (f"{BASE}/proxy/", f"{BASE}/v1/x", "/v1/x"),
    (BASE, f"{BASE}//evil.example/x", "//evil.example/x"),
    (BASE, f"{BASE}/x#part", "/x"),
    (BASE, BASE, "/"),
    (BASE, f"{BASE}?a", "/?a"),
    ("http://127.0.0.1:8080", "http://127.0.0.1:08080/r", "/r"),
    ("http://[::1]:8080/a", "http://[::1]:8080/r", "/r"),
    ("http://[::1]", "http://[::1]:80/r", "/r"),
])  # fmt: skip
def test_the_same_server(base: str, url: str, path: str) -> None:
    """Scheme, host and port decide; letter case and a usual port do not."""
    assert path_at(base, url) == path


@pytest.mark.parametrize("url", [
    "http://api.anthropic.com/x", "https://api.anthropic.com:8443/x", "https://evil.example/x",
    "https://api.anthropic.com.evil.example/x", "https://api.anthropic.com@evil.example/x",
    "https://evil.example/https://api.anthropic.com/x", "https://evil.example#@api.anthropic.com",
    "https://evil.example?@api.anthropic.com/", "https://api.anthropic.com\\@evil.example/",
    "https://api.anthropic.com\\.evil.example/", "https://evil.example\\@api.anthropic.com/",
    "//api.anthropic.com/x", "/v1/x", "", "https://", "https:api.anthropic.com/x",
    "ftp://api.anthropic.com/x", "https://api.anthropic.com/a b", "https://api.anthropic.com/\n",
    " https://api.anthropic.com/x", "https://api.anthropic.com./x", "javascript:alert(1)",
    "https://api.anthropic.com:443@evil.example/", "https://user@api.anthropic.com/x",
])  # fmt: skip
def test_another_server(url: str) -> None:
    """Whatever is not surely the same server is another one."""
    assert path_at(BASE, url) is None


parts = st.sampled_from([
    "https://", "http://", "api.anthropic.com", "evil.example", "@", ":", "443", "/", "\\", "?",
    "#", ".", "//", "x", "%2F", "\t",
])  # fmt: skip


@given(st.lists(parts, max_size=8).map("".join))
def test_no_address_leaves_the_server(url: str) -> None:
    """What is read is at the job's host, as httpx reads addresses."""
    path = path_at(BASE, url)
    if path is None:
        return
    read, given_ = httpx.URL(f"{BASE}{path}"), httpx.URL(url)
    assert (read.scheme, read.host, read.port) == ("https", "api.anthropic.com", None)
    assert (given_.scheme, given_.host, given_.port) == ("https", "api.anthropic.com", None)


@given(st.text(min_size=1, max_size=20))
def test_an_id_stays_one_part_of_the_path(batch_id: str) -> None:
    """An id with a slash or a query cannot lead to another endpoint."""
    try:
        path = batch_path(batch_id)
    except UnicodeEncodeError:
        return
    assert path.count("/") == 4
    assert "?" not in path
    assert "#" not in path
