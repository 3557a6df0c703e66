"""Where requests go: the server's address, and the proxy on the way to it."""

import ipaddress
import re
import urllib.request

import httpx

from batcher.errors import ConfigurationError

_HAS_SCHEME = re.compile(r"[a-z][a-z0-9]*://")


def server_address(base_url: str) -> httpx.URL:
    """Parse the server's address, refusing one where a key would not be safe.

    Only https, except on this machine; no user, query or fragment. Raises ConfigurationError.
    """
    try:
        url = httpx.URL(base_url.rstrip("/"))
    except (httpx.InvalidURL, ValueError):
        raise _refused("is not an address") from None
    if url.scheme not in {"http", "https"} or not url.host:
        raise _refused("must look like https://host")
    if url.userinfo or url.query or url.fragment:
        raise _refused("may not hold a user, a query or a fragment")
    if url.scheme == "http" and not is_loopback(url.host):
        raise _refused("must be https: a key and prompts do not travel in the clear")
    return url


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by its name or number alone."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_for(url: httpx.URL) -> httpx.Proxy | None:
    """Find the proxy that HTTPS_PROXY, ALL_PROXY and NO_PROXY name; none on loopback.

    Raises ConfigurationError for a proxy of a kind that is not supported.
    """
    if is_loopback(url.host):
        return None
    proxies = urllib.request.getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or urllib.request.proxy_bypass(url.netloc.decode("ascii")):
        return None
    address = proxy if _HAS_SCHEME.match(proxy) else f"http://{proxy}"
    if not address.startswith(("http://", "https://")):
        raise ConfigurationError("the proxy of the environment is not an http or https proxy")
    try:
        return httpx.Proxy(address)
    except (httpx.InvalidURL, ValueError):
        raise ConfigurationError("the proxy of the environment is not an address") from None


def _refused(why: str) -> ConfigurationError:
    return ConfigurationError(f"[api] base_url {why}", hint='such as "https://api.anthropic.com"')
