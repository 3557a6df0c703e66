"""Where the results of a batch are read from: never from another server than the job's."""

from urllib.parse import quote

from batcher.core.job.server import address_problem

BATCHES_PATH = "/v1/messages/batches"
_PORTS = {"https": "443", "http": "80"}


def batch_path(batch_id: str) -> str:
    """Return the path of a batch, below the job's base_url."""
    return f"{BATCHES_PATH}/{quote(batch_id, safe='')}"


def path_at(base_url: str, results_url: str) -> str | None:
    """Return the path and query of an address at the server of ``base_url``.

    None for one at another server: another scheme, host or port. The path is free, because a server
    may keep results elsewhere.
    """
    if address_problem(results_url, takes_query=True, allow_http=True) is not None:
        return None
    if _origin(base_url) != _origin(results_url):
        return None
    rest = results_url.partition("://")[2].partition("#")[0]
    start = min((rest.find(mark) for mark in "/?" if mark in rest), default=len(rest))
    return rest[start:] if rest[start:].startswith("/") else f"/{rest[start:]}"


def _origin(address: str) -> tuple[str, str, str]:
    scheme, _, rest = address.lower().partition("://")
    authority = rest.replace("?", "/").replace("#", "/").partition("/")[0]
    host, colon, port = authority.rpartition(":")
    if not colon or "]" in port:
        host, port = authority, ""
    return scheme, host, port.lstrip("0") or _PORTS.get(scheme, "")
