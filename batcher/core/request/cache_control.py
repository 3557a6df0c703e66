"""Finds ``cache_control`` marks in canonical JSON."""

KEY = b'"cache_control":'
ONE_HOUR = KEY + b'{"ttl":"1h","type":"ephemeral"}'


def is_marked(body: bytes) -> bool:
    """Return whether a body in canonical JSON has the key of a mark anywhere.

    In a text the key is escaped. A tool's data may contain the key and counts as a mark, too: we
    add no marks to such a request.
    """
    return KEY in body
