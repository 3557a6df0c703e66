"""Reads the server's address, and finds the proxy for it."""

import re
import urllib.request

import httpx

from batcher.core.job.server import address_problem, is_authority, is_loopback
from batcher.errors import ConfigurationError

_HAS_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def server_address(base_url: str, *, allow_http: bool = False) -> httpx.URL:
    """Parse the server's address; raises ConfigurationError when it must not be used."""
    problem = address_problem(base_url, allow_http=allow_http)
    if problem is not None:
        hint = 'set an address such as "https://api.anthropic.com"'
        raise ConfigurationError(f"api.base_url {problem}", hint=hint)
    return httpx.URL(base_url.rstrip("/"))


def proxy_for(url: httpx.URL) -> httpx.Proxy | None:
    """Find the proxy that HTTPS_PROXY, ALL_PROXY and NO_PROXY name; none on loopback.

    There is none for http either: such a server is in the user's own network, and the proxy would
    read the key.
    Raises ConfigurationError for a proxy of a kind that is not supported.
    """
    if url.scheme == "http" or is_loopback(
        url.raw_host.decode("ascii")
    ):  # .host decodes xn-- and fails at some names
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(url.netloc.decode("ascii")):
        return None
    address = proxy if _HAS_SCHEME.match(proxy) else f"http://{proxy}"
    scheme, _, rest = address.partition("://")
    if scheme.lower() not in {"http", "https"}:
        raise ConfigurationError("the proxy of the environment is not an http or https proxy")
    if not is_authority(rest.partition("/")[0].rpartition("@")[2]):
        raise ConfigurationError("the proxy of the environment is not an address")
    try:
        return httpx.Proxy(address)
    except (httpx.InvalidURL, ValueError):
        raise ConfigurationError("the proxy of the environment is not an address") from None
