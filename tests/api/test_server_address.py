"""Which servers and proxies are accepted."""

import urllib.request

import httpx
import pytest

from batcher.api.address import proxy_for, server_address
from batcher.errors import ConfigurationError


@pytest.mark.parametrize(
    "url",
    [
        "https://api.anthropic.com",
        "https://api.anthropic.com/",
        "https://gateway.example:8443/anthropic",
        "http://127.0.0.1:8080",
        "http://localhost:1",
        "http://[::1]:1",
    ],
)
def test_https_and_this_machine_are_accepted(url: str) -> None:
    """A key may travel over TLS, or not leave the machine; slashes at the end do not matter."""
    assert str(server_address(url)) == url.rstrip("/")


@pytest.mark.parametrize(
    "url",
    [
        "http://api.anthropic.com",
        "http://127.0.0.1.evil.example",
        "http://10.0.0.1",
        "https://user:sk-ant-secret@host",
        "https://host?x=sk-ant-secret",
        "ftp://localhost",
        "api.anthropic.com",
        "https://",
        "http://[",
        "simulator",
        "",
    ],
)
def test_other_servers_are_refused(url: str) -> None:
    """Anything else is a mistake of the job file, told without repeating a secret in it."""
    with pytest.raises(ConfigurationError) as caught:
        server_address(url)
    assert "sk-ant" not in str(caught.value)


SERVER = httpx.URL("https://api.example")


def test_the_environment_may_name_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare transport does not look for a proxy, so we do; a scheme may be left out."""
    assert proxy_for(SERVER) is None
    monkeypatch.setenv("ALL_PROXY", "proxy.example:3128")
    assert str(proxy_for(SERVER).url) == "http://proxy.example:3128"
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@other.example:1")
    proxy = proxy_for(SERVER)
    assert (proxy.url.host, proxy.auth) == ("other.example", ("user", "secret"))
    assert "secret" not in repr(proxy)


def test_no_proxy_and_this_machine_go_direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """NO_PROXY is honoured, and what stays on this machine never passes a proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.example:1")
    assert proxy_for(httpx.URL("http://127.0.0.1:80")) is None
    assert proxy_for(httpx.URL("https://localhost")) is None
    assert proxy_for(server_address("http://10.0.0.5:4000", allow_http=True)) is None
    monkeypatch.setenv("NO_PROXY", "api.example")
    assert proxy_for(SERVER) is None


def test_other_kinds_of_proxy_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy is said to be unsupported, not silently passed by."""
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"https": "socks5://secret@p:1"})
    with pytest.raises(ConfigurationError) as caught:
        proxy_for(SERVER)
    assert "secret" not in str(caught.value)
