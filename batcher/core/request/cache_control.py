"""The ``cache_control`` marks that a request in canonical JSON already has."""

KEY = b'"cache_control":'
ONE_HOUR = KEY + b'{"ttl":"1h","type":"ephemeral"}'


def is_marked(body: bytes) -> bool:
    """Whether a body in canonical JSON has the key of a mark anywhere.

    In a text the key would be escaped. Data of a tool may contain such a key and counts as a mark:
    such a request is better left alone.
    """
    return KEY in body
